"""The built-in tools and the policy gate: what they give, and what they never do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import chunking, documents, registry, sandbox
from tools.documents import Document
from tools.policy import Ask, Decision, Gate, SimulatedApprover
from tools.retrieval import FUSION_K, Knowledge, fuse
from tools.rules import Rule
from tools.sql import ROWS, query_database
from tools.tool import ToolError, World
from traces.errors import InputError
from traces.kernel import Chunk


@pytest.fixture
def shop() -> Iterator[World]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE items (name TEXT, price REAL)")
    db.executemany("INSERT INTO items VALUES (?, ?)", [(f"item {n}", n) for n in range(80)])
    yield World(db)
    db.close()


# --- SQL -----------------------------------------------------------------------------------------------------------


def test_rows_come_back_a_line_each(shop: World) -> None:
    assert query_database(shop, "SELECT name, price FROM items LIMIT 1") == "1 row\nname=item 0 | price=0.0"
    assert query_database(shop, "SELECT NULL AS gone WHERE 1 = 0") == "0 rows"
    many = query_database(shop, "SELECT * FROM items")
    assert many.startswith(f"{ROWS} rows (only the first {ROWS} are shown)")
    assert len(many.splitlines()) == 1 + ROWS


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM items",
        "INSERT INTO items VALUES ('x', 1)",
        "UPDATE items SET price = 0",
        "DROP TABLE items",
        "CREATE TABLE x (y)",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "ATTACH DATABASE '/tmp/other.db' AS other",
        "SELECT 1; DELETE FROM items",
        "BEGIN; DELETE FROM items",
        "WITH x AS (SELECT 1) DELETE FROM items",
        "VACUUM INTO '/tmp/copy.db'",
        "SELECT load_extension('evil')",
    ],
)
def test_nothing_but_reading_is_possible(shop: World, sql: str) -> None:
    before = shop.db.execute("SELECT * FROM items").fetchall()
    with pytest.raises(ToolError):
        query_database(shop, sql)
    assert shop.db.execute("SELECT * FROM items").fetchall() == before
    shop.db.execute("INSERT INTO items VALUES ('after', 1)")


def test_a_runaway_query_is_stopped(shop: World) -> None:
    with pytest.raises(ToolError, match="takes too long"):
        query_database(shop, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c")


def test_a_mistake_is_answered_with_the_tables(shop: World) -> None:
    with pytest.raises(ToolError, match=r"no such column: cost.*Tables: items\(name, price\)"):
        query_database(shop, "SELECT cost FROM items")


# --- the sandbox ---------------------------------------------------------------------------------------------------


def test_python_gives_back_what_it_prints() -> None:
    assert sandbox.run("print('total=%.2f' % (3 * 4.5))") == "total=13.50"
    assert sandbox.run("x = [1, 2]\nsum(x)") == "3"
    assert sandbox.run("x = 1") == "(nothing was printed)"
    assert sandbox.run("import random\nprint(random.random())") == sandbox.run("import random\nprint(random.random()) ")


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "import os\nprint(os.environ)",
        "import os\nos.system('true')",
        "import socket",
        "import subprocess",
        "__import__('os').listdir('/')",
        "().__class__.__bases__[0].__subclasses__()",
        "1 / 0",
        "def broken(:",
        "while True: pass",
        "x = [0] * 10**9",
    ],
)
def test_the_sandbox_holds_and_says_what_is_wrong(code: str) -> None:
    with pytest.raises(ToolError) as caught:
        sandbox.run(code)
    assert str(caught.value)
    assert "root:" not in str(caught.value)


# --- the policy gate -----------------------------------------------------------------------------------------------

SMALL = {"tool": "pay", "decision": "allow", "when": {"amount": {"max": 10}}}


def _decide(
    rules: list[dict[str, object]], approver: list[dict[str, object]], amount: object, tainted: bool
) -> Decision:
    gate = Gate([Rule.model_validate(r) for r in rules], SimulatedApprover([Rule.model_validate(r) for r in approver]))
    return asyncio.run(gate.decide(Ask("ann", "pay", {"amount": amount}, ("a mail",) if tainted else ())))


@pytest.mark.parametrize(
    ("rules", "approver", "amount", "tainted", "approved", "by"),
    [
        ([SMALL], [], 10, False, True, "policy:rule 1"),
        ([SMALL], [], 10.01, False, False, "simulated:default"),
        ([SMALL], [], 5, True, False, "simulated:default"),
        ([{**SMALL, "untrusted": True}], [], 5, True, True, "policy:rule 1"),
        ([SMALL], [{"tool": "pay", "decision": "allow"}], 500, True, True, "simulated:rule 1"),
        (
            [SMALL],
            [{"tool": "pay", "decision": "allow", "when": {"amount": {"max": 100}}}],
            500,
            False,
            False,
            "simulated:default",
        ),
        (
            [{"tool": "pay", "decision": "deny"}, SMALL],
            [{"tool": "pay", "decision": "allow"}],
            5,
            False,
            False,
            "policy:rule 1",
        ),
        (
            [{"tool": "pay", "decision": "ask"}],
            [{"tool": "pay", "decision": "deny"}],
            5,
            False,
            False,
            "simulated:rule 1",
        ),
        ([{"tool": "other", "decision": "allow"}], [], 5, False, False, "simulated:default"),
        ([SMALL], [], "5", False, False, "simulated:default"),
    ],
)
def test_the_first_rule_that_fits_decides(
    rules: list[dict[str, object]],
    approver: list[dict[str, object]],
    amount: object,
    tainted: bool,
    approved: bool,
    by: str,
) -> None:
    found = _decide(rules, approver, amount, tainted)
    assert (found.approved, found.approver) == (approved, by)


# --- documents and retrieval ---------------------------------------------------------------------------------------


@given(st.lists(st.text("abc .\n#", min_size=1, max_size=300), max_size=12), st.integers(100, 600))
def test_chunks_hold_the_whole_text_in_order(paragraphs: list[str], size: int) -> None:
    document = Document("doc", "Doc", "\n\n".join(paragraphs).strip())
    chunks = chunking.chunk(document, size, 0)
    assert [c.id for c in chunks] == [f"doc#{n}" for n in range(1, len(chunks) + 1)]
    assert "".join("".join(c.text.split()) for c in chunks) == "".join(document.text.split())
    assert all(c.text for c in chunks)


def test_front_matter_gives_title_and_date(tmp_path: Path) -> None:
    (tmp_path / "policy.md").write_text("---\ntitle: Refunds\ndate: 2026-01-01\n---\n# Heading\n\nText.\n")
    (tmp_path / "plain.txt").write_text("No heading here.")
    assert [(d.source, d.title) for d in documents.read(tmp_path)] == [
        ("plain", "plain"),
        ("policy", "Refunds (2026-01-01)"),
    ]


@given(st.lists(st.permutations("abcde"), min_size=1, max_size=3))
def test_fusion_is_the_sum_of_reciprocal_ranks(rankings: list[list[str]]) -> None:
    fused = fuse(*rankings)
    for name, score in fused:
        assert score == pytest.approx(sum(1 / (FUSION_K + ranking.index(name) + 1) for ranking in rankings))
    assert fused == sorted(fused, key=lambda item: (-item[1], item[0]))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    folder = tmp_path_factory.mktemp("documents")
    texts = {
        "refunds-2026": "Refunds are given within 30 days of the invoice date.",
        "refunds-2024": "Superseded: refunds were given within 60 days of the invoice date.",
        "bees": "A colony of bees keeps its hive at 35 degrees in summer and winter.",
        "trains": "The night train to Narvik leaves Stockholm at 18:08 and has a dining car.",
        "glass": "Float glass is made on a bath of molten tin under nitrogen.",
    }
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text)
    return Knowledge.open(folder, 900, 0, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    ("query", "source"),
    [("how warm is a beehive", "bees"), ("train to Narvik departure", "trains"), ("molten tin", "glass")],
)
def test_the_right_passage_comes_first(corpus: Knowledge, query: str, source: str) -> None:
    found = corpus.search(query, 3)
    assert found[0].source == source
    assert found == corpus.search(query, 3)
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)


def test_stale_and_current_passages_are_both_found_with_their_ranks(corpus: Knowledge) -> None:
    found = corpus.search("refunds within how many days of the invoice date", 2)
    assert {c.source for c in found} == {"refunds-2026", "refunds-2024"}
    assert all(c.vector_rank and c.text_rank for c in found)
    chunk = corpus.chunk("refunds-2026#1")
    assert isinstance(chunk, Chunk)
    assert "30 days" in chunk.text
    assert corpus.chunk("refunds-2026#7") is None


@settings(max_examples=40, deadline=None)
@given(st.one_of(st.text(max_size=60), st.sampled_from(['"', "AND OR NOT", "a:b", "(", "x" * 10_000, "*", "\\", "!?"])))
def test_any_query_is_safe(corpus: Knowledge, query: str) -> None:
    assert len(corpus.search(query, 3)) <= 3


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no documents"):
        Knowledge.open(tmp_path, 900, 0, tmp_path / "cache")


def test_the_index_is_made_once_for_one_content(tmp_path: Path) -> None:
    folder, cache = tmp_path / "documents", tmp_path / "cache"
    folder.mkdir()
    (folder / "a.md").write_text("Tea is 4 EUR.")
    Knowledge.open(folder, 900, 0, cache)
    before = {p: p.stat().st_mtime_ns for p in cache.rglob("*.lance/**/*")}
    assert before
    Knowledge.open(folder, 900, 0, cache)
    assert {p: p.stat().st_mtime_ns for p in cache.rglob("*.lance/**/*")} == before
    (folder / "a.md").write_text("Tea is 5 EUR.")
    assert "5 EUR" in Knowledge.open(folder, 900, 0, cache).search("tea", 1)[0].text
    assert len(list(cache.iterdir())) == 2


def test_scenarios_tools_stand_beside_the_built_in_ones() -> None:
    from tasks import scenario

    tools = registry.load(scenario.find("billing_support"))
    assert {"search", "query_database", "run_python", "create_credit_note", "escalate"} <= tools.keys()
    parameters = tools["create_credit_note"].parameters
    assert parameters["required"] == ["invoice_id", "amount", "reason"]
    assert tools["create_credit_note"].effect == "outside"
