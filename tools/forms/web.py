"""HTML as text in reading order: what a browser shows, with headings, lists and tables' rows as Markdown has them."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from msgspec import Struct, field

from tools.forms.text import Text, decode

_CHARSET = re.compile(
    rb"<meta[^>]{0,400}?charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{0,200}encoding=[\"']([\w.:-]+)", re.I
)
_CLOSED = re.compile(r"<(script|style|iframe|textarea|title)\b([^<>]*)/>", re.IGNORECASE)
_INVISIBLE = frozenset((
    "script", "style", "template", "datalist", "rp", "iframe", "object", "applet", "audio", "video", "canvas",
    "map", "param", "source", "track", "colgroup", "col",
))  # fmt: skip
_ASIDE = frozenset(("nav", "noscript"))
"""Read only where a page has nothing else, as is what styles hide: menus, and what is for browsers without scripts."""
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "dir", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hgroup", "hr", "html", "legend", "li", "main", "marquee", "menu", "nav", "noframes", "ol", "optgroup",
    "option", "p", "pre", "search", "section", "select", "summary", "table", "caption", "tbody", "thead", "tfoot", "tr",
    "td", "th", "textarea", "ul",
))  # fmt: skip
_APART = frozenset(("button", "label", "input", "img", "output", "meter", "progress"))
_HIDDEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))", re.IGNORECASE)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_LIST = "- "
_CELL_BLOCKS, _CELL_CHARS = 3, 500  # a cell with more than this is part of a layout, not of a table
_SPANS = 1000
_BLANKS, _BLANKS_AGAIN, _ROUND_BREAK = re.compile(r"[ \t\r\n\f\xa0]+"), re.compile(" {2,}"), re.compile(r" *\n *")


def read(content: bytes, name: str) -> Text:
    """The title and text of a page. Raises ValueError for what is not text."""
    match = _CHARSET.search(content[:8192])
    text = decode(content, (match[1] or match[2]).decode() if match else "")
    if "xhtml" in text[:2000].lower() or name.lower().endswith(".xhtml"):
        text = _CLOSED.sub(r"<\1\2></\1>", text)
        text = _without_cdata(text)
    text = _with_closed_title(text)
    page = _parsed(text, aside=False)
    if not page.blocks:
        page = _parsed(text, aside=True)
    return Text(" ".join("".join(page.title).split()), page.text())


def _without_cdata(text: str) -> str:
    """XHTML with its literal parts as other text."""
    first, *others = text.split("<![CDATA[")
    parts = [part.partition("]]>") for part in others]
    return "".join([first, *(f"{html.escape(literal)}{rest}" for literal, _, rest in parts)])


def _with_closed_title(text: str) -> str:
    """A title that is never closed would hold the whole page: it ends at the next tag."""
    title = re.search(r"<title\b[^<>]*>[^<]*", text, re.IGNORECASE)
    if title is None or re.search("</title", text[title.end() :], re.IGNORECASE):
        return text
    return f"{text[: title.end()]}</title>{text[title.end() :]}"


def _parsed(text: str, *, aside: bool) -> _Page:
    from lxml import etree

    page = _Page(aside=aside)
    parser = etree.HTMLParser(target=page, huge_tree=True, encoding="utf-8")
    content = text.encode("utf-8", "replace")
    for start in range(0, len(content), 1 << 16):
        parser.feed(content[start : start + (1 << 16)])
    if content:
        parser.close()
    page.flush()
    return page


class _Table(Struct):
    """The row at hand: its cells, each a list of blocks. `begun`: (column, further rows, cell) of its cells that reach
    into later rows; `reaching`: those of earlier rows, (further rows, cell) by column."""

    row: list[list[str]] | None = None
    begun: list[tuple[int, int, list[str]]] = field(default_factory=list)
    reaching: dict[int, tuple[int, list[str]]] = field(default_factory=dict)


class _Page:
    """Takes lxml's events, which come balanced; nothing here recurses, however deeply the page is nested."""

    def __init__(self, *, aside: bool) -> None:
        self.blocks: list[tuple[str, str]] = []
        self.title: list[str] = []
        self._aside = aside
        self._skipped = self._raw = 0
        self._line: list[str] = []
        self._prefix, self._glue = "", "\n\n"
        self._tables: list[_Table] = []
        self._ruby: list[str] | None = None
        self._in_ruby = self._in_title = False

    def text(self) -> str:
        parts: list[str] = []
        for text, glue in self.blocks:
            parts += [glue, text] if parts else [text]
        return "".join(parts)

    # --- events --------------------------------------------------------------------------------------------------

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._skipped or self._invisible(tag, attributes):
            self._skipped += 1
            return
        if tag == "title":
            self._in_title = not self.title and not self.blocks and not any(self._line)
            self._line.append(" ")
        elif tag == "br":
            self._line.append("\n")
        elif tag in _BLOCKS:
            self._open(tag, attributes)
        elif tag in ("rt", "ruby"):
            self._in_ruby = tag == "rt"
            self._ruby = self._ruby or []
        elif tag in _APART:
            self._line.append(f" {_value(attributes)} " if tag == "input" else " ")

    def end(self, tag: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif tag == "title":
            self._in_title = False
        elif tag in _BLOCKS:
            self._close(tag)
        elif tag == "rt":
            self._in_ruby = False
        elif tag == "ruby" and self._ruby is not None:
            self._line.append(f"({''.join(self._ruby)})" if self._ruby else "")
            self._ruby, self._in_ruby = None, False
        elif tag in _APART:
            self._line.append(" ")

    def data(self, data: str) -> None:
        if self._skipped:
            return
        if self._in_title:
            self.title.append(data)
        elif self._in_ruby and self._ruby is not None:
            self._ruby.append(data.strip())
        else:
            self._line.append(data if self._raw else _BLANKS.sub(" ", data))

    def comment(self, text: str) -> None:
        """Comments are not shown."""

    def close(self) -> None:
        """lxml asks for this at the end."""

    # --- what blocks do --------------------------------------------------------------------------------------------

    def _invisible(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag in _INVISIBLE or (tag in _ASIDE and not self._aside):
            return True
        if self._aside or tag in ("html", "body"):
            return False
        if "hidden" in attributes and attributes["hidden"].lower() != "until-found":
            return True
        return bool(_HIDDEN.search(attributes.get("style", "")))

    def _open(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.flush()
        if tag == "table":
            self._lay_out()
            self._tables.append(_Table())
        elif tag in ("tr", "td", "th") and self._tables:
            self._cell(tag, attributes)
        elif tag in ("pre", "textarea"):
            self._raw += 1
        elif tag == "dd":
            self._glue = "\n"
        elif tag == "li":
            self._prefix = _LIST
        elif tag in _HEADINGS:
            self._lay_out()
            self._prefix = f"{'#' * int(tag[1])} "

    def _close(self, tag: str) -> None:
        self.flush()
        if tag in ("pre", "textarea"):
            self._raw = max(0, self._raw - 1)
        elif tag == "li" or tag in _HEADINGS:
            self._prefix = ""
        elif tag == "tr" and self._tables:
            self._end_row()
        elif tag == "table" and self._tables:
            self._end_row()
            self._tables.pop()

    def flush(self) -> None:
        """End the block at hand."""
        raw = "".join(self._line)
        self._line = []
        text = raw.strip("\n").rstrip() if self._raw else _ROUND_BREAK.sub("\n", _BLANKS_AGAIN.sub(" ", raw)).strip()
        if not text.strip():
            return
        row = self._tables[-1].row if self._tables else None
        if row and not self._prefix.startswith("#"):
            row[-1].append(text)
        else:
            self.blocks.append((self._prefix + text, self._glue))
        self._prefix, self._glue = "", "\n\n"

    # --- tables ------------------------------------------------------------------------------------------------------

    def _cell(self, tag: str, attributes: Mapping[str, str]) -> None:
        table = self._tables[-1]
        if tag == "tr" or table.row is None:
            self._end_row()
            table.row = []
        if tag == "tr":
            return
        row = table.row
        _fill(row, table.reaching)
        row.append([])
        rows = attributes.get("rowspan", "").strip()[:4]
        if rows.isdecimal() and 1 < int(rows) <= _SPANS:
            table.begun.append((len(row) - 1, int(rows) - 1, row[-1]))

    def _end_row(self) -> None:
        """Put the row at hand: as one line where it is of a table, as the blocks of its cells where it is a layout."""
        table = self._tables[-1]
        row, table.row = table.row, None
        if row is None:
            return
        _fill(row, table.reaching)
        table.reaching.update({column: (rows, cell) for column, rows, cell in table.begun})
        table.begun = []
        cells = [cell for cell in row if cell]
        if len(cells) > 1 and all(len(c) <= _CELL_BLOCKS and sum(map(len, c)) <= _CELL_CHARS for c in cells):
            self.blocks.append((" | ".join(" ".join(cell).replace("\n", " ") for cell in row), "\n\n"))
        else:
            self.blocks += [(block, "\n\n") for cell in cells for block in cell]

    def _lay_out(self) -> None:
        """What no cell of a table holds begins within one (a table, a heading): what the row has so far comes first."""
        if self._tables and self._tables[-1].row:
            self._tables[-1].begun = []
            self._end_row()
            self._tables[-1].row = [[]]


def _value(field: Mapping[str, str]) -> str:
    """What a form's field shows."""
    shown = field.get("type", "text").lower() not in ("hidden", "checkbox", "radio", "password", "image", "file")
    return field.get("value", "") if shown else ""


def _fill(row: list[list[str]], reaching: dict[int, tuple[int, list[str]]]) -> None:
    """Add the cells of earlier rows that reach into this one, where it has come to their columns."""
    while len(row) in reaching:
        rows, cell = reaching.pop(len(row))
        if rows > 1:
            reaching[len(row)] = (rows - 1, cell)
        row.append(list(cell))
