"""Long-term memory: facts with their provenance, kept in LanceDB across the cases of an experiment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from tools import retrieval

_SOURCED = re.compile(r"^- (\w+): (.+?) \[([\w.-]+#\d+)\]$")
RECALLS = 6
DEPTH = 40


class Fact(Struct, frozen=True):
    """A noted line with a source, and where it comes from."""

    line: str
    run: int
    case: str
    agent: str


class LongTerm:
    """The memory of one team, in a folder or, without one, in this process. Facts without a source are not kept: only
    what can be looked up again."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._embed = retrieval.embedder("wordllama")
        self._kept: set[str] = set()
        self._table: Any = None

    def remember(self, notes: Iterable[str], run: int, case: str, agent: str) -> int:
        """Keep the sourced facts among these lines that are new; how many those were."""
        new = [line for line in dict.fromkeys(notes) if _SOURCED.match(line) and line not in self._kept]
        if not new:
            return 0
        vectors = self._embed(new)
        rows = [
            {"line": line, "vector": vector, "run": run, "case": case, "agent": agent}
            for line, vector in zip(new, vectors, strict=True)
        ]
        if self._table is None:
            self._table = retrieval.connect(self._folder).create_table("facts", data=rows)
        else:
            self._table.add(rows)
        self._kept.update(new)
        return len(new)

    def recall(self, request: str) -> list[Fact]:
        """The facts nearest in meaning to the request, nearest first; the newest where one is noted with two values."""
        if self._table is None:
            return []
        rows = self._table.search(self._embed([request])[0]).limit(DEPTH).to_list()
        nearest: dict[str, dict[str, Any]] = {}
        for row in sorted(rows, key=lambda row: (row["_distance"], -row["run"], row["line"])):
            name = row["line"].partition(":")[0]
            if name not in nearest or row["run"] > nearest[name]["run"]:
                nearest[name] = row
        chosen = sorted(nearest.values(), key=lambda row: (row["_distance"], row["line"]))[:RECALLS]
        return [Fact(row["line"], row["run"], row["case"], row["agent"]) for row in chosen]
