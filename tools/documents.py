"""Documents of any usual form, read as Markdown-like text: Markdown, text, HTML, PDF, DOCX, CSV, TSV."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, structs

from tools.forms import delimited, pages, web, word
from tools.forms.delimited import Rows
from tools.forms.text import Text, decode
from traces import bounds, yamltree
from traces.errors import InputError, ScenarioError, reason
from traces.wording import SOURCE_SIGNS

SIZE = 64 << 20
"""Bytes of one document."""
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_BETWEEN = re.compile(r"\n{2,}")
_NOT_CITED = re.compile(f"[^{SOURCE_SIGNS}]+")
_NOT_DOCUMENTS = frozenset(("__MACOSX", "Thumbs.db", "desktop.ini", "Icon\r"))
_NOT_ENDS = ("~", "#", ".tmp", ".lock", ".lck", ".swp", ".part", ".crdownload")
_NAMED = 5
_HINTS = {".pdf": " (a scanned document needs text recognition first)"}


class Document(Struct, frozen=True):
    """`source` names the document in citations: its file's stem, with "-" for what cannot stand there; `title` carries
    the date, where the document has one; `path` is its place in the folder. `places`, `line`, `lacking`: see Text."""

    source: str
    title: str
    text: str
    path: str = ""
    places: tuple[tuple[int, str], ...] = ()
    line: int = 0
    lacking: str = ""

    def place(self, at: int) -> str:
        """Where a character of the text stands in the file: "line 12", "page 3", "paragraph 4"."""
        if self.places:
            return next((place for start, place in reversed(self.places) if start <= at), self.places[0][1])
        if self.line:
            return f"line {self.line + self.text.count(chr(10), 0, at)}"
        return f"paragraph {len(_BETWEEN.findall(self.text, 0, at)) + 1}"


class LeftOut(Struct, frozen=True):
    """A file that is not among the documents, or not whole, and why."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class Survey(Struct, frozen=True):
    """What a folder holds: its documents by path, and the files that were left out."""

    documents: tuple[Document, ...]
    left_out: tuple[LeftOut, ...]


def read(folder: Path) -> list[Document]:
    """Every document of a folder and the folders in it that can be read, by path. Raises ScenarioError where there is
    none."""
    return list(survey(folder).documents)


def survey(folder: Path) -> Survey:
    """The documents of a folder and the folders in it, and the files left out, each with why. Hidden files and those
    that programs keep beside documents (locks, thumbnails) do not count. Raises ScenarioError where no file can be
    read."""
    found: dict[str, Document] = {}
    left_out: list[LeftOut] = []
    for path in _files(folder):
        shown = _shown(path.relative_to(folder))
        try:
            document = read_one(path, shown)
        except ScenarioError as error:
            left_out.append(LeftOut(shown, error.message))
            continue
        if document.lacking:
            left_out.append(LeftOut(shown, document.lacking))
        document = structs.replace(document, source=_unused(document, found))
        found[document.source] = document
    if not found:
        raise ScenarioError(str(folder), f"no documents ({', '.join(FORMS)}) that can be read{_among(left_out)}")
    return Survey(tuple(found.values()), tuple(left_out))


def _among(left_out: list[LeftOut]) -> str:
    shown = "; ".join(map(str, left_out[:_NAMED]))
    more = f"; and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    return f": {shown}{more}" if shown else ""


