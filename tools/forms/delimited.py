"""Tables in text files: CSV, TSV and what else programs write, with whatever separates their cells."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from tools.forms.text import Text, decode
from traces import bounds

SEPARATORS = ",;\t|"
_RARE = "，；،：:~^¦§"  # where none of those separates anything
_SAMPLE_ROWS, _SAMPLE_CHARS = 200, 200_000
_NONE = "\x1f"  # what separates nothing
_CELLS = 20_000_000
_NUMBER = re.compile(
    r"[-+]?[€$£¥]?\s?\d[\d.,' ]*(?:[eE][-+]?\d+)?\s?[%€$£¥]?|\d{4}-\d\d?-\d\d?|\d\d?[./]\d\d?[./]\d{2,4}"
)
_DECIMAL = re.compile(r"(?<=\d),(?=\d)")
_ESCAPED = re.compile(r'[^\\",;\t|\n]\\"[^",;\t|\n]')
"""A quote within a cell as MySQL writes it, which elsewhere is doubled. (A path that ends a cell has one too.)"""
_YEAR = re.compile(r"(?:19|20)\d\d")


class Rows(Struct, frozen=True):
    """A table: its columns' names, its rows by name, the line that each begins in, and the lines before the header.
    `more`: of rows with more cells than the header, the row's number (from 0) and those cells."""

    names: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    lines: tuple[int, ...]
    lead: tuple[str, ...] = ()
    more: tuple[tuple[int, tuple[str, ...]], ...] = ()


def rows(content: bytes) -> Rows:
    """The table in a file's bytes. Columns without a name, and all where there is no header, are called column_1 and
    so on; a name that comes twice gets a number; empty rows, empty columns without a name, and lines of comments are
    left out. Raises ValueError for what is not text."""
    csv.field_size_limit(bounds.SIZE)
    text = decode(content)
    told = re.match(r"sep=([^\n]?)\n", text)  # Excel's own line
    body = text[told.end() :] if told else text
    quotes = body.count('"') - (body.count('\\"') if _ESCAPED.search(body) else 0)
    quoted = quotes % 2 == 0  # else somebody forgot one, and all after it would be one cell
    separator = (told[1] or "\t") if told else _separator(body, quoted)
    read = _records(body, separator, quoted, 2 if told else 1)
    records = [(line, cells) for line, cells in read if any(map(str.strip, cells)) and not _is_rule(cells)]
    return _table([(line, [cell.strip() for cell in cells]) for line, cells in records])


def read(content: bytes, name: str) -> Text:
    """The table as text: a paragraph for each row, which says its columns' names."""
    table = rows(content)
    more = dict(table.more)
    parts, places, at = list(table.lead), [], sum(len(line) + 2 for line in table.lead)
    for number, (row, line) in enumerate(zip(table.rows, table.lines, strict=True)):
        cells = [*row.items(), *((f"column_{len(row) + n}", cell) for n, cell in enumerate(more.get(number, ()), 1))]
        text = "; ".join(f"{name}: {value}" for name, value in cells if value)
        if text:
            places.append((at, f"line {line}"))
            parts.append(text)
            at += len(text) + 2
    if not table.rows and any(table.names):
        parts.append("; ".join(table.names))
    return Text("", "\n\n".join(parts), ((0, "line 1"), *places) if table.lead else tuple(places))


def _separator(text: str, quoted: bool) -> str:
    """What separates cells: what splits the most rows of a sample into one number of cells above one."""
    sample = text[:_SAMPLE_CHARS]
    whole = len(sample) == len(text)
    scores = {separator: _score(sample, separator, quoted, whole) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: scores[separator])
    if scores[best][0]:
        return _not_decimal(sample, quoted, whole, scores) if best == "," else best
    head = sample.partition("\n")[0]
    likely = max(SEPARATORS, key=head.count)
    if likely in head:
        return likely
    return next((rare for rare in _RARE if _score(sample, rare, quoted, whole)[:2] == (1.0, True)), _NONE)


def _score(sample: str, separator: str, quoted: bool, whole: bool) -> tuple[float, bool, int]:
    """The share of rows with the commonest number of cells (0 where that is one), whether the first is among them, and
    the number. Of a sample that is not the `whole` text, the last row is cut."""
    records = _records(sample, separator, quoted)[:_SAMPLE_ROWS]
    widths = [len(cells) for _, cells in records if any(map(str.strip, cells)) and not cells[0].startswith("#")]
    if not whole and len(widths) > 1:
        widths.pop()
    width, count = Counter(widths).most_common(1)[0] if widths else (1, 0)
    return count / max(1, len(widths)) if width > 1 else 0.0, max(widths[:1], default=1) == width, width


