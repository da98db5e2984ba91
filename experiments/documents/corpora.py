"""What is known, before anything runs: a folder of documents, searched and measured under several ways of cutting."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, structs

from tasks import scenario as scenarios
from tasks.scenario import Knowledge as Settings
from tasks.scenario import Scenario
from tools import chunking, documents
from tools.chunking import Strategy
from tools.documents import read_table
from tools.recall import Question, Recall, measure
from tools.retrieval import Knowledge
from traces import home, paths
from traces.errors import InputError, ScenarioError


class Corpus(Struct, frozen=True):
    """A folder of documents with how it is cut and searched, and the questions that it should answer."""

    name: str
    folder: Path
    settings: Settings
    questions: tuple[Question, ...] = ()

    def open(self, strategy: Strategy | None = None, chunk_chars: int | None = None) -> Knowledge:
        """Its search, cut as its settings say or otherwise."""
        own = self.settings
        return Knowledge.open(
            self.folder,
            chunk_chars or own.chunk_chars,
            own.overlap_chars,
            home.knowledge(),
            own.embedding,
            strategy or own.chunking,
        )


def find(name: str) -> Corpus:
    """A scenario's documents, those added under a name, or a folder of files. Raises InputError."""
    added = folder_of(name) if name.isidentifier() else None
    folder = paths.given(name)
    if name in scenarios.shipped() or paths.is_file(folder / "scenario.yaml"):
        return of_scenario(scenarios.load(name))
    for place in (added, folder):
        if place is not None and paths.is_dir(place):
            return Corpus(place.name, place, Settings(folder="."))
    there = ", ".join([*scenarios.shipped(), *corpora()])
    raise InputError(f"no documents at {name!r}: give a folder, or one of {there}")


def of_scenario(scenario: Scenario) -> Corpus:
    """A scenario's documents, with questions: its cases where their answers must cite passages, else the subtasks whose
    reference solution is a search."""
    settings = scenario.file.knowledge
    if settings is None:
        raise InputError(f"{scenario.name} has no documents: its scenario.yaml has no `knowledge`")
    return Corpus(scenario.name, scenario.folder / settings.folder, settings, _questions(scenario))


def _questions(scenario: Scenario) -> tuple[Question, ...]:
    found = []
    for case in scenario.cases:
        support = tuple(str(e.arguments["support"]) for e in case.expect if e.grader == "cites")
        if support:
            found.append(Question(case.request.strip(), support))
    return tuple(found) or tuple(_searches(scenario))


def _searches(scenario: Scenario) -> Iterator[Question]:
    for case in scenario.cases:
        for subtask in case.plan:
            facts = [f for step in subtask.steps if step.tool == "search" for f in step.facts.values()]
            if facts:
                yield Question(subtask.goal, tuple((fact.seen_as or (fact.value,))[0] for fact in facts))


def questions_in(path: Path, content: bytes | None = None) -> tuple[Question, ...]:
    """A CSV file with the columns `question` and `support` (a text that the right passage holds; several separated
    by |). Raises ScenarioError with the line."""
    found = []
    table = read_table(path, content)
    for line, row in zip(table.lines, table.rows, strict=True):
        support = tuple(part.strip() for part in row.get("support", "").split("|") if part.strip())
        if not row.get("question") or not support:
            raise ScenarioError(str(path), "needs a `question` and a `support`: a text of the right passage", line=line)
        found.append(Question(row["question"], support))
    if not found:
        raise ScenarioError(str(path), "holds no question: columns `question` and `support`, a row each")
    return tuple(found)


def asking(corpus: Corpus, questions: tuple[Question, ...]) -> Corpus:
    """The corpus with other questions."""
    return structs.replace(corpus, questions=questions)


def compare(
    corpus: Corpus, strategies: Sequence[Strategy], chunk_chars: Sequence[int], k: int
) -> list[tuple[Strategy, int, int, list[Recall]]]:
    """(strategy, length, chunks, recall by way) for each way of cutting: the questions answered anew under each."""
    rows = []
    for strategy in strategies:
        for length in chunk_chars:
            knowledge = corpus.open(strategy, length)
            rows.append((strategy, length, len(knowledge.chunks()), measure(knowledge, corpus.questions, k)))
    return rows


def corpora() -> list[str]:
    """The names under which documents were added."""
    return sorted(path.name for path in (home.home() / "documents").glob("*/"))


def folder_of(name: str) -> Path:
    """Where the documents added under a name lie. Raises InputError for what cannot be a name."""
    if not name.isidentifier():
        raise InputError(f"{name!r} cannot be a name: letters, digits and _, not beginning with a digit")
    return home.home() / "documents" / name


def add(name: str, files: Mapping[str, bytes]) -> Path:
    """Add files (name → content) to the documents kept under a name. All are read first: where one cannot be, nothing
    is added, and the error says which."""
    folder = folder_of(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = folder.with_name(f".{name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        if folder.is_dir():
            shutil.copytree(folder, scratch)
        scratch.mkdir(exist_ok=True)
        for file, content in files.items():
            place = scratch / Path(file).name
            place.write_bytes(content)
            documents.read_one(place)
        documents.read(scratch)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


STRATEGIES: tuple[Strategy, ...] = tuple(chunking.STRATEGIES)
