"""A scenario of the user's own, made from what they have, checked, and solved by the oracle before it is shown."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from experiments.documents import validating
from experiments.documents.validating import Mistake
from tasks import drafting, tables
from tasks import scenario as scenarios
from tasks.drafting import Draft, Question
from tasks.evidence import Evidence, Search
from tasks.scenario import Scenario
from tools import documents, registry
from tools.documents import LeftOut, read_table
from tools.retrieval import Knowledge
from traces import home, paths
from traces.errors import InputError, ScenarioError

LEVELS = ("easy", "medium", "hard")


class Made(Struct, frozen=True):
    """A new scenario. `mistakes` is empty where the oracle, which makes no errors, solves every case alone and as a
    team: the cases, their tools and their graders work. `evidence`: where what answers have to say was found."""

    scenario: Scenario
    runs: int
    mistakes: tuple[Mistake, ...]
    evidence: tuple[Evidence, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


Confirm = Callable[[Sequence[Evidence], Sequence[LeftOut]], bool]
"""Asked with what was found where, and the files that cannot be read; False leaves everything as it was."""


class Refused(InputError):
    """The person did not confirm what was found."""


def look(draft: Draft) -> tuple[tuple[Evidence, ...], tuple[LeftOut, ...]]:
    """Where what the answers have to say is found, and the files that cannot be read, without making anything. Raises
    InputError where the draft is wrong."""
    _check(draft)
    with tempfile.TemporaryDirectory() as scratch:
        found = tuple(_write(draft, Path(scratch, "new")))
        scenarios.load(str(Path(scratch, "new")))
    return found, _left_out(draft)


def make(draft: Draft, folder: Path, confirm: Confirm = lambda found, left_out: True) -> Made:
    """Write the scenario's folder, read it back, and let the oracle solve it. Raises InputError, and leaves nothing
    behind, where the draft is wrong; Refused where `confirm` does not agree with what was found."""
    _check(draft)
    scratch = folder.with_name(f".{folder.name}.new")
    if paths.exists(folder) and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: give a folder that does not exist yet")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        found = tuple(_write(draft, scratch))
        scenarios.load(str(scratch))
        left_out = _left_out(draft)
        if not confirm(found, left_out):
            raise Refused(
                "nothing was made: give in `must_say` or `support` longer texts, which stand in one place only"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        if paths.exists(folder):
            folder.rmdir()
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    validated = validating.validate(str(folder))
    return Made(scenarios.load(str(folder)), validated.runs, validated.mistakes, found, left_out)


def _left_out(draft: Draft) -> tuple[LeftOut, ...]:
    return documents.survey(draft.documents).left_out if draft.documents is not None else ()


def _check(draft: Draft) -> None:
    if not draft.title.strip() or not draft.goal.strip():
        raise InputError("a scenario needs a title, and a goal: what the agents are to do")
    if not draft.questions:
        raise InputError("a scenario needs at least one question with its answer")
    unknown = [tool for tool in draft.tools if tool not in registry.builtin()]
    if unknown:
        raise InputError(f"there is no tool {unknown[0]!r}; there are: {', '.join(registry.builtin())}")
    if "search" in draft.tools and draft.documents is None:
        raise InputError("the tool search needs documents: give a folder of them, or leave the tool out")
    if "query_database" in draft.tools and not draft.tables:
        raise InputError("the tool query_database needs a table: give a CSV file, or leave the tool out")


def _write(draft: Draft, folder: Path) -> list[Evidence]:
    own: list[str] = []
    if draft.tools_file is not None:
        own = [name for name in registry.load(draft.tools_file.parent) if name not in registry.builtin()]
    drafting.write_base(draft, folder, own)
    known = documents.read(folder / "documents") if draft.documents is not None else []
    search = _search(folder) if draft.documents is not None else lambda query: ()
    numbers = range(1, len(draft.questions) + 1)
    return [one for number in numbers for one in drafting.write_case(draft, number, folder, search, known)]


def _search(folder: Path) -> Search:
    settings = scenarios.Knowledge()
    knowledge = Knowledge.open(folder / settings.folder, settings.chunk_chars, settings.overlap_chars, home.knowledge())
    return lambda query: knowledge.search(query, settings.results)


def questions_in(path: Path, content: bytes | None = None) -> tuple[Question, ...]:
    """A CSV file with the columns `question` and `answer`, and, where wanted, `must_say`, `support` (several separated
    by |) and `difficulty`. Raises ScenarioError with the line."""
    found = []
    table = read_table(path, content)
    for line, row in zip(table.lines, table.rows, strict=True):
        if not {"question", "answer"} <= row.keys():
            there = ", ".join(f"`{name}`" for name in row if name)
            raise ScenarioError(str(path), f"needs the columns `question` and `answer`; it has {there}", line=1)
        if not row.get("question") or not row.get("answer"):
            raise ScenarioError(str(path), "needs a `question` and an `answer`", line=line)
        level = row.get("difficulty") or "medium"
        if level not in LEVELS:
            raise ScenarioError(
                str(path), f"{level!r} should be one of {', '.join(LEVELS)}", line=line, field="difficulty"
            )
        found.append(
            Question(
                row["question"],
                row["answer"],
                split(row.get("must_say", "")),
                split(row.get("support", "")),
                level,
                f"{path}:{line}",
            )
        )
    return tuple(found)


def split(text: str) -> tuple[str, ...]:
    """The parts of a cell that holds several."""
    return tuple(part.strip() for part in text.split("|") if part.strip())


def tables_in(paths: Sequence[Path]) -> tuple[tables.Table, ...]:
    """The tables of CSV files. Raises ScenarioError for one that is none, InputError where two have one name."""
    found: dict[str, tables.Table] = {}
    for path in paths:
        table = tables.read(path)
        if table.name in found:
            raise InputError(f"{path}: there is a table {table.name!r} already")
        found[table.name] = table
    return tuple(found.values())
