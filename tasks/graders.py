"""Graders: what the end of a run is judged by. Each is a function of the outcome and its own arguments.

A case names them in `expect`; a scenario adds its own as functions in grader.py. All must pass for a success.
"""

from __future__ import annotations

import inspect
import re
import reprlib
import sqlite3
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from msgspec import structs
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tasks import wanted, yamlfile
from tasks.case import Case, Expect
from tasks.wanted import Want
from tasks.yamlfile import Problem
from tools import registry, snapshots, usercode
from tools.usercode import Failed
from traces.clock import is_virtual
from traces.kernel import Check, Chunk, Evaluated
from traces.strict import writable
from traces.wording import SOURCE
from traces.wording import says as says

Grader = Callable[..., "bool | Check | Awaitable[bool | Check]"]
FAILED = "the grader failed"
LONGEST_DETAIL = 2000
GRACE_S = 5.0

_CITATION = re.compile(rf"[\[［【]({SOURCE}[#＃]\d+(?:\s*[,;，；、]\s*{SOURCE}[#＃]\d+)*)[\]］】]")
_NOT_FOUND = re.compile(
    r"not (?:be )?(?:found|stated|given|disclosed|available|contained|covered|mentioned|answered|in the documents)"
    r"|no (?:information|figure|document|source|mention|data)"
    r"|(?:do|does) not (?:say|state|contain|give|mention|disclose)"
    r"|cannot be (?:found|answered|determined)"
    r"|nicht (?:\w+ )?(?:gefunden|angegeben|genannt|enthalten|erwähnt|beantwort\w+|ermittel\w+|finden|hervor)"
    r"|kein\w* (?:Angabe|Information|Hinweis|Daten|Quelle|Dokument)\w*"
    r"|没有(?:找到|提到|提及|说明|记载|记录|给出|相关|信息|资料|数据)|未(?:找到|提及|提到|说明|记载|给出|披露|注明)"
    r"|(?:找|查)不到|无法(?:找到|确定|回答|得知)|沒有(?:找到|提到|提及|說明|記載|資料)|無法(?:找到|確定|回答|得知)"
    r"|見つかりま?せん|見つからな|見当たりま?せん|記載(?:は|が|も)?(?:ありません|されていません|な[いか])|情報(?:は|が)?(?:ありません|ない)"
    r"|(?:書かれて|示されて|言及されて)いま?せん|わかりません|分かりません|不明"
    r"|찾을 ?수 ?없|찾지 ?못|(?:정보|언급|기재|내용|자료|데이터)[가이은는]? ?없"
    r"|(?:언급|명시|기재)되(?:어|지) ?(?:있지 )?않|나와 ?있지 ?않|알 ?수 ?없"
    r"|ไม่พบ|ไม่มี(?:ข้อมูล|ระบุ|การระบุ|กล่าวถึง)|ไม่ได้(?:ระบุ|กล่าวถึง|บอก)|ไม่(?:ทราบ|ปรากฏ|สามารถ(?:หา|ระบุ|ตอบ))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its answer, its database, and the chunks that can be cited."""

    answer: str
    db: sqlite3.Connection
    chunk: Callable[[str], Chunk | None]


def database(outcome: Outcome, *, sql: str, equals: list[list[Any]]) -> Check:
    """The final state: `sql` gives exactly the rows of `equals`, in order. Numbers compare as numbers."""
    try:
        rows = [list(row) for row in outcome.db.execute(sql).fetchall()]
    except sqlite3.Error as error:
        return Check("database", False, f"{FAILED}: the query fails: {error}", failed=True)
    same = len(rows) == len(equals) and all(_same_row(a, b) for a, b in zip(rows, equals, strict=True))
    return Check("database", same, "" if same else f"expected {equals}, found {rows}")


def mentions(outcome: Outcome, *, all: list[str] | None = None, any: list[str] | None = None) -> Check:
    """The answer says every text of `all`, and at least one of `any`. Case, white space and thousands separators do
    not count; "14 days" is not found inside "114 days"."""
    missing = [text for text in all or [] if not says(outcome.answer, text)]
    if any and not _any_said(outcome.answer, any):
        missing.append(" or ".join(any))
    return Check("mentions", not missing, f"missing: {', '.join(missing)}" if missing else "")


def avoids(outcome: Outcome, *, any: list[str]) -> Check:
    """The answer says none of these."""
    said = [text for text in any if says(outcome.answer, text)]
    return Check("avoids", not said, f"says: {', '.join(said)}" if said else "")


def cites(outcome: Outcome, *, claim: str, support: str) -> Check:
    """The answer makes the claim, and in the same paragraph or line cites a chunk that holds the `support` text."""
    places = [part for part in re.split(r"\n+", outcome.answer) if says(_without_citations(part), claim)]
    if not places:
        return Check("cites", False, f"missing: {claim}")
    for part in places:
        for chunk_id in citations(part):
            chunk = outcome.chunk(chunk_id)
            if chunk is not None and says(chunk.text, support):
                return Check("cites", True, f"{claim} [{chunk_id}]")
    return Check("cites", False, f"no cited passage supports: {claim}")


def valid_citations(outcome: Outcome) -> Check:
    """Every citation is of a passage that exists."""
    invented = [chunk_id for chunk_id in citations(outcome.answer) if outcome.chunk(chunk_id) is None]
    return Check("valid_citations", not invented, f"no such passage: {', '.join(invented)}" if invented else "")


def abstains(outcome: Outcome, *, about: list[str]) -> Check:
    """A sentence that mentions one of the words of `about` says that the documents do not tell."""
    for sentence in re.split(r"(?<=[.!?])\s+|(?<=[。！？])|\n+", outcome.answer):
        if _NOT_FOUND.search(sentence) and _any_said(sentence, about):
            return Check("abstains", True)
    return Check("abstains", False, f"does not say that it found nothing about {' / '.join(about)}")


BUILTIN: dict[str, Grader] = {
    grader.__name__: grader for grader in (database, mentions, avoids, cites, valid_citations, abstains)
}


def custom_graders(folder: Path) -> dict[str, Grader]:
    """The functions of the scenario's grader.py, by name."""
    path = folder / "grader.py"
    if not path.is_file():
        return {}
    return registry.load_module(path, _own)


def _own(module: ModuleType) -> dict[str, Grader]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_") and _is_own(value, module)}


def _is_own(value: Any, module: ModuleType) -> bool:
    """Whether it can be called and was made in this module: a function, a partial, an object; no class."""
    if isinstance(value, partial):
        return True
    return callable(value) and not inspect.isclass(value) and getattr(value, "__module__", "") == module.__name__


def wants(grader: Grader) -> Mapping[str, Want]:
    """What a grader's arguments take, as its annotations say."""
    return {name: wanted.of(annotation) for name, annotation in _annotations(grader).items()}


def problems_with(expect: Expect, custom: Mapping[str, Grader]) -> Iterator[Problem]:
    """What is wrong with a check as a case states it."""
    graders = {**BUILTIN, **custom}
    grader = graders.get(expect.grader)
    if grader is None:
        near = yamlfile.nearest(expect.grader, graders)
        yield ["grader"], f"no grader {expect.grader!r}; there are: {', '.join(graders)}{near}"
        return
    signature = inspect.signature(grader)
    try:
        signature.bind(None, **expect.arguments)
    except TypeError as error:
        takes = ", ".join(list(signature.parameters)[1:]) or "no arguments"
        given = next((name for name in expect.arguments if name not in signature.parameters), None)
        near = yamlfile.nearest(given, list(signature.parameters)[1:]) if given else ""
        yield ["grader"], f"{expect.grader}: {error}; it takes: {takes}{near}"
        return
    for name, value in expect.arguments.items():
        yield from _problems_of(grader, name, value)
    if grader in (mentions, avoids) and not any(expect.arguments.values()):
        yield ["grader"], f"{expect.grader} checks nothing: give at least one text"


def _problems_of(grader: Grader, name: str, value: Any) -> Iterator[Problem]:
    reader = _readers(grader).get(name)
    try:
        if reader is not None:
            reader.validate_python(value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            yield [name, *details["loc"]], f"{grader.__name__}: {details['msg']}"


def _typed(grader: Grader, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the grader's annotations have them, such as texts for numbers."""
    readers = _readers(grader)
    return {name: readers[name].validate_python(v) if name in readers else v for name, v in arguments.items()}


@lru_cache(maxsize=256)
def _annotations(grader: Grader) -> Mapping[str, Any]:
    try:
        return {name: kind for name, kind in get_type_hints(grader).items() if name != "return"}
    except Exception:  # a user's annotations may be anything: they say nothing then
        return {}


@lru_cache(maxsize=256)
def _readers(grader: Grader) -> Mapping[str, TypeAdapter[Any]]:
    found: dict[str, TypeAdapter[Any]] = {}
    for name, kind in _annotations(grader).items():
        try:
            found[name] = TypeAdapter(kind, config=ConfigDict(coerce_numbers_to_str=True))
        except Exception:  # no type that can be checked, such as a class of the user's
            continue
    return found


def grade(case: Case, outcome: Outcome, custom: Mapping[str, Grader], *, virtual: bool = True) -> Evaluated:
    """Every check of the case: success when all pass; the score is the weighted share that did. Where a grader itself
    failed, nothing is known of the run: `error` says why. `virtual`: what async graders sleep takes no time."""
    checks = tuple(_check(expect, outcome, custom, virtual) for expect in case.expect)
    total = sum(check.weight for check in checks)
    score = sum(check.weight for check in checks if check.passed) / total
    failed = next((f"{check.name}: {check.detail}" for check in checks if check.failed), "")
    return Evaluated(all(check.passed for check in checks), round(score, 6), checks, failed)


async def graded(case: Case, outcome: Outcome, custom: Mapping[str, Grader]) -> Evaluated:
    """The same, without holding up the other runs of the loop."""
    if is_virtual() or not any(expect.grader in custom for expect in case.expect):
        return grade(case, outcome, custom, virtual=is_virtual())
    limit = sum(expect.timeout_s for expect in case.expect) + GRACE_S
    try:
        return await usercode.call(partial(grade, case, outcome, custom, virtual=False), limit)
    except Failed as failed:
        return Evaluated(False, 0.0, (), error=f"{FAILED}: {failed}")


def _check(expect: Expect, outcome: Outcome, custom: Mapping[str, Grader], virtual: bool) -> Check:
    own = custom.get(expect.grader)
    try:
        found = _of_own(own, expect, outcome, virtual) if own else _of_ours(expect, outcome)
    except Failed as failed:
        found = Check(expect.grader, False, f"{FAILED}: {failed}", failed=True)
    return structs.replace(found, name=expect.name or expect.grader, weight=expect.weight)


def _of_ours(expect: Expect, outcome: Outcome) -> Check:
    grader = BUILTIN[expect.grader]
    try:
        return _as_check(grader(outcome, **_typed(grader, expect.arguments)))
    except Exception as error:
        raise Failed(usercode.words_of(error), error) from error


def _of_own(grader: Grader, expect: Expect, outcome: Outcome, virtual: bool) -> Check:
    """The check of a user's grader, which gets a copy of the database for itself."""
    with closing(snapshots.opened(snapshots.content_of(outcome.db))) as db:
        try:
            arguments = _typed(grader, expect.arguments)
            work = partial(grader, replace(outcome, db=db), **arguments)
            return usercode.call_now(work, expect.timeout_s, _as_check, virtual=virtual)
        except ValidationError as error:
            raise Failed(usercode.words_of(error), error) from error


def _as_check(found: Any) -> Check:
    """What a grader gave back. Raises TypeError for what is neither True nor False nor a Check of good form."""
    if isinstance(found, Check):
        if not _is_truth(found.passed) or not isinstance(found.detail, str):
            raise TypeError(
                f"it gave back a Check with passed={_shown(found.passed)} and detail={_shown(found.detail)}"
            )
        return Check("", bool(found.passed), writable(found.detail[:LONGEST_DETAIL]))
    if not _is_truth(found):
        raise TypeError(f"it gave back {_shown(found)}: a grader gives True, False or a Check")
    return Check("", bool(found))


def _is_truth(value: Any) -> bool:
    """Whether it is True or False; NumPy's are as well."""
    kind = type(value)
    return isinstance(value, bool) or (kind.__module__ == "numpy" and kind.__name__ in ("bool_", "bool"))


def _shown(value: Any) -> str:
    return "None" if value is None else f"{reprlib.repr(value)} ({type(value).__name__})"


def citations(text: str) -> list[str]:
    """The chunk ids cited in a text: [source#3], or several as [a#1, b#2]."""
    cited = [part.strip() for match in _CITATION.finditer(text) for part in re.split(r"[,;，；、]", match.group(1))]
    return [unicodedata.normalize("NFC", part).replace("＃", "#") for part in cited]


def _any_said(text: str, wanted: Iterable[str]) -> bool:
    return any(says(text, one) for one in wanted)


def _without_citations(text: str) -> str:
    return _CITATION.sub("", text)


def _same_row(found: list[Any], wanted: list[Any]) -> bool:
    return len(found) == len(wanted) and all(_same(a, b) for a, b in zip(found, wanted, strict=True))


def _same(found: Any, wanted: Any) -> bool:
    if found is None or wanted is None:
        return found is wanted
    try:
        return abs(float(found) - float(wanted)) < 0.005
    except (TypeError, ValueError):
        return str(found) == str(wanted)
