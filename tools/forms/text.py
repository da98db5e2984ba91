"""What was read of a file, and bytes as text in whatever encoding they are in."""

from __future__ import annotations

import codecs
import re
from collections import Counter

from msgspec import Struct

from tools.forms import guessing

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_WIDER = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}
_WIDER |= {"euc_kr": "cp949", "big5": "big5hkscs", "iso8859-9": "cp1254", "tis-620": "cp874"}
"""What names of encodings mean on the web: the larger encoding that programs write under them."""
_LOOKED_AT = 200_000
_ZEROS = 0.4  # of the bytes in every other place: UTF-16 in Latin letters has more zeros
_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f\x80-\x84\x86-\x9f]")


class Text(Struct, frozen=True):
    """The text of a file. `places`: where parts of it stand in the file ("page 2"), by the offset that each begins at;
    `line`: the file's line that the text begins in, 0 where lines of the text are not lines of the file; `lacking`:
    what could not be read of it."""

    title: str
    text: str
    places: tuple[tuple[int, str], ...] = ()
    line: int = 0
    lacking: str = ""


def decode(content: bytes, declared: str = "") -> str:
    """The text of these bytes, with plain line ends: by a byte order mark, as UTF-8 or UTF-16 where they are that, as
    the file itself says (`declared`), else as the encoding that looks most like it. Raises ValueError for what is not
    text."""
    text = _decoded(content, declared)
    if len(_CONTROLS.findall(text[:_LOOKED_AT])) > len(text[:_LOOKED_AT]) / 50:
        raise ValueError("is not text: it has bytes that no text has")
    return re.sub(r"\r\n?|[\u2028\u2029\x85]", "\n", text).replace("\x00", "")


def _decoded(content: bytes, declared: str) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    wide = _wide(content)
    if wide:
        return content.decode(wide, "replace")
    if b"\x1b$" in content[:_LOOKED_AT] or b"\x1b(" in content[:_LOOKED_AT]:
        declared = declared or "iso2022_jp"
    elif _is_utf8(content):
        return content.decode("utf-8", "replace")
    encoding = _known(declared)
    if encoding:
        text = content.decode(encoding, "replace")
        if text.count("\ufffd") <= len(text) / 100:
            return text
    return guessing.guessed(content)


def _is_utf8(content: bytes) -> bool:
    """Whether it is UTF-8, with a few bytes broken at most."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
        return text.count("\ufffd") * 10 < sum(not c.isascii() for c in text) - text.count("\ufffd")
    return True


def _wide(content: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, told by where zeros are; "" for neither."""
    head = content[: _LOOKED_AT // 4 * 4]
    if head.count(0) * 50 < len(head) or len(head) < 2:
        return ""
    zeros = [head[at::4].count(0) / max(1, len(head[at::4])) for at in range(4)]
    if zeros[1] > 0.9 and zeros[2] > 0.9 and zeros[3] > 0.9 and zeros[0] < 0.5:
        return "utf-32-le"
    if zeros[0] > 0.9 and zeros[1] > 0.9 and zeros[2] > 0.9 and zeros[3] < 0.5:
        return "utf-32-be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if max(even, odd) < 2 * _ZEROS and content.isascii() and max(_commonest(head[at::2]) for at in (0, 1)) < _ZEROS:
        return ""  # ASCII with a few zeros in it
    return ("utf-16-le" if odd > even else "utf-16-be") if max(even, odd) > 3 * min(even, odd) else ""


def _commonest(content: bytes) -> float:
    """The share of the byte that is there most often: in one half of UTF-16, that of the script's block."""
    return Counter(content).most_common(1)[0][1] / len(content)


def _known(name: str) -> str:
    try:
        encoding = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        return ""
    if not getattr(codecs.lookup(encoding), "_is_text_encoding", True):
        return ""
    return _WIDER.get(encoding, encoding)
