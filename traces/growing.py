"""Experiments that still run, to be asked in SQL as those that are over: their events in tables that grow with them."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from traces import index
from traces.live import LiveExperiment, News, Seen

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Growing:
    """The events of one experiment, of those runs that were asked about. Each question reads what is new of them. What
    does not fit into index.GROWING_MEMORY is in files that go with this object."""

    def __init__(self, live: LiveExperiment) -> None:
        self.live = live
        self._seen: dict[int, Seen] = {}
        self._con: DuckDBPyConnection | None = None
        self._scratch: Path | None = None
        self._gone: weakref.finalize[..., Growing] | None = None

    @contextmanager
    def about(self, runs: Iterable[int]) -> Iterator[DuckDBPyConnection]:
        """A connection for one question, with the table `events` (traces/schema.sql): all of these runs, perhaps of
        others too."""
        con = self._opened()
        try:
            self._bring_up_to_date(con, runs)
        except BaseException:
            self.close()  # what it holds is not known
            raise
        with closing(con.cursor()) as cursor:
            yield cursor

    def close(self) -> None:
        """Let go of what was read; the next question reads all anew."""
        if self._con is not None and self._gone is not None:
            self._con.close()
            self._gone()
        self._con = None
        self._seen.clear()

    def _opened(self) -> DuckDBPyConnection:
        if self._con is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="headcount-"))
            self._gone = weakref.finalize(self, partial(shutil.rmtree, self._scratch, ignore_errors=True))
            self._con = index.growing(self._scratch)
        return self._con

    def _bring_up_to_date(self, con: DuckDBPyConnection, runs: Iterable[int]) -> None:
        self.live.advance()
        news: dict[int, News] = {}
        for run in runs:
            seen = self._seen.get(run, Seen())
            found = self.live.news(run, seen)
            if found.first < seen.stop:
                con.execute("DELETE FROM events WHERE run = ? AND seq >= ?", [run, found.first])
            if found.first < found.seen.stop:
                news[run] = found
            self._seen[run] = found.seen
        if news:
            assert self._scratch is not None
            index.add(con, (line for found in news.values() for line in found.lines), self._scratch)
