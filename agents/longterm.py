"""Long-term memory: facts with their provenance, kept in LanceDB across the cases of an experiment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from agents import roles
from agents.limits import RECALLS
from tools import retrieval
from traces.kernel import AgentCreated, Noted, Record
from traces.wording import SOURCE

_GIVEN = re.compile(r"^(- .+\]) \(run (\d+), (.+), (.+)\)$")
_SOURCED = re.compile(rf"^- ([^\s:]+): (.+?) \[({SOURCE}#\d+)\]$")
DEPTH = 40


class Fact(Struct, frozen=True):
    """A noted line with a source, and where it comes from."""

    line: str
    run: int
    case: str
    agent: str


def sourced(notes: Iterable[str]) -> list[str]:
    """The lines with a source, each once."""
    return [line for line in dict.fromkeys(notes) if _SOURCED.match(line)]


def recalled_note(facts: Sequence[Fact]) -> str:
    """What a trace says of the facts that an agent was given."""
    lines = [f"{fact.line} (run {fact.run}, {fact.case}, {fact.agent})" for fact in facts]
    return "\n".join([f"{len(facts)} facts from earlier cases:", *lines])


def remembered_note(lines: Sequence[str]) -> str:
    """What a trace says of the facts that an agent leaves for later cases."""
    return "\n".join([f"{len(lines)} facts with sources:", *lines])


def recalled(records: Iterable[Record]) -> list[Fact] | None:
    """The facts that a run was given when it began, as its trace tells; None where nobody had been hired yet who would
    have been told."""
    hired = False
    for record in records:
        event = record.event
        if isinstance(event, Noted) and event.kind == "recalled":
            return [Fact(m[1], int(m[2]), m[3], m[4]) for line in event.text.splitlines() if (m := _GIVEN.match(line))]
        if hired:
            return []
        hired = isinstance(event, AgentCreated) and roles.find(event.role).finds
    return None


def remembered(records: Iterable[Record]) -> Iterator[tuple[str, list[str]]]:
    """The agents of a run and the facts that they left for later cases, as its trace tells."""
    for record in records:
        event = record.event
        if isinstance(event, Noted) and event.kind == "remembered":
            yield event.agent, event.text.splitlines()[1:]


class LongTerm:
    """The memory of one team, in this process: the traces hold what it was made of (`remembered`). Facts without a
    source are not kept: only what can be looked up again."""

    def __init__(self) -> None:
        self._embed = retrieval.embedder("wordllama")
        self._kept: set[str] = set()
        self._table: Any = None

    def remember(self, notes: Iterable[str], run: int, case: str, agent: str) -> None:
        """Keep the sourced facts among these lines that are new."""
        new = [line for line in sourced(notes) if line not in self._kept]
        if not new:
            return
        vectors = self._embed(new)
        rows = [
            {"line": line, "vector": vector, "run": run, "case": case, "agent": agent}
            for line, vector in zip(new, vectors, strict=True)
        ]
        if self._table is None:
            self._table = retrieval.connect(None).create_table("facts", data=rows)
        else:
            self._table.add(rows)
        self._kept.update(new)

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
