"""A scenario from what a user has: documents, tables, a few questions with answers. The files can be read and changed.

Each question becomes a case. What its answer must say is looked up where it stands: in a cell of a table (the query
that finds it becomes the reference step), in a passage (a search does, and the answer must cite it), or nowhere (a
conclusion).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import regex
import yaml
from msgspec import Struct, field, structs

from tasks import evidence, templates
from tasks.evidence import Evidence, Search
from tasks.tables import Table
from tools.documents import Document, survey
from traces import paths, wording
from traces.errors import InputError

FINDERS = ("search", "query_database")


class Question(Struct, frozen=True):
    """`must_say`: what a right answer has to say, word for word (the answer itself where left out); `support`: texts of
    passages that it rests on beside those. `place` is where the question stands, for errors."""

    text: str
    answer: str
    must_say: tuple[str, ...] = ()
    support: tuple[str, ...] = ()
    difficulty: str = "medium"
    place: str = ""


class Draft(Struct, frozen=True):
    """What the user gives. `tools`: names of built-in tools; `tools_file`: a tools.py of the user's own."""

    title: str
    goal: str
    questions: tuple[Question, ...]
    documents: Path | None = None
    tables: tuple[Table, ...] = ()
    tools: tuple[str, ...] = ("search",)
    tools_file: Path | None = None
    story: str = ""
    tokens: int = 60_000


class _Found(Struct):
    """The reference solution of a question, in the making: a subtask a fact, `facts` by what they say."""

    facts: dict[str, str] = field(default_factory=dict)
    subtasks: list[dict[str, Any]] = field(default_factory=list)
    cited: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)


def write_base(draft: Draft, folder: Path, own_tools: Sequence[str] = ()) -> None:
    """Everything but the cases: scenario.yaml, the documents, world.sql, tools.py. `own_tools`: the names of the tools
    of the user's file. Raises InputError where the folder is in use."""
    if paths.exists(folder) and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: give a folder that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    if draft.documents is not None:
        _copy(draft.documents, folder / "documents")
    if draft.tables:
        (folder / "world.sql").write_text("\n\n".join(table.sql() for table in draft.tables) + "\n", encoding="utf-8")
    if draft.tools_file is not None:
        shutil.copy(draft.tools_file, folder / "tools.py")
    _write_yaml(folder / "scenario.yaml", _scenario(draft, own_tools))
    (folder / "cases").mkdir()


def _scenario(draft: Draft, own_tools: Sequence[str]) -> dict[str, Any]:
    tools = [*draft.tools, *own_tools]
    finding = [tool for tool in tools if tool in FINDERS]
    doing = [tool for tool in tools if tool not in FINDERS]
    data: dict[str, Any] = {
        "title": draft.title,
        "story": draft.story or draft.title,
        "goal": draft.goal,
        "answer_style": "Short, and each claim with the passage that it rests on, as [source#position]."
        if draft.documents
        else "Short.",
        "roles": {
            "planner": {"tools": finding[:1]},
            "supervisor": {},
            "researcher": {"tools": finding or doing},
            "coder": {"tools": [*doing, *finding]},
            "reviewer": {"tools": finding},
        },
    }
    if draft.documents is not None:
        data["knowledge"] = {"folder": "documents"}
    if draft.tables:
        data["database"] = "world.sql"
    return {**data, "budget": {"tokens": draft.tokens}}


def _copy(documents: Path, to: Path) -> None:
    """Copy the documents of a folder that can be read."""
    for document in survey(documents).documents:
        place = to / document.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(documents / document.path, place)


def write_case(
    draft: Draft, number: int, folder: Path, search: Search, documents: Sequence[Document] = ()
) -> list[Evidence]:
    """Write case `number` (from 1) of the draft, whose documents these are; gives where each text of its answer was
    found. Raises InputError where nothing of the answer can be found out."""
    question = draft.questions[number - 1]
    found = _Found()
    case = _case(draft, question, found, _Known(search, documents))
    _write_yaml(folder / "cases" / f"{_slug(question.text, number)}.yaml", case)
    return found.evidence


class _Known(Struct, frozen=True):
    search: Search
    documents: Sequence[Document]


