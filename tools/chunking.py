"""Documents into chunks, by one of several strategies: what a search finds is what was cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

import regex

from tools.documents import Document
from traces import wording
from traces.kernel import Chunk

Strategy = Literal["paragraphs", "sections", "sentences", "fixed"]

_SENTENCE = regex.compile(r"(?<=[.!?])\s+|(?<=[。！？｡．][」』）】”’]*)(?![」』）】”’。！？])\s*", regex.VERSION1)
_CUT = regex.compile(r"[、，；：,;:]|\s", regex.VERSION1)  # where a long sentence may be cut, besides its end
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uffef]", regex.VERSION1)
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
        current = _joined(current, part, between) if current else part
    return [*pieces, current] if current else pieces


def _joined(text: str, more: str, between: str = " ") -> str:
    """Two parts of a text in one: sentences of scripts without spaces have none between them."""
    spaced = between != " " or not (_UNSPACED.match(text[-1:]) and _UNSPACED.match(more[:1]))
    return f"{text}{between if spaced else ''}{more}"


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
    for sentence in filter(None, _SENTENCE.split(paragraph)):
        if found and len(found[-1]) + 1 + len(sentence) <= longest:
            found[-1] = _joined(found[-1], sentence)
        else:
            found += _cut(sentence, longest)
    return found


def _cut(sentence: str, longest: int) -> Iterator[str]:
    """A sentence in pieces of up to `longest`. In scripts without spaces it is cut behind the last comma or space
    of the second half, else between two characters with their marks."""
    at = 0
    while len(sentence) - at > longest:
        end = at + longest
        if wording.joined(sentence[at:end]) * 2 > longest:
            end = _border(sentence, at, end)
        yield sentence[at:end]
        at = end
    if at < len(sentence):
        yield sentence[at:]


def _border(sentence: str, at: int, end: int) -> int:
    ends = [match.end() for match in _CUT.finditer(sentence, (at + end) // 2, end)]
    if ends:
        return int(ends[-1])
    starts = [int(match.start()) for match in regex.finditer(r"\X", sentence[at : end + 8])]
    return at + max((start for start in starts if 0 < start <= end - at), default=end - at)


def _tail(text: str, longest: int) -> str:
    """The last whole sentences of a text, up to `longest` characters."""
    tail = ""
    for sentence in reversed(_SENTENCE.split(text)):
        if len(tail) + len(sentence) + 1 > longest:
            break
        tail = _joined(sentence, tail) if tail else sentence.strip()
    return tail
