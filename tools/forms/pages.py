"""PDF as text, page by page."""

from __future__ import annotations

import re

from tools.forms.text import Text

_BROKEN_WORD = re.compile(r"[\ufffe\x02\xad]\s*")  # how pdfium shows a hyphen at a line's end
_NAMED = 5


def read(content: bytes, name: str) -> Text:
    """Title and text, with the place of each page. Raises ValueError for what cannot be opened or has no text."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(content) as pdf:
            title = pdf.get_metadata_value("Title") or ""
            pages = [_page(page.get_textpage().get_text_range()) for page in pdf]
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"is not a PDF that can be opened (locked or damaged): {error}") from error
    places, parts, at = [], [], 0
    for number, text in enumerate(pages, 1):
        if text:
            places.append((at, f"page {number}"))
            parts.append(text)
            at += len(text) + 2
    return Text(title, "\n\n".join(parts), tuple(places), lacking=_lacking(pages) if parts else "")


def _page(text: str) -> str:
    return _BROKEN_WORD.sub("", text.replace("\r\n", "\n").replace("\x00", "")).strip()


def _lacking(pages: list[str]) -> str:
    empty = [str(number) for number, text in enumerate(pages, 1) if not text]
    if not empty:
        return ""
    more = f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else ""
    which = f"page{'s' * (len(empty) > 1)} {', '.join(empty[:_NAMED])}{more}"
    return f"{which} without text (scanned pages need text recognition first)"
