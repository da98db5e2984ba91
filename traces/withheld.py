"""What must not leave this machine: secrets, and text that is marked as personal. Everything that is shared or exported
passes through `Withheld`; what it finds is replaced by a mark such as `[withheld: secret]` or `[accounts.name #3]`.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from traces.kernel import Event

SECRET = "[withheld: secret]"
_JOINED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3105-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U000323af"
)
"""Characters of scripts that set no spaces between words: "Tanaka" is a word in "Tanakaさん"."""
_LETTER = rf"[^\W{_JOINED}]"
_BEGIN, _END = r"(?<![A-Za-z0-9_])", r"(?![A-Za-z0-9_])"
_START = rf"(?:{_BEGIN}|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{{4}}))"  # also right after an escape of JSON's
_SECRET_FIELD = r"[\w-]*(?:api[_-]?key|password|passwd|client[_-]?secret|access[_-]?token|authorization)"
SECRETS = re.compile(
    rf"{_START}(?:"
    r"(?:sk|pk|rk|gsk|xai|hf|r8|npm|pypi)[-_][\w*-]{8,}"  # keys of model providers, payment services, registries
    r"|AIza[\w-]{10,}|ya29\.[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9_])"  # Google, AWS
    r"|(?:gh[pousr]_|github_pat_|glpat-)\w[\w-]{10,}|xox[a-z]-[\w-]{8,}"  # GitHub, GitLab, Slack
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"  # JSON web tokens
    r"|Bearer\s+[^\s\"'\\]+)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=://)[^/\s:@\"']+:[^/\s@\"']+(?=@)"
    rf"|{_START}(?:{_SECRET_FIELD})\\*[\"']?\s*[:=]\s*\\*[\"']?[^\s\"'\\,;&]{{6,}}",
    re.IGNORECASE | re.DOTALL,
)
_HINT = re.compile(
    "[spr]k[-_]|gsk[-_]|xai[-_]|hf[-_]|r8[-_]|npm[-_]|pypi[-_]|aiza|ya29|akia|asia|gh[pousr]_|github_pat|glpat|xox|eyj|"
    "bearer|private key|://|api[-_]?key|passw|client[-_]?secret|access[-_]?token|authorization"
)
"""In lower case, without which no text has anything like a key: a quick look spares the long one."""
KINDS = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "iban": rf"{_BEGIN}[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,4}})?{_END}",
    "card": rf"{_BEGIN}(?:\d[ -]?){{13,18}}\d{_END}",
    "phone": rf"{_BEGIN}\+\d[\d ()/.-]{{6,}}\d",
}
"""Patterns that have a name: what is personal wherever it stands, once a scenario says so."""

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD")
_FIELD = re.compile(_SECRET_FIELD, re.IGNORECASE)
_WORD = re.compile(rf"{_LETTER}+|[{_JOINED}]+")
_JOINS = re.compile(f"[{_JOINED}]")
_ESCAPED = re.compile(r"\\[\\ubf]")  # JSON within JSON, among others
_TAGS = frozenset(str(kind.__struct_config__.tag) for kind in Event.__args__)
_FIXED = _TAGS | {"system", "user", "assistant", "tool", "completed", "limited", "failed", "virtual", "real"}
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


def secrets_here() -> list[str]:
    """The values of this process's environment that are secrets by their names."""
    return [value for name, value in os.environ.items() if len(value) >= 8 and _SECRET_NAME.search(name)]


def without_secrets(text: str, also: Iterable[str] = ()) -> str:
    """The text without this environment's secrets, those given, and anything that looks like a key."""
    for value in (*secrets_here(), *also):
        text = text.replace(value, SECRET)
    return SECRETS.sub(SECRET, text) if _HINT.search(text.lower()) else text


