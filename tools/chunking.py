"""Documents into chunks, by one of several strategies: what a search finds is what was cut."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from tools.documents import Document
from traces.kernel import Chunk

Strategy = Literal["paragraphs", "sections", "sentences", "fixed"]

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_HEADING = re.compile(r"^(#{1,6})\s+(.+)$")


def chunk(document: Document, chunk_chars: int, overlap_chars: int, strategy: Strategy = "paragraphs") -> list[Chunk]:
    """The document in pieces of up to `chunk_chars`; each begins with up to `overlap_chars` from the one before."""
    return [
        Chunk(f"{document.source}#{n}", document.source, document.title, n, text=text)
        for n, text in enumerate(STRATEGIES[strategy](document.text, chunk_chars, overlap_chars), 1)
    ]


def paragraphs(text: str, longest: int, overlap: int) -> list[str]:
    """Cut between paragraphs where possible, else between sentences; whole sentences overlap."""
    return _packed(_parts(text, longest), longest, overlap, "\n\n")


def sections(text: str, longest: int, overlap: int) -> list[str]:
    """Cut at headings; each piece says the headings that it stands under. Long sections are cut as paragraphs."""
    pieces = []
    for path, body in _sections(text):
        head = " > ".join(path)
        room = max(100, longest - len(head) - 1)
        cut = paragraphs(body, room, overlap)
        pieces += [f"{head}\n{piece}" if head else piece for piece in cut] if cut else [head]
    return pieces


def sentences(text: str, longest: int, overlap: int) -> list[str]:
    """Whole sentences, filled up to the length without regard to paragraphs."""
    return _packed(_sentences(" ".join(text.split()), longest), longest, overlap, " ")


def fixed(text: str, longest: int, overlap: int) -> list[str]:
    """Windows of a fixed length, wherever they fall."""
    step = max(1, longest - overlap)
    return [text[at : at + longest] for at in range(0, max(1, len(text) - overlap), step)]


STRATEGIES: dict[Strategy, Callable[[str, int, int], list[str]]] = {
    "paragraphs": paragraphs,
    "sections": sections,
    "sentences": sentences,
    "fixed": fixed,
}


def _packed(parts: list[str], longest: int, overlap: int, between: str) -> list[str]:
    pieces: list[str] = []
    current = ""
    for part in parts:
        if current and len(current) + len(between) + len(part) > longest:
            pieces.append(current)
            current = _tail(current, overlap)
        current = f"{current}{between}{part}" if current else part
    return [*pieces, current] if current else pieces


def _sections(text: str) -> list[tuple[list[str], str]]:
    """(headings above, text) of each section in order, but of those without text that others stand under."""
    found: list[tuple[list[str], list[str]]] = [([], [])]
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading is None:
            found[-1][1].append(line)
            continue
        level = len(heading.group(1))
        path = [*((depth, title) for depth, title in path if depth < level), (level, heading.group(2).strip())]
        found.append(([title for _, title in path], []))
    bodies = ["\n".join(lines).strip() for _, lines in found]
    following = [headings for headings, _ in found[1:]] + [[]]
    return [
        (headings, body)
        for (headings, _), body, after in zip(found, bodies, following, strict=True)
        if body or (headings and after[: len(headings)] != headings)
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
