"""Documents into chunks: Markdown or text, cut at headings and paragraphs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from msgspec import Struct

from traces.errors import ScenarioError
from traces.kernel import Chunk

_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class Document(Struct, frozen=True):
    """`source` is the file's stem; `title` carries the date, where the document has one."""

    source: str
    title: str
    text: str


def read(folder: Path) -> list[Document]:
    """Every .md and .txt file of a folder, by name."""
    return [_document(path) for path in sorted(folder.glob("**/*")) if path.suffix in (".md", ".txt")]


def _document(path: Path) -> Document:
    text = path.read_text(encoding="utf-8")
    front = _FRONT.match(text)
    fields: dict[str, object] = {}
    if front:
        try:
            fields = yaml.safe_load(front.group(1)) or {}
        except yaml.YAMLError as error:
            raise ScenarioError(str(path), f"the front matter is not valid YAML: {error}", line=1) from error
        text = text[front.end() :]
    heading = re.search(r"^#+\s+(.+)$", text, re.MULTILINE)
    title = str(fields.get("title") or (heading.group(1) if heading else path.stem))
    date = fields.get("date")
    return Document(path.stem, f"{title} ({date})" if date else title, text.strip())


def chunk(document: Document, chunk_chars: int, overlap_chars: int) -> list[Chunk]:
    """The document in pieces of up to `chunk_chars`, cut between paragraphs where possible, else between sentences;
    each begins with up to `overlap_chars` of whole sentences from the end of the one before."""
    pieces: list[str] = []
    current = ""
    for part in _parts(document.text, chunk_chars):
        if current and len(current) + 2 + len(part) > chunk_chars:
            pieces.append(current)
            current = _tail(current, overlap_chars)
        current = f"{current}\n\n{part}" if current else part
    if current:
        pieces.append(current)
    return [
        Chunk(f"{document.source}#{n}", document.source, document.title, n, text=text)
        for n, text in enumerate(pieces, 1)
    ]


def _parts(text: str, longest: int) -> list[str]:
    """Paragraphs, headings joined to what follows them, long ones cut into sentences."""
    parts: list[str] = []
    for paragraph in (p.strip() for p in re.split(r"\n\s*\n", text)):
        if not paragraph:
            continue
        if parts and parts[-1].startswith("#") and "\n" not in parts[-1]:
            paragraph = f"{parts.pop()}\n{paragraph}"
        parts += [paragraph] if len(paragraph) <= longest else _sentences(paragraph, longest)
    return parts


def _sentences(paragraph: str, longest: int) -> list[str]:
    found: list[str] = []
    for sentence in _SENTENCE.split(paragraph):
        if found and len(found[-1]) + 1 + len(sentence) <= longest:
            found[-1] = f"{found[-1]} {sentence}"
        else:
            found += [sentence[i : i + longest] for i in range(0, len(sentence), longest)]
    return found


def _tail(text: str, longest: int) -> str:
    """The last whole sentences of a text, up to `longest` characters."""
    tail = ""
    for sentence in reversed(_SENTENCE.split(text)):
        if len(tail) + len(sentence) + 1 > longest:
            break
        tail = f"{sentence} {tail}".strip()
    return tail