def _case(draft: Draft, question: Question, found: _Found, known: _Known) -> dict[str, Any]:
    said = question.must_say or (question.answer,)
    for text in (*said, *question.support):
        _find(text, question, draft, found, known)
    rest = [text for text in said if text not in found.facts]
    if rest and not found.facts:
        raise InputError(
            f"{question.place or repr(question.text)}: {rest[0]!r} {_why_not(rest[0], found)}: give in `must_say` "
            "words that do, or in `support` the text that the answer rests on"
        )
    for text in rest:
        _conclude(text, found)
    needs = [subtask["id"] for subtask in found.subtasks]
    researchers = sum(subtask["role"] == "researcher" for subtask in found.subtasks)
    return {
        "title": _short(question.text),
        "difficulty": question.difficulty,
        "features": ["parallel"] if researchers > 1 else ["single_fact"],
        "request": question.text,
        "plan": [
            *found.subtasks,
            {"id": "reply", "goal": "Write the answer.", "role": "researcher", "needs": needs},
        ],
        "answer": _answer(question, found),
        "expect": _expect(said, found, cites=bool(draft.documents)),
    }


def _why_not(text: str, found: _Found) -> str:
    places = next((e.places for e in found.evidence if e.text == text), ())
    if not places:
        return "stands in no document or table"
    return f"stands in {places[0].file}, {places[0].where}, but no query in words of the question finds it there"


def _find(text: str, question: Question, draft: Draft, found: _Found, known: _Known) -> None:
    """Look a text up: first among the cells of tables, then in the documents."""
    if text in found.facts or any(one.text == text for one in found.evidence):
        return
    tables = draft.tables if "query_database" in draft.tools else ()
    step, places = evidence.in_tables(text, question.text, tables)
    if "search" in draft.tools:
        passage, more = evidence.in_documents(text, question.text, known.documents, known.search)
        if step is None and passage is not None:
            step, places = passage, [*more, *places]
            found.cited.append(text)
        else:
            places += more
    found.evidence.append(Evidence(question.text, text, tuple(places)))
    if step is None:
        return
    number = len(found.subtasks) + 1
    found.facts[text] = name = f"fact_{number}"
    value, how = step
    found.subtasks.append(
        {
            "id": f"find_{number}",
            "goal": f"Find out for the question {_short(question.text)!r}: part {number}.",
            "role": "researcher",
            "steps": [{"id": f"look_{number}", **how, "facts": {name: value}}],
        }
    )


def _conclude(text: str, found: _Found) -> None:
    number = len(found.subtasks) + 1
    given = list(found.facts.values())
    known = next(n for n, one in enumerate(found.evidence) if one.text == text)
    found.evidence[known] = structs.replace(found.evidence[known], given=tuple(found.facts))
    needs = [subtask["id"] for subtask in found.subtasks]
    found.facts[text] = name = f"fact_{number}"
    found.subtasks.append(
        {
            "id": f"conclude_{number}",
            "goal": "Work out from what was found what the answer has to say.",
            "role": "coder",
            "needs": needs,
            "steps": [
                {"id": f"conclude_{number}", "skill": "decide", "facts": {name: {"value": text, "given": given}}}
            ],
        }
    )


def _answer(question: Question, found: _Found) -> str:
    """The user's answer with the facts as `{name}`, and the passages that they were read in."""
    spots: dict[tuple[int, int], str] = {}
    missing = []
    for said, name in sorted(found.facts.items(), key=lambda item: -len(item[0])):
        free = (s for s in wording.find(question.answer, said) if all(s[1] <= a or b <= s[0] for a, b in spots))
        spot = next(free, None)
        if spot is not None:
            spots[spot] = name
        elif said not in question.support:
            missing.append(f"{{{name}}}")
    parts, done = [], 0
    for (start, end), name in sorted(spots.items()):
        parts += [templates.plain(question.answer[done:start]), f"{{{name}}}"]
        done = end
    sources = [f"[{{{found.facts[said]}.source}}]" for said in found.cited]
    return " ".join(["".join([*parts, templates.plain(question.answer[done:])]), *missing, *dict.fromkeys(sources)])


def _expect(said: Sequence[str], found: _Found, *, cites: bool) -> list[dict[str, Any]]:
    checks: list[dict[str, Any]] = [{"grader": "mentions", "all": list(said)}]
    checks += [{"grader": "cites", "claim": text, "support": text} for text in said if text in found.cited]
    return [*checks, {"grader": "valid_citations"}] if cites else checks


class _Dumper(yaml.SafeDumper):
    """Writes a list that stands in two places twice, as people do."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_yaml(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(
        yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False),
        encoding="utf-8",
    )


def _slug(text: str, number: int) -> str:
    words = regex.findall(r"[\w\p{M}]+", wording.folded(text))[:5]
    return f"{number:02d}_{'_'.join(words)}"[:48].rstrip("_")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 70 else text[:69].rsplit(" ", 1)[0] + "…"
