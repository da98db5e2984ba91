"""One normal form for text in any script, and whether a text says something in it, as whole words and numbers.

Graders, facts, the wizard and search compare texts through this module, so that what one of them finds the others
find too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise

import regex

Span = tuple[int, int]
_MARKS_OF_LETTERS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0980-\u0df3"
    "\u0e31-\u0e4e\u0eb1-\u0ece\u0f18-\u0fbc\u102b-\u103e\u17b4-\u17d3\u3099\u309a"
)
SOURCE_SIGNS = rf"\w.\-{_MARKS_OF_LETTERS}"
SOURCE = f"[{SOURCE_SIGNS}]+"
"""A document's name in citations, for the standard library: its \\w leaves out the vowels of Thai and Hindi."""

_JOINED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Tai_Le}"
    r"\p{Javanese}\p{Balinese}ー々〆"
)
"""Scripts that set no spaces between words, and Korean, whose particles and compounds are joined to the word."""
_BESIDE = rf"{_JOINED}\u3000-\u303f"
_GAP = r"(?!\s*\n\s*\n)\s+"  # not between paragraphs
_WORD = rf"[\w\p{{M}}--[{_JOINED}]]"  # what words that have spaces between them are made of
_NUMERALS = "〇零一二三四五六七八九十百千万萬億亿兆两兩"
_MULTIPLES = "十百千万萬億亿兆만억"  # "14万" is not 14

_IGNORED = (
    "\u00ad\u034f\u061c\u0640\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef"
)
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63", "-")
_QUOTES = dict.fromkeys("‘’‚‛′ʼ＇", "'") | dict.fromkeys("“”„‟«»″〝〞〟", '"')
_OTHER = {"٫": ".", "٬": ",", "〜": "~", "⁄": "/", "…": "..."}
_MAP = _DASHES | _QUOTES | _OTHER

Step = tuple["regex.Pattern[str]", Callable[["regex.Match[str]"], str]]


def _step(pattern: str, new: str | Callable[[regex.Match[str]], str]) -> Step:
    compiled = regex.compile(pattern, regex.VERSION1)
    return compiled, (lambda match: match.expand(new)) if isinstance(new, str) else new


def _letter(match: regex.Match[str]) -> str:
    """A character with its marks in normal form C, with what looks and means the same made one (NFKC); raised digits,
    circled ones and fractions after a digit stay, for "10²" is not 102 and "①14" not 114."""
    letter: str = match[0]
    kind = unicodedata.decomposition(letter[0]).partition(" ")[0]
    plain = unicodedata.normalize("NFKC", letter)
    after_digit = match.string[match.start() - 1 : match.start()].isdecimal()
    if kind == "<super>" or (kind == "<fraction>" and after_digit) or (len(letter) == 1 and _is_label(letter, plain)):
        return unicodedata.normalize("NFC", letter)
    lead = " " if kind == "<square>" and plain[0].isascii() else ""
    return lead + "".join(_MAP.get(c) or _digit(c) for c in plain)


def _is_label(letter: str, plain: str) -> bool:
    """Whether it is a number of a list in one character, such as ① and ⒈."""
    return plain[0].isdecimal() and not letter.isdecimal() and "\u2460" <= letter <= "\U0001f10a"


def _digit(letter: str) -> str:
    value = None if letter.isascii() else unicodedata.decimal(letter, None)
    return letter if value is None else str(value)


_LETTERS: tuple[Step, ...] = (
    _step(r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))", ""),  # 1 250 with a space that keeps it together
    _step(rf"[{_IGNORED}]+", ""),
    _step(
        "(?<![０-９])，|，(?![０-９])", ", "
    ),  # Chinese commas stand between items, but those of １，２５０ in a number
    _step("(?<![０-９])．|．(?![０-９])", "。"),
    _step(r"[\x00-\x7f]\p{M}+|[^\x00-\x7f][\p{M}\uff9e\uff9f\u1160-\u11ff]*", _letter),
)
_CASE = _step(r"[A-Z]|[^\x00-\x7f]", lambda match: str(match[0]).casefold())
_SPACES: tuple[Step, ...] = (
    _step(
        rf"(?<=[{_JOINED}\u3000-\u303f])(?!\s*\n\s*\n)\s+(?=\S)|(?<=\S)(?!\s*\n\s*\n)\s+(?=[{_JOINED}\u3000-\u303f])",
        "",
    ),
    _step(r"\s+", " "),
)
_NUMBERS: tuple[Step, ...] = (
    _step(
        r"(?<![\d.,])\d{1,3}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})(?![.,]?\d)",  # 1.250,00 and 1.250.000
        lambda match: match[0].replace(".", "").replace(",", "."),
    ),
    _step(r"(?<=\d)[,'](?=\d{3}(?!\d))", ""),
    _step(r"(?<![\d.,])(\d+),(?=\d{1,2}(?![.,]?\d))", r"\1."),
)
_EMPHASIS = _step(r"\*\*", "")
_PLAIN = (*_LETTERS, _CASE, _EMPHASIS, *_SPACES, *_NUMBERS)
_PLAIN_ASCII = (_EMPHASIS, _SPACES[1], *_NUMBERS)


