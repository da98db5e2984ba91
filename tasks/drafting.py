"""A scenario from what a user has: documents, tables, a few questions with answers. The files can be read and changed.

Each question becomes a case. What its answer must say is looked up where it stands: in a passage (a search that finds
it becomes the reference step, and the answer must cite it), in a table (a query), or nowhere (a conclusion).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, field

from tasks import templates
from tasks.tables import Table
from traces import paths
from traces.errors import InputError
from traces.kernel import Chunk

Search = Callable[[str], Sequence[Chunk]]
"""The passages for a query, as the scenario's agents would see them."""

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


def write_base(draft: Draft, folder: Path, own_tools: Sequence[str] = ()) -> None:
    """Everything but the cases: scenario.yaml, the documents, world.sql, tools.py. `own_tools`: the names of the tools
    of the user's file. Raises InputError where the folder is in use."""
    if paths.exists(folder) and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: give a folder that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    if draft.documents is not None:
        shutil.copytree(draft.documents, folder / "documents")
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


def write_case(draft: Draft, number: int, folder: Path, search: Search) -> Path:
    """Case `number` (from 1) of the draft. Raises InputError where nothing of the answer can be found out."""
    question = draft.questions[number - 1]
    place = folder / "cases" / f"{_slug(question.text, number)}.yaml"
    _write_yaml(place, _case(draft, question, search))
    return place


def _case(draft: Draft, question: Question, search: Search) -> dict[str, Any]:
    found = _Found()
    said = question.must_say or (question.answer,)
    for text in (*said, *question.support):
        _find(text, question, draft, found, search)
    rest = [text for text in said if text not in found.facts]
    if rest and not found.facts:
        raise InputError(
            f"{question.place or repr(question.text)}: {rest[0]!r} stands in no document or table: give in `must_say` "
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


def _find(text: str, question: Question, draft: Draft, found: _Found, search: Search) -> None:
    step = _in_documents(text, question, search) if draft.documents and "search" in draft.tools else None
    if step is not None:
        found.cited.append(text)
    elif "query_database" in draft.tools:
        step = next((s for table in draft.tables if (s := table.step(text, question.text))), None)
    if step is None or text in found.facts:
        return
    number = len(found.subtasks) + 1
    found.facts[text] = name = f"fact_{number}"
    value, how = step
    facts = {name: value}
    found.subtasks.append(
        {
            "id": f"find_{number}",
            "goal": f"Find out for the question {_short(question.text)!r}: part {number}.",
            "role": "researcher",
            "steps": [{"id": f"look_{number}", **how, "facts": facts}],
        }
    )


def _in_documents(text: str, question: Question, search: Search) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The fact and the search that finds it, in words of the question if these do, else in the passage's own."""
    pattern = re.compile(r"\s+".join(map(re.escape, text.split())), re.IGNORECASE)
    for query in (question.text, f"{question.text} {text}", text):
        for chunk in search(query):
            match = pattern.search(chunk.text)
            if match is None:
                continue
            fact: dict[str, Any] = {"value": match.group()}
            otherwise = _distractor(match.group(), search(query))
            args = {"query": templates.plain(query)}
            return fact | ({"otherwise": otherwise} if otherwise else {}), {"tool": "search", "args": args}
    return None


def _distractor(value: str, chunks: Sequence[Chunk]) -> str | None:
    """Another value of the same form in the same passages: what a careless reader would take."""
    if not re.search(r"\d", value):
        return None
    form = re.compile(re.sub(r"\d+", r"\\d+", re.escape(value)))
    return next((m for chunk in chunks for m in form.findall(chunk.text) if m != value), None)


def _conclude(text: str, found: _Found) -> None:
    number = len(found.subtasks) + 1
    given = list(found.facts.values())
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
    text = templates.plain(question.answer)
    missing = []
    for said, name in sorted(found.facts.items(), key=lambda item: -len(item[0])):
        text, times = re.subn(re.escape(said), f"{{{name}}}", text, count=1, flags=re.IGNORECASE)
        if not times and said not in question.support:
            missing.append(f"{{{name}}}")
    sources = [f"[{{{found.facts[said]}.source}}]" for said in found.cited]
    return " ".join([text, *missing, *dict.fromkeys(sources)])


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
    words = re.findall(r"[a-z0-9]+", text.casefold())[:5]
    return f"{number:02d}_{'_'.join(words)}"[:48].rstrip("_")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 70 else text[:69].rsplit(" ", 1)[0] + "…"
