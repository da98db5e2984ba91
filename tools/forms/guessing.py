"""Which encoding bytes are in where nothing says so: the likeliest for chardet whose text does not look wrong.

Short texts mislead statistics: "Le café coûte 3 €" of Windows-1252 is likelier Cyrillic to chardet. In the wrong
encoding signs stand within words, capitals after small letters, letters of two scripts side by side.
"""

from __future__ import annotations

import codecs
import unicodedata

import regex

_LOOKED_AT = 200_000
_JUDGED = 20_000
_ALSO = ("cp1252", "iso8859-15", "iso8859-2", "mac_roman", "cp850", "cp866")
"""Tried after those that chardet finds likely."""
_NEGLIGIBLE = 0.02
_COMMONEST, _BESIDE_WORDS = 2, 99
"""By how much Windows-1252 is likelier than its letters make it: most old files in Latin script are in it, and nearly
all with a sign or two beside ASCII words, such as § 5 Abs. 2."""
_LETTER = r"[\p{Latin}\p{Cyrillic}\p{Greek}]"
_ODD = regex.compile(
    "|".join((
        rf"(?<={_LETTER})[^\x00-\x7f\p{{L}}\p{{M}}\p{{N}}\s’‘·–—…](?={_LETTER})",  # a sign within a word
        r"(?<=\p{Ll})[\p{Lu}--A-Z]|(?<=[\p{Lu}--A-Z])(?=\p{Ll}\p{Lu})",
        r"(?<=\p{Latin})[\p{Cyrillic}\p{Greek}\p{Thai}\p{Hebrew}\p{Arabic}\uff61-\uff9f]",
        r"[\p{Cyrillic}\p{Greek}\p{Thai}\p{Hebrew}\p{Arabic}\uff61-\uff9f](?=\p{Latin})",
        r"(?<=[a-z])\p{Han}{1,2}(?=[a-z])",
        r"[\p{Cc}--[\t-\r]]|\p{Cn}|\p{Co}|\ufffd|[¤¦¨¯¸¬ˆ˜˛ˇ˘˙˝]|[\u2500-\u259f]",
        r"(?<!\S)[\p{Thai}\p{Hebrew}\p{Arabic}](?!\S)",
        r"(?<=\p{L})[£¥¿¡]|[£¥](?=\p{L})",
    )),
    regex.VERSION1,
)  # fmt: skip


def guessed(content: bytes) -> str:
    """The text in the encoding that looks most like it. Raises ValueError where none does."""
    likely = _likely(content[:_LOOKED_AT])
    if not likely:
        return _unmarked(content)
    heads = {name: content[:_JUDGED].decode(name, "replace") for name in dict.fromkeys([*likely, *_ALSO])}
    odd = {name: _oddness(head) for name, head in heads.items()}
    best = min(odd.values()) + _NEGLIGIBLE
    return content.decode(next(name for name in odd if odd[name] <= best), "replace")


def _likely(head: bytes) -> list[str]:
    import chardet

    found = chardet.detect_all(
        head, ignore_threshold=True, encoding_era=chardet.EncodingEra.MODERN_WEB, prefer_superset=True
    )
    names = {codecs.lookup(one["encoding"]).name: one["confidence"] for one in found if one["encoding"] is not None}
    few = len(regex.findall(rb"[\x80-\xff]", head)) <= 2 and regex.search(rb"[a-z]{2}", head)
    likelier = _BESIDE_WORDS if few else _COMMONEST
    return sorted(names, key=lambda name: -names[name] * (likelier if name == "cp1252" else 1))


def _oddness(text: str) -> float:
    """Signs of a wrong encoding, for each character that is not ASCII."""
    odd = len(_ODD.findall(text))
    if "ü" in text or "ç" in text:
        odd += len(regex.findall("[þðÞÐ]", text))  # Turkish, not Icelandic
    return odd / max(1, sum(not c.isascii() for c in text))


def _unmarked(content: bytes) -> str:
    """What may be UTF-16 with hardly a zero byte."""
    likely = [content.decode(name, "replace") for name in ("utf-16-le", "utf-16-be")]
    best = max(likely, key=_readable)
    if len(content) % 2 or _readable(best) < 0.9:
        raise ValueError("is not text in any encoding that can be told")
    return best


def _readable(text: str) -> float:
    """The share of characters that are letters, digits or punctuation of the commonest blocks."""
    head = text[:2000]
    good = sum(c < "\u2e80" or "\u3000" <= c <= "\u30ff" or "\uff00" <= c <= "\uffef" for c in head)
    letters = sum(unicodedata.category(c)[0] in "LNPZS" or c in "\n\t" for c in head)
    return letters / max(1, len(head)) + good / max(1, len(head)) / 100
