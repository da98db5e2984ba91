"""A scenario made from documents, tables and questions; and how well documents are found."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import commands.cli
from experiments.documents import corpora, newjob
from experiments.terminal.corpora_report import recall_rows
from tasks import scenario as scenarios
from tasks import tables
from tasks.drafting import Draft, Question
from tasks.tables import Table
from tools import registry
from traces.errors import InputError, ScenarioError

RETURNS = "# Returns\nTea can be returned unopened within 14 days. Ceramics can be returned within 30 days.\n"
HOURS = "# Hours\nThe shop is open from 9:00 to 18:00 on weekdays.\n"
TEAS = "name,price,origin\nSencha,7.50,Japan\nAssam,5.20,India\n"
QUESTIONS = """question,answer,must_say,difficulty
Until when can I return unopened {tea}?,Unopened tea can be returned within 14 days.,14 days,easy
What does Sencha cost and where is it from?,Sencha costs 7.50 EUR and comes from Japan.,7.50|Japan,medium
"What do two Assam cost, and when do you open?",Two packets cost 10.40; we open at 9:00.,10.40|9:00|5.20,hard
"""


@pytest.fixture
def given_files(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "returns.md").write_text(RETURNS)
    (tmp_path / "docs" / "hours.md").write_text(HOURS)
    (tmp_path / "teas.csv").write_text(TEAS)
    (tmp_path / "questions.csv").write_text(QUESTIONS)
    return tmp_path


def new(files: Path, *more: str) -> None:
    words = ["new", str(files / "tea"), "--title", "Tea", "--goal", "Answer.", "--documents", str(files / "docs")]
    commands.cli.cli([*words, "--questions", str(files / "questions.csv"), *more], standalone_mode=False)


def test_what_a_user_has_becomes_cases_that_the_oracle_solves(
    given_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new(given_files, "--table", str(given_files / "teas.csv"))
    assert "3 cases; the oracle solves 3 of 3, alone and as a team" in capsys.readouterr().out
    made = scenarios.load(str(given_files / "tea"))
    tools = [[step.tool for task in case.plan for step in task.steps] for case in made.cases]
    assert tools == [["search"], ["query_database", "query_database"], ["search", "query_database", None]]
    assert made.cases[0].plan[0].steps[0].facts["fact_1"].otherwise == "30 days"
    assert made.cases[2].features == ("parallel",)


def test_a_cell_that_says_more_is_looked_up_for_what_the_answer_says(given_files: Path) -> None:
    (given_files / "teas.csv").write_text('name,price\nSencha,"from 7,50 EUR"\nAssam,5.20 EUR\n7.50 blend,9\n')
    (given_files / "questions.csv").write_text("question,answer,must_say\nPrice of Sencha?,It is 7.50 EUR.,7.50 EUR\n")
    new(given_files, "--table", str(given_files / "teas.csv"))
    (case,) = scenarios.load(str(given_files / "tea")).cases
    assert [(step.tool, step.facts["fact_1"].value) for step in case.plan[0].steps] == [("query_database", "7,50 EUR")]


def test_a_japanese_and_a_thai_job_are_made_of_old_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for code, wide, document, table, questions in (
        (
            "cp932",
            "cp932",
            "未開封の商品は１４日以内に返品できます。2026年に６件の返品がありました。",
            "名前,価格,産地\n煎茶,750,静岡\n急須,２０００,常滑\n",
            "いつまで返品できますか,14日以内です,14日以内\n煎茶の産地と価格は,静岡産で750円です,静岡|７５０\n返品は何件ですか,6件,6件\n",
        ),
        (
            "cp874",
            "utf-16",
            "สินค้าที่ยังไม่แกะคืนได้ภายใน ๑๔ วัน",
            "ชื่อ;ราคา\nเซนฉะ;๗๕\nกาน้ำชา;๒๐๐\n",
            "คืนสินค้าได้ภายในกี่วัน,ภายใน 14 วัน,14 วัน\nเซนฉะราคาเท่าไร,75 บาท,75\n",
        ),
    ):
        files = tmp_path / code
        (files / "docs").mkdir(parents=True)
        (files / "docs" / "a.txt").write_bytes(document.encode(code))
        (files / "teas.csv").write_bytes(table.encode(wide))
        (files / "questions.csv").write_bytes(f"question,answer,must_say\n{questions}".encode(wide))
        new(files, "--table", str(files / "teas.csv"))
        count = questions.count("\n")
        assert f"the oracle solves {count} of {count}" in capsys.readouterr().out


def test_each_place_is_shown_and_a_no_leaves_nothing_behind(
    given_files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (given_files / "docs" / "years.md").write_text("# Years\nIn 2026 there were 6 complaints, about tea.\n")
    (given_files / "docs" / "notes.xyz").write_text("?")
    (given_files / "questions.csv").write_text("question,answer\nHow many complaints?,6\nWhat is Assam's price?,5.20\n")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer in (False, True):
        asked: list[str] = []
        monkeypatch.setattr("typer.confirm", lambda text, default, a=answer, b=asked: b.append(text) or a)
        with nullcontext() if answer else pytest.raises(InputError, match="nothing was made"):
            new(given_files, "--table", str(given_files / "teas.csv"))
        assert asked == ["Are these the right places?"]
        out, err = capsys.readouterr()
        assert "'6' in years.md, line 2: In 2026 there were 6 complaints, about tea." in out
        assert "'5.20' in teas.csv, line 3, column price: name: Assam; price: 5.20; origin: India" in out
        assert "left out: notes.xyz: " in err
        assert (given_files / "tea").exists() == answer


def test_yes_asks_nobody(given_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: pytest.fail("asked"))
    new(given_files, "--table", str(given_files / "teas.csv"), "--yes")


def test_a_mistake_leaves_nothing_behind(given_files: Path) -> None:
    with pytest.raises(InputError, match=r"questions\.csv:3: '7\.50' stands in no document or table"):
        new(given_files)
    assert sorted(path.name for path in given_files.iterdir()) == ["docs", "questions.csv", "teas.csv"]


def test_what_is_there_is_not_written_over(given_files: Path) -> None:
    (given_files / "tea").mkdir()
    (given_files / "tea" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        new(given_files, "--table", str(given_files / "teas.csv"))
    assert (given_files / "tea" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "frage,antwort\nWhy?,No.\n",
            r"q\.csv:1: needs the columns `question` and `answer`; it has `frage`, `antwort`",
        ),
        ("question,answer\nWhy?,\n", r"q\.csv:2: needs a `question` and an `answer`"),
        ("question,answer,difficulty\nWhy?,So.,tricky\n", r"q\.csv:2: difficulty: 'tricky' should be one of easy"),
    ],
)
def test_a_wrong_row_is_told_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "q.csv").write_text(text)
    with pytest.raises(ScenarioError, match=why):
        newjob.questions_in(tmp_path / "q.csv")


def test_a_tool_without_what_it_works_on_is_refused(tmp_path: Path) -> None:
    draft = Draft("T", "G", (Question("Q", "A"),), tools=("query_database",))
    with pytest.raises(InputError, match="query_database needs a table"):
        newjob.make(draft, tmp_path / "new")


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n\ufeff"), max_size=12).map(str.strip)


@given(rows=st.lists(st.fixed_dictionaries({"a": CELL, 'b"; --': CELL}), min_size=1, max_size=5))
def test_a_table_comes_back_from_sql_as_it_was(
    rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    kinds = {column: tables._kind([row[column] for row in rows]) for column in rows[0]}
    folder = tmp_path_factory.mktemp("sql")
    (folder / "world.sql").write_text(Table("t", kinds, tuple(rows)).sql(), encoding="utf-8")
    with closing(registry.world(folder, "world.sql")) as world:
        found = world.db.execute("SELECT * FROM t").fetchall()
    back = [["" if cell is None else str(cell) for cell in row] for row in found]
    assert back == [[row[column] for column in kinds] for row in rows]


# --- documents by themselves ---------------------------------------------------------------------------------------


def test_recall_counts_what_the_first_passages_hold(given_files: Path) -> None:
    (given_files / "asked.csv").write_text("question,support\nreturn ceramics,30 days\nopening hours,9:00|midnight\n")
    corpus = corpora.find(str(given_files / "docs"))
    asked = corpora.questions_in(given_files / "asked.csv")
    rows = recall_rows(corpora.asking(corpus, asked), corpora.STRATEGIES, [900], k=2)
    for row in rows:
        assert row["fused recall"] == 0.75
        assert row["fused MRR"] == 1.0
        assert row["cut"] == 1


@pytest.mark.parametrize("name", ["billing_support", "market_brief"])
def test_a_shipped_scenario_has_questions_that_some_passage_answers(name: str) -> None:
    corpus = corpora.find(name)
    (row,) = recall_rows(corpus, ["paragraphs"], [900], k=8)
    assert row["cut"] == 0
    assert float(row["fused recall"]) > 0.9


def test_documents_are_added_whole_or_not_at_all() -> None:
    corpora.add("mine", {"a.md": RETURNS.encode(), "b.txt": b"One more."})
    with pytest.raises(ScenarioError, match=r"torn\.pdf"):
        corpora.add("mine", {"c.md": b"Good.", "torn.pdf": b"%PDF torn"})
    assert corpora.corpora() == ["mine"]
    assert {c.source for c in corpora.find("mine").open().chunks()} == {"a", "b"}


@pytest.mark.parametrize("name", ["../up", "a b", ""])
def test_a_name_cannot_lead_elsewhere(name: str) -> None:
    with pytest.raises(InputError):
        corpora.add(name, {"a.md": b"Text."})
