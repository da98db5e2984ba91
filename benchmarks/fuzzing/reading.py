"""What must hold for whatever a document's reader makes of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.documents import Document
from traces.errors import ScenarioError

LONGEST = 2_000


def refusal(read: Callable[[], object], path: Path) -> bool:
    """Whether reading the file is refused, in one line that names it."""
    try:
        read()
    except ScenarioError as error:
        told = str(error)
        assert told.startswith(str(path)), told
        assert "\n" not in told, told
        assert len(told) < LONGEST, told[:LONGEST]
        return True
    return False


def check_document(document: Document) -> None:
    """Its text can be stored and shown, and every place in it can be told."""
    assert document.text.strip() == document.text != ""
    document.text.encode("utf-8")
    document.title.encode("utf-8")
    assert "\x00" not in document.text
    assert "\n" not in document.title
    starts = [start for start, _ in document.places]
    assert starts == sorted(starts)
    assert all(0 <= start <= len(document.text) for start in starts)
    assert document.place(len(document.text) // 2)
