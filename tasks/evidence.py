"""Where what an answer has to say stands: in a cell of a table, in a passage of a document, with the text around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from tasks import templates
from tasks.tables import Table
from tools.documents import Document
from traces import wording
from traces.kernel import Chunk

Search = Callable[[str], Sequence[Chunk]]
"""The passages for a query, as the scenario's agents would see them."""
Step = tuple[dict[str, Any], dict[str, Any]]
"""A fact and the tool call that finds it, as a case's file has them."""

_SHOWN = 3  # places of one text beside the first
_AROUND = 60  # characters on each side
_QUERY = 120
_TRIED = 20  # places whose own words are searched for


class Place(Struct, frozen=True):
    """`where` in `file` a text stands ("line 3", "page 2"), and the line with it in the middle."""

    file: str
    where: str
    around: str

    def __str__(self) -> str:
        return f"{self.file}, {self.where}: {self.around}"


class Evidence(Struct, frozen=True):
    """What is known of one text that the answer to a question has to say. `places`: where it stands, the one that the
    reference solution looks it up in first; without any it is `given`: concluded from those texts."""

    question: str
    text: str
    places: tuple[Place, ...] = ()
    given: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The text and its places, the first of which is used, for a person to judge."""
        if not self.places:
            rest = " and ".join(repr(text) for text in self.given)
            return [f"{self.text!r} is in no document or table: concluded from {rest}"]
        first, *others = self.places
        shown = [f"{self.text!r} in {first}", *(f"    also in {place}" for place in others[:_SHOWN])]
        return [*shown, *([f"    and in {len(others) - _SHOWN} more places"] if len(others) > _SHOWN else [])]


def in_tables(text: str, question: str, tables: Sequence[Table]) -> tuple[Step | None, list[Place]]:
    """The query that finds a cell with this text, whole cells first, by another cell of its row that the question
    names, and the cells that have it, that one first."""
    step: Step | None = None
    places: list[Place] = []
    for table in tables:
        for row, column in table.cells(text):
            place = Place(table.file or table.name, f"line {table.line(row)}, column {column}", table.shown(row))
            found = table.query(row, column, question, text) if step is None else None
            step = step or found
            places = [place, *places] if found else [*places, place]
    return step, places


def in_documents(
    text: str, question: str, documents: Sequence[Document], search: Search
) -> tuple[Step | None, list[Place]]:
    """The search that finds a passage with this text, in words of the question if these do, else in the passage's own;
    and the places where documents have it, that one first."""
    spots = [(document, span) for document in documents for span in wording.find(document.text, text)]
    places = [_place(document, span) for document, span in spots]
    own = (_around(document, span, _QUERY) for document, span in spots[:_TRIED])
    for query in (question, f"{question} {text}", text, *own):
        for chunk in search(query) if spots else ():
            spans = wording.find(chunk.text, text)
            if spans:
                return _step(chunk, spans[0], search(query), query), _sorted(spots, places, chunk)
    return None, places


def _step(chunk: Chunk, span: tuple[int, int], chunks: Sequence[Chunk], query: str) -> Step:
    value = " ".join(chunk.text[slice(*span)].split())
    otherwise = _distractor(value, chunks)
    fact = {"value": value} | ({"otherwise": otherwise} if otherwise else {})
    return fact, {"tool": "search", "args": {"query": templates.plain(query)}}


def _sorted(spots: Sequence[tuple[Document, tuple[int, int]]], places: list[Place], chunk: Chunk) -> list[Place]:
    """The places, the one within a passage first."""
    passage = wording.plain(chunk.text)

    def elsewhere(number: int) -> bool:
        document, span = spots[number]
        line = wording.plain(_line(document.text, span))
        return document.source != chunk.source or not (line in passage or passage in line)

    return [places[number] for number in sorted(range(len(places)), key=elsewhere)]


def _place(document: Document, span: tuple[int, int]) -> Place:
    return Place(document.path, document.place(span[0]), _around(document, span, _AROUND))


def _line(text: str, span: tuple[int, int]) -> str:
    start, end = text.rfind("\n", 0, span[0]) + 1, text.find("\n", span[1])
    return text[start : end if end >= 0 else len(text)]


def _around(document: Document, span: tuple[int, int], size: int) -> str:
    """A text with up to `size` characters of its line on each side, cut at spaces where there are some."""
    text = document.text
    line_start, line_end = text.rfind("\n", 0, span[0]) + 1, text.find("\n", span[1])
    line_end = line_end if line_end >= 0 else len(text)
    start, end = max(line_start, span[0] - size), min(line_end, span[1] + size)
    before, after = text[start : span[0]], text[span[1] : end]
    if start > line_start:
        before = f"…{before.partition(' ')[2] or before}"
    if end < line_end:
        after = f"{after.rpartition(' ')[0] or after}…"
    return " ".join(f"{before}{text[slice(*span)]}{after}".split())


def _distractor(value: str, chunks: Sequence[Chunk]) -> str | None:
    """Another value of the same form in the same passages: what a careless reader would take."""
    if not re.search(r"\d", value):
        return None
    alike = re.sub(r"\d+", r"\\d+", re.escape(value))
    form = re.compile(rf"(?<![\d.,]){alike}(?!\d|[.,]\d)")
    found: Iterator[str] = (match for chunk in chunks for match in form.findall(chunk.text))
    return next((m for m in found if not (wording.says(m, value) or wording.says(value, m))), None)
