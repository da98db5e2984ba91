"""Documents of any usual form, read as Markdown-like text: Markdown, text, HTML, PDF, DOCX, CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from traces import yamltree
from traces.errors import ScenarioError, reason

_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_BLOCKS = ("h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "tr", "pre", "blockquote")


class Document(Struct, frozen=True):
    """`source` names the document in citations: its file's stem, with "-" for what cannot stand there; `title` carries
    the date, where the document has one; `path` is its place in the folder."""

    source: str
    title: str
    text: str
    path: str = ""


def read(folder: Path) -> list[Document]:
    """Every document of a folder and the folders in it, by name. Raises ScenarioError for one that cannot be read,
    has no text (a scanned PDF), or has the name of another."""
    paths = sorted(path for path in folder.glob("**/*") if path.suffix.lower() in FORMS and path.is_file())
    found: dict[str, Document] = {}
    for path in paths:
        document = read_one(path, str(path.relative_to(folder)))
        if document.source in found:
            raise ScenarioError(
                str(path), f"is cited as {document.source!r}, as {found[document.source].path} is: rename"
            )
        found[document.source] = document
    return list(found.values())


def read_one(path: Path, shown: str = "") -> Document:
    """One document; raises ScenarioError where it cannot be read or holds no text."""
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise ScenarioError(str(path), f"is of no form that can be read: {', '.join(FORMS)}")
    try:
        title, text = form(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(str(path), f"cannot be read: {reason(error)}") from error
    if not text.strip():
        raise ScenarioError(str(path), "holds no text (a scanned document needs text recognition first)")
    return Document(
        re.sub(r"[^\w.-]+", "-", path.stem).strip("-"), title or path.stem, text.strip(), shown or path.name
    )


def _markdown(path: Path) -> tuple[str, str]:
    text = path.read_text(encoding="utf-8")
    front = _FRONT.match(text)
    fields: dict[str, object] = {}
    if front:
        fields = _front_matter(path, front.group(1))
        text = text[front.end() :]
    heading = re.search(r"^#+\s+(.+)$", text, re.MULTILINE)
    title = str(fields.get("title") or (heading.group(1) if heading else path.stem))
    date = fields.get("date")
    return (f"{title} ({date})" if date else title), text


def _front_matter(path: Path, text: str) -> dict[str, object]:
    """What stands between the two lines of dashes; dates and numbers are as they were written."""
    fields = yamltree.texts(yamltree.parse(f"\n{text}", str(path)))  # the line of dashes before it counts
    if not isinstance(fields, dict | None):
        raise ScenarioError(str(path), "the front matter should be a mapping of fields to values", line=2)
    return fields or {}


def _html(path: Path) -> tuple[str, str]:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(path.read_bytes(), "html.parser")
    for gone in soup(["script", "style", "noscript", "template", "nav"]):
        gone.decompose()
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    parts = [_block(tag) for tag in soup.find_all(_BLOCKS) if tag.find_parent(_BLOCKS) is None]
    body = soup.body or soup
    return title, "\n\n".join(filter(None, parts)) or body.get_text("\n", strip=True)


def _block(tag: Any) -> str:
    """A block of HTML as Markdown would have it."""
    if tag.name == "tr":
        return " | ".join(cell.get_text(" ", strip=True) for cell in tag.find_all(["td", "th"]))
    text = tag.get_text("" if tag.name == "pre" else " ", strip=tag.name != "pre")
    if tag.name.startswith("h"):
        return f"{'#' * int(tag.name[1])} {text}" if text else ""
    return f"- {text}" if tag.name == "li" and text else text


def _pdf(path: Path) -> tuple[str, str]:
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(path) as pdf:
            title = pdf.get_metadata_value("Title")
            pages = [page.get_textpage().get_text_range() for page in pdf]
    except pypdfium2.PdfiumError as error:
        raise ScenarioError(str(path), f"is not a PDF that can be opened (locked or damaged): {error}") from error
    return title, "\n\n".join(page.replace("\r\n", "\n").strip() for page in pages)


def _docx(path: Path) -> tuple[str, str]:
    import zipfile

    import docx
    from docx.opc.exceptions import PackageNotFoundError

    try:
        document = docx.Document(str(path))
    except (PackageNotFoundError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ScenarioError(str(path), f"is not a DOCX that can be opened: {error}") from error
    parts = [_paragraph(part) if hasattr(part, "style") and hasattr(part, "runs") else _table(part)
             for part in document.iter_inner_content()]  # fmt: skip
    return document.core_properties.title or "", "\n\n".join(filter(None, parts))


def _paragraph(paragraph: Any) -> str:
    style, text = str(paragraph.style.name or ""), str(paragraph.text).strip()
    level = re.fullmatch(r"Heading (\d)", style)
    if level and text:
        return f"{'#' * int(level.group(1))} {text}"
    return f"- {text}" if style.startswith("List") and text else text


def _table(table: Any) -> str:
    return "\n".join(" | ".join(cell.text.strip() for cell in row.cells) for row in table.rows)


def _csv(path: Path) -> tuple[str, str]:
    """Each row is a paragraph of its own, that says its columns' names."""
    return path.stem, "\n\n".join(
        "; ".join(f"{name}: {value}" for name, value in row.items() if value) for row in read_rows(path)
    )


def read_rows(path: Path, content: bytes | None = None) -> list[dict[str, str]]:
    """A CSV file's rows by its header's names; comma, semicolon or tab. `content` is the file's where it was uploaded
    and is not on the disk. Raises ScenarioError with the line of a row that has more cells than the header."""
    try:
        text = (path.read_bytes() if content is None else content).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(str(path), f"cannot be read: {reason(error)}") from error
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=first.count), restkey="")
    rows = []
    for row in reader:
        if "" in row:
            raise ScenarioError(str(path), "the row has more cells than the header", line=reader.line_num)
        rows.append({name.strip(): (value or "").strip() for name, value in row.items()})
    return rows


FORMS: dict[str, Callable[[Path], tuple[str, str]]] = {
    ".md": _markdown,
    ".txt": _markdown,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".docx": _docx,
    ".csv": _csv,
}
"""How each form is read: its title ("" where it has none) and its text."""