class Withheld:
    """Takes out secrets, and what is `personal`: by what it is called (`accounts.name`), the texts that are personal
    wherever they stand (whole words, case aside, also as JSON escapes them), and patterns. The same text gets the same
    mark each time, so that it stays possible to follow who is who. `secrets` and `personal` count what was taken out.
    """

    def __init__(self, texts: Mapping[str, Iterable[str]] | None = None, patterns: Mapping[str, str] | None = None):
        self.secrets = self.personal = 0
        self._marks: dict[tuple[str, str], str] = {}
        self._words: dict[str, list[tuple[int, re.Pattern[str], str]]] = defaultdict(list)
        self._numbers: dict[str, str] = {}
        self._patterns = [(name, re.compile(pattern)) for name, pattern in (patterns or {}).items()]
        mine = [re.escape(form) for value in secrets_here() for form in _forms(value)]
        self._mine = re.compile("|".join(mine)) if mine else None
        here = str(Path.home())
        self._home = re.compile(rf"{re.escape(here)}(?=[/\\\"'\s]|$)") if len(here) > 1 else None
        for name, values in (texts or {}).items():
            for value in sorted({value.strip() for value in values} - {""}, key=lambda value: (-len(value), value)):
                self._add(name, value)
        self._unspaced = {form: name for v, name in self._numbers.items() if not _is_word(v) for form in _forms(v)}
        self._anywhere = re.compile("|".join(map(re.escape, self._unspaced))) if self._unspaced else None

    def event(self, body: bytes) -> bytes:
        """The JSON of an event, without what is withheld. Raises msgspec's error for what is no JSON."""
        if not self._seems(body.decode("utf-8", "replace")):
            return body
        return _encode(self.value(_decode(body)))

    def value(self, value: Any, loose: bool = False) -> Any:
        """Plain data with each text in it cleaned; in `loose` data, numbers that are personal become texts."""
        if isinstance(value, str):
            return value if value in _FIXED and not loose else self.text(value)
        if isinstance(value, dict):
            return {self.text(k) if loose else k: self._field(k, v, loose) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one, loose) for one in value]
        if loose and isinstance(value, int | float) and not isinstance(value, bool) and str(value) in self._numbers:
            return self._mark(self._numbers[str(value)], str(value))
        return value

    def _field(self, name: str, value: Any, loose: bool) -> Any:
        if loose and isinstance(value, str) and len(value) >= 6 and _FIELD.fullmatch(name):
            self.secrets += 1
            return SECRET
        return self.value(value, loose or name == "arguments")

    def text(self, text: str) -> str:
        """The text without what is withheld. JSON within it is looked at as what it says."""
        if text[:1] in ("{", "["):
            text = self._nested(text)
        for keys in (self._mine, SECRETS if _HINT.search(text.lower()) else None):
            if keys is not None:
                text, found = keys.subn(SECRET, text)
                self.secrets += found
        if self._home is not None:
            text = self._home.sub("~", text)
        for name, pattern in self._patterns:
            text = pattern.sub(lambda match, name=name: self._mark(name, match[0]), text)  # type: ignore[misc]
        if self._anywhere is not None:
            text = self._anywhere.sub(lambda match: self._mark(self._unspaced[match[0]], match[0]), text)
        return self._without_words(text) if self._words else text

    def _seems(self, raw: str) -> bool:
        """Whether there may be something in an event's JSON: never wrongly no."""
        low = raw.lower()
        if self._patterns or (_HINT.search(low) and SECRETS.search(raw)):
            return True
        if any(found is not None and found.search(raw) for found in (self._mine, self._home, self._anywhere)):
            return True
        if not (self._words or self._unspaced):
            return False
        if _ESCAPED.search(raw):
            return True
        words = _WORD.findall(low.replace("\\n", " ").replace("\\r", " ").replace("\\t", " "))
        return not self._words.keys().isdisjoint(words)

    def _nested(self, text: str) -> str:
        try:
            data = _decode(text)
        except (msgspec.MsgspecError, RecursionError):
            return text
        cleaned = self.value(data, loose=True)
        return text if cleaned == data else _encode(cleaned).decode()

    def _add(self, name: str, value: str) -> None:
        self._numbers.setdefault(value, name)
        for form in _forms(value) if _is_word(value) else ():
            first = _WORD.search(form)
            if first is not None:
                pattern = r"(?:\s|\\+[nrt])+".join(re.escape(part) for part in form.split())
                self._words[first[0].lower()].append(
                    (first.start(), re.compile(pattern + rf"(?!{_LETTER})", re.I), name)
                )

    def _found(self, text: str) -> Iterable[tuple[int, int, str]]:
        """Where personal texts stand: start, end, what each is called. A word may begin right after an escape (\\n)."""
        done = 0
        for word in _WORD.finditer(text):
            starts = [word.start()]
            if text[word.start() - 1 : word.start()] == "\\":
                starts += [word.start() + 1, word.start() + 5]
            for start in starts:
                for lead, pattern, name in self._words.get(text[start : word.end()].lower(), ()):
                    match = pattern.match(text, start - lead) if start - lead >= done else None
                    if match is not None and match.end() > done:
                        yield match.start(), match.end(), name
                        done = match.end()

    def _without_words(self, text: str) -> str:
        parts, done = [], 0
        for start, end, name in self._found(text):
            parts += [text[done:start], self._mark(name, text[start:end])]
            done = end
        return "".join([*parts, text[done:]])

    def _mark(self, name: str, text: str) -> str:
        self.personal += 1
        number = sum(1 for known, _ in self._marks if known == name) + 1
        return self._marks.setdefault((name, " ".join(text.split()).lower()), f"[{name} #{number}]")


def _is_word(text: str) -> bool:
    """Whether a text is written with letters that come in words: not that of Chinese, for example."""
    return not _JOINS.search(text) and any(
        letter.isascii() or letter.lower() != letter.upper() for letter in text if letter.isalnum()
    )


def _forms(value: str) -> list[str]:
    """A text as it may stand in a trace: plain, as JSON escapes it, and as JSON within JSON does."""
    once = {json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value)[1:-1]}
    twice = {json.dumps(form)[1:-1] for form in once}
    return list(dict.fromkeys([value, *sorted(once), *sorted(twice)]))
