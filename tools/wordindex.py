"""Full text in any script and several languages: which columns a table of passages has, and what a query asks of them.

Words that have spaces between them stand in one column for each language, which knows its endings ("invoices" finds
"invoice"). The rest of the text of scripts without spaces, and Korean, stands in a column of single characters and
pairs; the long words of languages that join them ("Geschenkgutscheine") in one of their parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import regex
from msgspec import Struct

from traces import wording

PLAIN = "text"  # the column of English, and of languages whose endings are not known
SIGNS, PARTS = "signs", "parts"
_LANGUAGES = {
    "ar": "Arabic", "da": "Danish", "de": "German", "el": "Greek", "es": "Spanish", "fi": "Finnish", "fr": "French",
    "hu": "Hungarian", "it": "Italian", "nl": "Dutch", "no": "Norwegian", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sv": "Swedish", "tr": "Turkish",
}  # fmt: skip
_JOINING = frozenset(("da", "de", "fi", "hu", "nl", "no", "sv"))
_SHARE = 0.1  # of the letters, that a language needs to count as one of the documents'
_LOOKED_AT = 20_000
_LONG, _PART = 5, 4
_WORDS = regex.compile(r"[\p{L}\p{M}\p{N}]+")


class Columns(Struct, frozen=True):
    """The columns of words of a table, in order; `language` of each document by its name in citations, where it is one
    whose endings are known."""

    names: tuple[str, ...]
    language: dict[str, str]


def columns(texts: Mapping[str, str]) -> Columns:
    """The columns for documents (name → text)."""
    language = _languages(texts)
    found = [PLAIN, *(f"{PLAIN}_{code}" for code in sorted(set(language.values())))]
    if any(wording.by_script(text)[1] for text in texts.values()):
        found.append(SIGNS)
    if not _JOINING.isdisjoint(language.values()):
        found.append(PARTS)
    return Columns(tuple(found), language)


def row(text: str, source: str, having: Columns) -> dict[str, str]:
    """What a passage of a document puts into each column."""
    words, signs = wording.by_script(text)
    language = having.language.get(source, "")
    own = f"{PLAIN}_{language}" if language else PLAIN
    parts = " ".join(word for word in _WORDS.findall(words) if len(word) >= _LONG) if language in _JOINING else ""
    known = {own: words, SIGNS: signs, PARTS: parts}
    return {name: known.get(name, "") for name in having.names}


def index(table: Any, having: Columns) -> None:
    """Make the full-text index of each column."""
    from lancedb.index import FTS

    for name in having.names:
        table.create_index(name, config=FTS(**_config(name)))


def _config(name: str) -> dict[str, Any]:
    if name == SIGNS:
        return {"base_tokenizer": "ngram", "ngram_min_length": 1, "ngram_max_length": 2} | _AS_WRITTEN
    if name == PARTS:
        return {"base_tokenizer": "ngram", "ngram_min_length": _PART, "ngram_max_length": _PART} | _AS_WRITTEN
    language = _LANGUAGES.get(name.removeprefix(f"{PLAIN}_"), "")
    return {"language": language} if language else {}


_AS_WRITTEN = {"stem": False, "remove_stop_words": False}


def query(text: str, having: Columns) -> Any:
    """What to ask of the table, None where there is nothing to look for: any of the words, in any of the columns."""
    from lancedb.query import BooleanQuery, MatchQuery, Occur

    words, signs = wording.by_script(text)
    asked = {SIGNS: signs, PARTS: " ".join(word for word in _WORDS.findall(words) if len(word) >= _PART)}
    wanted = [MatchQuery(given, name) for name in having.names if (given := asked.get(name, words)).strip()]
    if len(wanted) < 2:
        return wanted[0] if wanted else None
    return BooleanQuery([(Occur.SHOULD, one) for one in wanted])


def _languages(texts: Mapping[str, str]) -> dict[str, str]:
    """The language of each document, where it is one whose endings are known and one of the main ones of them all."""
    found = {name: _language(text) for name, text in texts.items()}
    letters: Counter[str] = Counter()
    for name, text in texts.items():
        letters[found[name]] += len(text)
    main = {code for code, count in letters.items() if count >= _SHARE * letters.total()}
    return {name: code for name, code in found.items() if code in _LANGUAGES and code in main}


def _language(text: str) -> str:
    import chardet

    words = wording.by_script(text[:_LOOKED_AT])[0]
    if len(_WORDS.findall(words)) < _LONG:
        return ""
    return str(chardet.detect(words.encode("utf-8", "replace"))["language"] or "")
