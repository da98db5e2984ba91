"""What a query answers, as a file: CSV, JSON, or Parquet with the columns' types."""

from __future__ import annotations

import json
from pathlib import Path

from experiments.reading.search import as_csv
from traces import paths
from traces.errors import InputError
from traces.store import Store

SUFFIXES = (".parquet", ".csv", ".json")


def write(store: Store, query: str, into: Path) -> int:
    """All rows of the query into a file whose name says its form; how many there are. Raises InputError for a name that
    does not, and for bad SQL."""
    if into.suffix not in SUFFIXES:
        raise InputError(f"--into {into}: the name should end in {', '.join(SUFFIXES)}")
    if not paths.is_dir(into.absolute().parent):
        raise InputError(f"--into {into}: there is no folder {into.absolute().parent}")
    if into.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = store.arrow(query)
        pq.write_table(table, into)
        return int(table.num_rows)
    rows = store.sql(query)
    text = as_csv(rows) if into.suffix == ".csv" else json.dumps(rows, indent=2, default=str) + "\n"
    into.write_text(text, encoding="utf-8")
    return len(rows)
