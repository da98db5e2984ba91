"""DOCX as text: body, tables (nested ones too), text boxes, notes, headers and footers, with changes accepted."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from tools.forms.text import Text
from traces import bounds

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_GONE = frozenset((f"{_W}del", f"{_W}moveFrom", f"{_W}instrText", f"{_W}delText", _FALLBACK, f"{_W}sectPr"))
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_SIGNS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_STRICT = (
    (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    ),
    (
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    ),
    (b"http://purl.oclc.org/ooxml/officeDocument/math", b"http://schemas.openxmlformats.org/officeDocument/2006/math"),
)
_PARTS = (("header", f"{_W}hdr"), ("footer", f"{_W}ftr"))


class _Styles(Struct, frozen=True):
    """What a paragraph's style puts before its text ("# ", "- "), by the style's id; and the notes by kind and id."""

    prefixes: dict[str, str]
    notes: dict[tuple[str, str], str]


def read(content: bytes, name: str) -> Text:
    """Title and text. Raises ValueError for what is no such file, is locked, or is far larger than it looks."""
    import docx

    try:
        _check_size(content)
        document = docx.Document(io.BytesIO(_transitional(content)))
    except bounds.OutOfBounds:
        raise
    except Exception as error:  # whatever the library meets in a damaged file
        raise ValueError(f"is not a DOCX that can be opened (locked or damaged): {error}") from error
    styles = _Styles(_prefixes(document), {})
    for kind in ("footnote", "endnote"):
        for note in _roots(document, f"{kind}s"):
            for one in note.iter(f"{_W}{kind}"):
                styles.notes[kind, one.get(f"{_W}id", "")] = " ".join(_blocks(one, styles)).strip()
    edges = {kind: [b for root in _roots(document, kind) for b in _blocks(root, styles)] for kind, _ in _PARTS}
    body = list(_blocks(document.element.body, styles))
    parts = [*dict.fromkeys(edges["header"]), *body, *dict.fromkeys(edges["footer"])]
    return Text(document.core_properties.title or "", "\n\n".join(filter(None, parts)))


def _check_size(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        size = sum(info.file_size for info in packed.infolist())
    if size > max(bounds.SMALL, min(bounds.SIZE, bounds.RATIO * len(content))):
        raise bounds.OutOfBounds(f"is {size:,} bytes large once unpacked, from {len(content):,}: too much to read")


def _transitional(content: bytes) -> bytes:
    """The file under the names that Word uses by default, where it has those of ISO's strict form."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if _STRICT[0][0] not in packed.read("_rels/.rels"):
            return content
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as changed:
            for name in packed.namelist():
                part = packed.read(name)
                for strict, usual in _STRICT if name.endswith((".xml", ".rels")) else ():
                    part = part.replace(strict, usual)
                changed.writestr(name, part)
    return out.getvalue()


def _roots(document: Any, kind: str) -> Iterator[Any]:
    """The XML of the parts of a kind (header, footer, footnotes, endnotes), in the order of their names."""
    from lxml import etree

    related = [r for r in document.part.rels.values() if not r.is_external and r.reltype.endswith(f"/{kind}")]
    for relation in sorted(related, key=lambda r: str(r.target_part.partname)):
        yield etree.fromstring(relation.target_part.blob, etree.XMLParser(resolve_entities=False, no_network=True))


def _prefixes(document: Any) -> dict[str, str]:
    found = {}
    for style in document.styles.element.iter(f"{_W}style"):
        name = next((n.get(f"{_W}val", "") for n in style.iter(f"{_W}name")), "").lower()
        heading = re.fullmatch(r"heading ([1-6])", name)
        prefix = f"{'#' * int(heading[1])} " if heading else "# " if name == "title" else ""
        found[style.get(f"{_W}styleId", "")] = prefix or ("- " if name.startswith("list") else "")
    return found