def _not_decimal(sample: str, quoted: bool, whole: bool, scores: dict[str, tuple[float, bool, int]]) -> str:
    """The comma, but for what separates as well where all that commas separate are the digits of numbers."""
    others = [s for s in ";\t" if scores[s][0] and scores[s][:2] >= scores[","][:2]]
    if others and not _score(_DECIMAL.sub(".", sample), ",", quoted, whole)[0]:
        return others[0]
    return ","


def _records(text: str, separator: str, quoted: bool, line: int = 1) -> list[tuple[int, list[str]]]:
    """(line that it begins in, cells) of each record; `quoted`: quotes are marks around cells, not characters."""
    quote = '"' if '"' in text or not _single_quoted(text, separator) else "'"
    escaped = _ESCAPED.search(text) is not None
    reader = csv.reader(
        io.StringIO(text, newline="\n"),
        delimiter=separator,
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        doublequote=not escaped,
        escapechar="\\" if escaped else None,
        skipinitialspace=True,
    )
    found = []
    before = 0
    for cells in reader:
        found.append((line + before, cells))
        before = reader.line_num
    return found


def _single_quoted(text: str, separator: str) -> bool:
    head = text[:2000].partition("\n")[0].split(separator)
    return len(head) > 1 and all(len(cell.strip()) > 1 and cell.strip()[0] == cell.strip()[-1] == "'" for cell in head)


def _table(records: Sequence[tuple[int, list[str]]]) -> Rows:
    widths = Counter(_width(cells) for _, cells in records)
    usual = max(widths, key=lambda width: (widths[width], width), default=0)
    start = next((n for n, (_, cells) in enumerate(records) if _is_header(cells, usual)), 0) if usual > 1 else 0
    lead = [cells for _, cells in records[:start]]
    kept = [
        (line, cells) for line, cells in records[start:] if not (cells[0].startswith("#") and _width(cells) < usual)
    ]
    if not kept:
        return Rows((), (), (), tuple(" ".join(filter(None, cells)) for cells in lead))
    header = kept[0][1]
    if _is_data(header, [cells for _, cells in kept[1:]]):
        header = [""] * max(len(cells) for _, cells in kept)
    else:
        kept = kept[1:]
    filled = {n for _, cells in kept for n, cell in enumerate(cells[: len(header)]) if cell}
    used = [n for n in range(len(header)) if header[n] or n in filled]
    if len(used) * len(kept) > _CELLS:
        raise ValueError(f"has {len(kept):,} rows of {len(used):,} columns: too much to read")
    names = _names(header)
    found, more = [], []
    for number, (_, cells) in enumerate(kept):
        found.append({names[n]: cells[n] if n < len(cells) else "" for n in used})
        if extra := tuple(cell for cell in cells[len(header) :] if cell):
            more.append((number, extra))
    return Rows(
        tuple(names[n] for n in used),
        tuple(found),
        tuple(line for line, _ in kept),
        tuple(" ".join(filter(None, cells)) for cells in lead),
        tuple(more),
    )


def _is_rule(cells: Sequence[str]) -> bool:
    """Whether it is the line under the header of a table in Markdown."""
    return len(cells) > 1 and all(re.fullmatch(r"\s*:?-{2,}:?\s*", cell) for cell in cells if cell.strip())


def _width(cells: Sequence[str]) -> int:
    """How many cells there are up to the last that is not empty."""
    return max((n for n, cell in enumerate(cells, 1) if cell), default=0)


def _is_header(cells: Sequence[str], usual: int) -> bool:
    """Whether a row can be the header: not a title or a comment above a table of several columns."""
    return _width(cells) > 1 and not (cells[0].startswith("#") and _width(cells) != usual)


def _is_data(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether a file begins with a row of the same kind as those after it: it has no header."""
    numbers = [n for n, cell in enumerate(first) if _NUMBER.fullmatch(cell) and not _YEAR.fullmatch(cell)]
    if not numbers or not rest:
        return False
    return all(sum(n < len(c) and bool(_NUMBER.fullmatch(c[n])) for c in rest) * 2 > len(rest) for n in numbers)


def _names(header: Sequence[str]) -> list[str]:
    """A name for each column, each once."""
    given = [" ".join(cell.split()) for cell in header]
    taken = set(given)
    found: dict[str, int] = {}
    times: Counter[str] = Counter()
    for number, plain in enumerate(given, 1):
        wanted = name = plain or f"column_{number}"
        while name in found or (name in taken and name != plain):
            times[wanted] += 1
            name = f"{wanted}_{times[wanted] + 1}"
        found[name] = number
    return list(found)
