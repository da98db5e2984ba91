"""A scenario of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import options
from traces import paths
from traces.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.drafting import Question
    from tasks.evidence import Evidence
    from tools.documents import LeftOut

cli = typer.Typer()


@cli.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The scenario's folder, to be made.")],
    questions: Annotated[
        Path | None, typer.Option(help="CSV: question, answer; also must_say, support, difficulty.")
    ] = None,
    documents: Annotated[
        Path | None, typer.Option(help="A folder of documents (PDF, DOCX, HTML, Markdown, ...).")
    ] = None,
    table: Annotated[list[Path] | None, typer.Option(help="A CSV file that becomes a table; may be repeated.")] = None,
    tools: Annotated[str | None, typer.Option(help="Built-in tools, by commas (default: those that fit).")] = None,
    tools_file: Annotated[Path | None, typer.Option(help="A tools.py of your own.")] = None,
    title: Annotated[str | None, typer.Option(help="What the job is called.")] = None,
    goal: Annotated[str | None, typer.Option(help="What the agents are to do.")] = None,
    tokens: Annotated[int, typer.Option(help="The budget of a run.")] = 60_000,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether the places found are right.")] = False,
) -> None:
    """Make a scenario from documents, tables and questions. With answers; what is not given is asked for."""
    from experiments.documents import newjob
    from tasks.drafting import Draft

    asked = _Asked(interactive=sys.stdin.isatty())
    title = title or asked.text("What is the job called?", "--title")
    goal = goal or asked.text("What are the agents to do?", "--goal", "Answer the question from what is known.")
    for place, option in ((documents, "--documents"), (questions, "--questions"), (tools_file, "--tools-file")):
        if place is not None and not paths.exists(place):
            raise InputError(f"{option}: there is no {place}")
    found = newjob.questions_in(questions) if questions else asked.questions()
    tables = newjob.tables_in(table or [])
    fitting = [n for n, fits in (("search", documents), ("query_database", tables), ("run_python", True)) if fits]
    made = newjob.make(
        Draft(
            title=title,
            goal=goal,
            questions=found,
            documents=documents,
            tables=tables,
            tools=options.words(tools) if tools else tuple(fitting),
            tools_file=tools_file,
            tokens=tokens,
        ),
        folder,
        lambda found, left_out: _confirmed(found, left_out, ask=asked.interactive and not yes),
    )
    for mistake in made.mistakes:
        print(mistake)
    cases = len(made.scenario.cases)
    wrong = len({mistake.file for mistake in made.mistakes})
    print(f"{folder}: {cases} cases; the oracle solves {cases - wrong} of {cases}, alone and as a team.")
    print(f"Next: headcount compare {folder}")
    if made.mistakes:
        raise SystemExit(1)


def _confirmed(found: Sequence[Evidence], left_out: Sequence[LeftOut], *, ask: bool) -> bool:
    """Show where each text was found and what could not be read; without a terminal nobody is asked."""
    for one in left_out:
        print(f"left out: {one}", file=sys.stderr)
    question = None
    for text in found:
        if text.question != question:
            question = text.question
            print(question)
        for line in text.lines():
            print(f"  {line}")
    return not ask or typer.confirm("Are these the right places?", default=True)


class _Asked:
    """Asks on a terminal; elsewhere says which option is missing."""

    def __init__(self, *, interactive: bool) -> None:
        self.interactive = interactive

    def text(self, question: str, option: str, default: str | None = None) -> str:
        if not self.interactive:
            raise InputError(f"{option} is missing: {question}")
        return str(typer.prompt(question, default=default))

    def questions(self) -> tuple[Question, ...]:
        from experiments.documents.newjob import split
        from tasks.drafting import Question

        if not self.interactive:
            raise InputError("--questions is missing: a CSV file with the columns question and answer")
        found: list[Question] = []
        while text := typer.prompt("A question (Enter when there are no more)", default="", show_default=False):
            answer = typer.prompt("Its answer")
            said = typer.prompt("Words that a right answer must say, separated by |", default=answer)
            found.append(Question(text, answer, split(said)))
        return tuple(found)