def _files(folder: Path) -> list[Path]:
    """The files that may be documents, by path. Folders behind links are not entered: they may lead in circles."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_machinery(name)]
        links = [name for name in folders if Path(place, name).is_symlink()]
        found += [Path(place, name) for name in (*files, *links) if not _is_machinery(name)]
    return sorted(found)


def _is_machinery(name: str) -> bool:
    return name.startswith((".", "~$")) or name.endswith(_NOT_ENDS) or name in _NOT_DOCUMENTS


def _shown(path: Path) -> str:
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def _unused(document: Document, found: dict[str, Document]) -> str:
    """What the document is cited as: where another is called so, by its whole path."""
    if document.source not in found:
        return document.source
    whole = _source(document.path)
    return next(name for n in range(1, 1 << 20) if (name := whole if n == 1 else f"{whole}-{n}") not in found)


def sources(folder: Path) -> set[str]:
    """What the documents of a folder may be cited as, without reading them: by their names, or by their whole paths
    where two have one name."""
    paths = [path for path in _files(folder) if path.suffix.lower() in FORMS]
    return {_source(path.stem) for path in paths} | {_source(_shown(path.relative_to(folder))) for path in paths}


def _source(name: str) -> str:
    return _NOT_CITED.sub("-", unicodedata.normalize("NFC", name)).strip("-") or "document"


def read_one(path: Path, shown: str = "") -> Document:
    """One document; raises ScenarioError where it cannot be read or holds no text."""
    form = FORMS.get(path.suffix.lower())
    if path.is_dir():
        raise ScenarioError(str(path), "is a folder behind a link, which is not entered")
    if form is None:
        raise ScenarioError(str(path), f"has a form that is not read here; these are: {', '.join(FORMS)}")
    try:
        if not path.is_file():
            raise ScenarioError(str(path), "is not a file")
        text = form(bounds.read(path, size=SIZE), path.name)
    except ScenarioError:
        raise
    except (InputError, ValueError, OSError) as error:
        raise ScenarioError(str(path), _why(path, error)) from error
    except Exception as error:  # whatever a library meets in a damaged file costs this file alone
        raise ScenarioError(str(path), f"cannot be read: {type(error).__name__}: {error}") from error
    if not text.text.strip():
        raise ScenarioError(str(path), f"holds no text{_HINTS.get(path.suffix.lower(), '')}")
    lead = len(text.text) - len(text.text.lstrip())
    return Document(
        _source(path.stem),
        " ".join(text.title.split()) or _shown(Path(path.stem)),
        text.text.strip(),
        shown or _shown(Path(path.name)),
        tuple((max(0, at - lead), place) for at, place in text.places),
        text.line + text.text.count("\n", 0, lead) if text.line else 0,
        text.lacking,
    )


def _why(path: Path, error: Exception) -> str:
    said = reason(error) if isinstance(error, OSError) else str(error).removeprefix(f"{path}: ")
    return said if said.startswith(("is ", "has ")) else f"cannot be read: {said}"


def _markdown(content: bytes, name: str) -> Text:
    text = decode(content)
    front, lacking = _FRONT.match(text), ""
    fields: dict[str, object] = {}
    if front is not None:
        try:
            fields = _front_matter(name, front[1])
        except ScenarioError as error:
            place = "" if error.line is None else f" (line {error.line})"
            front, lacking = None, f"its front matter is read as text: {error.message}{place}"
    body = text[front.end() :] if front else text
    heading = re.search(r"^#+\s+(.+)$", body, re.MULTILINE)
    title = str(fields.get("title") or (heading.group(1) if heading else ""))
    date = fields.get("date")
    line = 1 + (text.count("\n", 0, front.end()) if front else 0)
    return Text(f"{title or Path(name).stem} ({date})" if date else title, body, line=line, lacking=lacking)


def _front_matter(name: str, text: str) -> dict[str, object]:
    """What stands between the two lines of dashes; dates and numbers are as they were written."""
    fields = yamltree.texts(yamltree.parse(f"\n{text}", name))  # the line of dashes before it counts
    if not isinstance(fields, dict | None):
        raise ScenarioError(name, "it should be a mapping of fields to values", line=2)
    return fields or {}


def read_table(path: Path, content: bytes | None = None) -> Rows:
    """A CSV or TSV file's table, with anything that separates cells. `content` is the file's where it was uploaded and
    is not on the disk. Raises ScenarioError, with the line of a row that has more cells than the header."""
    try:
        table = delimited.rows(bounds.read(path, size=SIZE) if content is None else content)
    except Exception as error:
        raise ScenarioError(str(path), _why(path, error)) from error
    if table.more:
        number, cells = table.more[0]
        found = f"{cells[0][:40]!r} is in none of the columns {', '.join(table.names)}"
        line = table.lines[number]
        raise ScenarioError(str(path), f"the row has more cells than the header: {found}", line=line)
    return table


FORMS: dict[str, Callable[[bytes, str], Text]] = {
    ".md": _markdown,
    ".txt": _markdown,
    ".html": web.read,
    ".htm": web.read,
    ".pdf": pages.read,
    ".docx": word.read,
    ".csv": delimited.read,
    ".tsv": delimited.read,
    ".markdown": _markdown,
    ".rst": _markdown,
    ".xhtml": web.read,
}
"""How each form is read, from a file's bytes and name."""