def _blocks(parent: Any, styles: _Styles) -> Iterator[str]:
    """The paragraphs and rows of tables below an element, in reading order, those without text left out."""
    for child in parent:
        if child.tag == f"{_W}p":
            yield from _paragraph(child, styles)
        elif child.tag == f"{_W}tbl":
            rows = "\n".join(_rows(child, styles))
            yield from [rows] if rows else []
        elif isinstance(child.tag, str) and child.tag not in _GONE:
            yield from _blocks(child, styles)


def _paragraph(paragraph: Any, styles: _Styles) -> Iterator[str]:
    """Its text, then that of its text boxes and notes."""
    boxes: list[Any] = []
    notes: list[str] = []
    text = "".join(_pieces(paragraph, styles, boxes, notes)).strip()
    style = next((p.get(f"{_W}val", "") for p in paragraph.iterfind(f"{_W}pPr/{_W}pStyle")), "")
    numbered = paragraph.find(f"{_W}pPr/{_W}numPr") is not None
    prefix = styles.prefixes.get(style, "") or ("- " if numbered else "")
    if text:
        yield prefix + text
    for box in boxes:
        yield from _blocks(box, styles)
    yield from notes


def _pieces(element: Any, styles: _Styles, boxes: list[Any], notes: list[str]) -> Iterator[str]:
    for child in element:
        tag = child.tag
        if tag in (f"{_W}t", _MATH):
            yield child.text or ""
        elif tag in _SIGNS:
            yield _SIGNS[tag]
        elif tag == f"{_W}ruby":
            base, reading = (
                "".join(p for part in child.iterfind(f"{_W}{name}") for p in _pieces(part, styles, boxes, notes))
                for name in ("rubyBase", "rt")
            )
            yield f"{base}({reading})" if reading else base
        elif tag == f"{_W}txbxContent":
            boxes.append(child)
        elif tag in (f"{_W}footnoteReference", f"{_W}endnoteReference"):
            kind = tag.removeprefix(_W).removesuffix("Reference")
            notes += [n] if (n := styles.notes.get((kind, child.get(f"{_W}id", "")))) else []
        elif isinstance(tag, str) and tag not in _GONE and tag != f"{_W}pPr" and not _is_hidden(child):
            yield from _pieces(child, styles, boxes, notes)


def _is_hidden(run: Any) -> bool:
    hidden = run.find(f"{_W}rPr/{_W}vanish") if run.tag == f"{_W}r" else None
    return hidden is not None and hidden.get(f"{_W}val", "1") not in ("0", "false", "off")


def _rows(table: Any, styles: _Styles) -> Iterator[str]:
    """A line for each row; a cell that goes on from the row above says the same again, and what is nested comes after
    the row that it stands in."""
    above: dict[int, str] = {}
    for row in _children(table, "tr"):
        cells, nested, column = [], [], 0
        for cell in _children(row, "tc"):
            text, inner = _cell(cell, styles)
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            if merged is not None and merged.get(f"{_W}val", "continue") == "continue":
                text = text or above.get(column, "")
            above[column] = text
            cells.append(text)
            nested += inner
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            column += _count(span.get(f"{_W}val", "1")) if span is not None else 1
        if any(cells):
            yield " | ".join(cells)
        yield from nested


def _cell(cell: Any, styles: _Styles) -> tuple[str, list[str]]:
    text, nested = [], []
    for child in cell:
        if child.tag == f"{_W}tbl":
            nested += list(_rows(child, styles))
        elif child.tag == f"{_W}p":
            text += list(_paragraph(child, styles))
        elif isinstance(child.tag, str) and child.tag not in _GONE and child.tag != f"{_W}tcPr":
            text += list(_blocks(child, styles))
    return " ".join(" ".join(text).split()), nested


def _children(parent: Any, tag: str) -> Iterator[Any]:
    """The children of a kind, those within content controls and insertions among them."""
    for child in parent:
        if child.tag == f"{_W}{tag}":
            yield child
        elif isinstance(child.tag, str) and child.tag not in _GONE and child.tag != f"{_W}tbl":
            yield from _children(child, tag)


def _count(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 1
