"""Own job: a scenario from your documents, tables and a few questions with answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from experiments.documents import newjob
from experiments.documents.newjob import LEVELS, Made
from tasks.drafting import Draft, Question
from tasks.evidence import Evidence
from tools import documents, registry
from tools.documents import LeftOut
from traces import home, paths
from traces.errors import HeadcountError, InputError
from ui import shared

COLUMNS = ["question", "answer", "must say", "support", "difficulty"]


class _Given(NamedTuple):
    """What the form holds."""

    title: str
    goal: str
    files: list[Any]
    tables: list[Any]
    questions: tuple[Question, ...] | pd.DataFrame
    tools: list[str]


class _Looked(NamedTuple):
    """Where the texts of the answers were found, for the form as it was then."""

    given: str
    found: Sequence[Evidence]
    left_out: Sequence[LeftOut]


def page() -> None:
    st.title("Your own job")
    st.write(
        "From documents, tables and a few questions with their answers, Headcount makes a scenario: a folder of files "
        "that you can read, change and keep in version control. Before you see it, an agent that makes no errors has "
        "to solve every question from what you gave."
    )
    made = st.session_state.get("made")
    if made is not None:
        _done(made)
        return
    title, goal = _job()
    files, tables = _material()
    given = _Given(title, goal, files, tables, _questions(), _tools(bool(files), bool(tables)))
    st.header("5 · Where to keep it", anchor=False)
    folder = st.text_input(
        "Where to keep it",
        str(_free(home.home() / "scenarios")),
        key="folder",
        help="A folder that does not exist yet.",
    )
    st.header("6 · Where the answers were found", anchor=False)
    if st.button("Look the answers up", type="primary"):
        _look(given)
    looked = st.session_state.get("looked")
    if looked is not None and looked.given == _marked(given):
        _confirm(looked, given, paths.given(folder))


def _free(folder: Path) -> Path:
    """A name there that is not taken."""
    return next(place for n in count(1) if not (place := folder / (f"my_job_{n}" if n > 1 else "my_job")).exists())


def _job() -> tuple[str, str]:
    st.header("1 · The job", anchor=False)
    title = st.text_input("What is it called?", key="title", placeholder="Questions about our handbook")
    goal = st.text_area(
        "What are the agents to do?",
        "Answer the question from the documents, with the passage that says so.",
        key="goal",
    )
    return title, goal


def _material() -> tuple[list[Any], list[Any]]:
    st.header("2 · What is known", anchor=False)
    left, right = st.columns(2)
    forms = [form.lstrip(".") for form in documents.FORMS]
    files = left.file_uploader("Documents", accept_multiple_files=True, type=forms, key="documents")
    tables = right.file_uploader(
        "Tables (CSV)", accept_multiple_files=True, type="csv", key="tables", help="Each becomes a table to query."
    )
    return files, tables


def _questions() -> tuple[Question, ...] | pd.DataFrame:
    """Those of a file, else those that were typed in."""
    st.header("3 · Questions and right answers", anchor=False)
    st.caption(
        "“must say”: the words that a right answer has to hold, several separated by |; without them, the answer "
        "itself. They are looked up in what you gave. “support”: for an answer that is worked out (a sum, a yes), the "
        "words in a document or table that it rests on. Ten or more questions make a comparison worth something."
    )
    file = st.file_uploader("From a CSV file: question, answer, must_say, support, difficulty", type="csv", key="asked")
    if file is not None:
        try:
            found = newjob.questions_in(Path(file.name), file.getvalue())
        except InputError as error:
            st.error(shared.sentence(error))
            return ()
        st.caption(f"{len(found)} questions read.")
        return found
    empty = pd.DataFrame([dict.fromkeys(COLUMNS, "") | {"difficulty": "medium"} for _ in range(3)])
    config = {
        "question": st.column_config.TextColumn(width="large"),
        "answer": st.column_config.TextColumn(width="large"),
        "difficulty": st.column_config.SelectboxColumn(options=list(LEVELS)),
    }
    return st.data_editor(
        empty, num_rows="dynamic", hide_index=True, column_config=config, key="questions", width="stretch"
    )


def _tools(searchable: bool, queryable: bool) -> list[str]:
    st.header("4 · Tools", anchor=False)
    fits = {"search": searchable, "query_database": queryable, "run_python": True}
    return st.multiselect(
        "What agents may use",
        list(registry.builtin()),
        default=[name for name, fit in fits.items() if fit],
        key=f"tools_{searchable}_{queryable}",
        help="Tools of your own go into tools.py in the folder afterwards: docs/scenarios.md.",
    )


def _marked(given: _Given) -> str:
    """What tells whether the form holds something else now."""
    files = [(file.name, file.file_id) for file in (*given.files, *given.tables)]
    asked = given.questions if isinstance(given.questions, tuple) else given.questions.to_csv()
    return repr((given.title, given.goal, files, asked, given.tools))


def _look(given: _Given) -> None:
    st.session_state.pop("looked", None)
    with tempfile.TemporaryDirectory() as scratch, st.spinner("Looking the answers up"):
        try:
            st.session_state["looked"] = _Looked(_marked(given), *newjob.look(_draft(given, Path(scratch))))
        except (HeadcountError, OSError) as error:
            _refuse(error, scratch)


def _confirm(looked: _Looked, given: _Given, to: Path) -> None:
    """Show the places, and make the scenario where a person says that they are right."""
    for one in looked.left_out:
        st.warning(f"Left out: {shared.plain(str(one))}")
    rows = [
        {"question": one.question, "text": one.text, "first": number == 0, "place": place}
        for one in looked.found
        for number, place in enumerate(_places(one))
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        column_config={
            "text": st.column_config.TextColumn("must say"),
            "first": st.column_config.CheckboxColumn("used", help="The reference solution looks it up here."),
            "place": st.column_config.TextColumn("found in", width="large"),
        },
    )
    st.caption("A place that is wrong: give a longer text in “must say” or “support”, which stands in one place only.")
    if st.button("These places are right: make the scenario", type="primary"):
        _make(given, to)


def _places(one: Evidence) -> list[str]:
    if one.places:
        return [str(place) for place in one.places]
    return [f"no document or table: concluded from {', '.join(one.given)}"]


def _make(given: _Given, to: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch, st.spinner("Writing, checking, and having the oracle solve it"):
        try:
            st.session_state["made"] = newjob.make(_draft(given, Path(scratch)), to)
        except (HeadcountError, OSError) as error:
            _refuse(error, scratch)
            return
    st.rerun()


def _refuse(error: Exception, scratch: str) -> None:
    told = str(error).replace(f"{scratch}/documents/", "").replace(f"{scratch}/", "")
    st.error(shared.sentence(told))


def _draft(given: _Given, scratch: Path) -> Draft:
    tables = _saved(given.tables, scratch / "tables")
    return Draft(
        given.title,
        given.goal,
        given.questions if isinstance(given.questions, tuple) else tuple(_typed(given.questions)),
        _saved(given.files, scratch / "documents"),
        newjob.tables_in(sorted(tables.glob("*.csv")) if tables else []),
        tuple(given.tools),
    )


def _typed(rows: pd.DataFrame) -> Iterator[Question]:
    for number, row in enumerate(rows.fillna("").to_dict("records"), 1):
        text, answer = str(row["question"]).strip(), str(row["answer"]).strip()
        if text and not answer:
            raise InputError(f"question {number} has no answer")
        if text:
            said, level = newjob.split(str(row["must say"])), str(row["difficulty"]) or "medium"
            rests = newjob.split(str(row["support"]))
            yield Question(text, answer, said, rests, difficulty=level, place=f"question {number}")


def _saved(files: Sequence[Any], folder: Path) -> Path | None:
    folder.mkdir(exist_ok=True)
    for file in files:
        (folder / Path(file.name).name).write_bytes(file.getvalue())
    return folder if files else None


def _done(made: Made) -> None:
    scenario = made.scenario
    st.success(f"{len(scenario.cases)} cases, in {shared.plain(str(scenario.folder))}")
    if made.mistakes:
        st.warning("The oracle, which makes no errors, did not solve all of them. Look at these places:")
        for mistake in made.mistakes:
            st.text(str(mistake).removeprefix(f"{scenario.folder}/"))
    else:
        st.write(
            "The oracle, which makes no errors, solves every case alone and as a team: the questions can be answered."
        )
    for case in scenario.cases[:20]:
        with st.expander(shared.plain(f"{case.title} ({case.difficulty})")):
            st.code((scenario.folder / "cases" / f"{case.id}.yaml").read_text(encoding="utf-8"), language="yaml")
    if len(scenario.cases) > 20:
        st.caption(f"20 of {len(scenario.cases)} cases shown.")
    with st.container(horizontal=True, vertical_alignment="center"):
        shared.link("launch", "Compare teams on it", scenario=str(scenario.folder))
        if st.button("Make another"):
            del st.session_state["made"]
            st.rerun()
    st.code(f"headcount compare {scenario.folder}", language="bash")
    st.caption(f"Results go to {shared.plain(str(home.home()))}.")