def folded(text: str) -> str:
    """The text with every character in its one normal form: width, digits of other scripts, kinds of dashes and
    quotes, marks, case. Spaces and numbers stay as they are written."""
    if not text.isascii():
        text = _through(text, _LETTERS)
    return text.casefold()


@lru_cache(maxsize=1024)
def plain(text: str) -> str:
    """The text as it is compared: `folded`, with one space where any were (none beside scripts that have none between
    words), without Markdown's bold and thousands separators, and with a point for the comma of 7,50."""
    return _through(text.casefold(), _PLAIN_ASCII).strip() if text.isascii() else _through(text, _PLAIN).strip()


def says(text: str, wanted: str) -> bool:
    """Whether a text says something, as whole words and numbers: "6" is not found in "2026", and "火曜日" is in
    "火曜日に". Case, width, kinds of dashes, quotes, spaces and digits do not count."""
    return _pattern(wanted).search(plain(text)) is not None


def find(text: str, wanted: str) -> list[Span]:
    """Where the text says something: start and end of each place in the text as it is written."""
    if not says(text, wanted):
        return []
    changed, places = _aligned(text)
    found = _pattern(wanted).finditer(changed)
    return [(places[m.start()][0], places[m.end() - 1][1]) for m in found if m.end() > m.start()]


def by_script(text: str) -> tuple[str, str]:
    """(words that have spaces between them, the runs of scripts that have none) of a text, folded."""
    if text.isascii():
        return text, ""
    text = _through(folded(text), _SPACES[:1])
    return _RUNS.sub(" ", text), " ".join(_RUNS.findall(text))


def joined(text: str) -> int:
    """How many characters of a text are of scripts that set no spaces between words."""
    return 0 if text.isascii() else sum(map(len, _RUNS.findall(text)))


def words(text: str) -> set[str]:
    """The words of a text, folded; of a run without spaces its pairs of characters."""
    spaced, joined = by_script(text)
    pairs = ("".join(pair) for run in joined.split() for pair in (pairwise(run) if len(run) > 1 else [run]))
    return {*regex.findall(r"[\w\p{M}]+", spaced.casefold()), *pairs}


def written(text: str) -> list[str]:
    """The ways in which a text may be written where only equal characters are found: as it is, in the normal form,
    and in full width."""
    if text.isascii():
        return [text]
    simple = folded(text)
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in simple)
    return list(dict.fromkeys([text, unicodedata.normalize("NFC", text), simple, wide]))


_RUNS = regex.compile(rf"[{_JOINED}][{_JOINED}\p{{M}}]*", regex.VERSION1)


def _through(text: str, steps: tuple[Step, ...]) -> str:
    for pattern, new in steps:
        text = pattern.sub(new, text)
    return text


def _aligned(text: str) -> tuple[str, list[Span]]:
    """The text as `plain` gives it, but for blanks at its ends, and where each character of that came from."""
    places = [(at, at + 1) for at in range(len(text))]
    for pattern, new in _PLAIN:
        text, places = _replaced(text, places, pattern.finditer(text), new)
    return text, places


def _replaced(
    text: str,
    places: list[Span],
    matches: Iterator[regex.Match[str]],
    new: Callable[[regex.Match[str]], str],
) -> tuple[str, list[Span]]:
    parts, kept, done = [], [], 0
    for match in matches:
        start, end = match.span()
        instead = new(match)
        parts += [text[done:start], instead]
        kept += places[done:start]
        if instead:
            kept += [(places[start][0], places[end - 1][1])] * len(instead)
        done = end
    return "".join([*parts, text[done:]]), kept + places[done:]


@lru_cache(maxsize=4096)
def _pattern(wanted: str) -> regex.Pattern[str]:
    """What finds a text in a plain one, with borders by what it begins and ends with: a number is not part of another,
    a word with spaces around it not part of a longer one; other scripts have no borders that could be seen."""
    text = plain(wanted)
    return regex.compile(_before(text) + regex.escape(text) + _behind(text), regex.VERSION1)


_NUMBER = regex.compile(r"[-+]?[.,]?\d")
_SPACED = regex.compile(_WORD, regex.VERSION1)
_JOIN = regex.compile(f"[{_JOINED}]", regex.VERSION1)


def _before(text: str) -> str:
    if text[:1] in _NUMERALS:
        return rf"(?<![{_NUMERALS}])" if text else ""
    if _NUMBER.match(text):
        minus = r"|(?<![^\s(])-" if text[0].isdecimal() else ""
        return rf"(?<!{_WORD}|\.|\d[,:]|\d[{_MULTIPLES}]{minus})"
    return rf"(?<!{_WORD}|\.)" if _SPACED.match(text) else ""


def _behind(text: str) -> str:
    if text[-1:] in _NUMERALS:
        return rf"(?![{_NUMERALS}])" if text else ""
    if _JOIN.match(text[-1:]):
        return r"(?!\p{M})"
    if text[-1:].isdecimal():
        return rf"(?!{_WORD}|[.,]\d|:\d\d(?!\d)|\p{{No}}|[{_MULTIPLES}])"
    return rf"(?!{_WORD}|[.,]\d)" if _SPACED.match(text[-1:]) else ""
