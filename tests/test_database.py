"""Queries of models on a trial's database: they see everything, change nothing, and end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.database import pairs
from tools import guard, registry
from tools.making import Maker
from tools.sql import query_database
from tools.tool import Effect, ToolError, World, tool
from traces import clock


@pytest.fixture
def shop() -> Iterator[World]:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute("CREATE TABLE items (name TEXT, price REAL)")
    db.executemany("INSERT INTO items VALUES (?, ?)", [(f"item {n}", n) for n in range(80)])
    world = World(db)
    yield world
    world.close()


def counted(world: World) -> str:
    return query_database(world, "SELECT count(*) AS n FROM items")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM items RETURNING name",
        "WITH gone AS (SELECT 1) DELETE FROM items RETURNING *",
        "REPLACE INTO items VALUES ('x', 1)",
        "/* read */ UPDATE items SET price = 0",
        "-- read\nINSERT INTO items SELECT * FROM items",
        "CREATE TEMP TABLE x AS SELECT * FROM items",
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE items RENAME TO gone",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "VACUUM",
        "ANALYZE",
        "SAVEPOINT a",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA temp_store_directory = '/tmp'",
        "SELECT 1; SELECT 2",
        "SELECT fts3_tokenizer('simple')",
        "SELECT load_extension('x')",
        "SELECT random()",
        "SELECT hex(randomblob(8))",
        "SELECT sqlite_source_id()",
        "SELECT * FROM sqlite_stmt",
        "SELECT 1\0",
        "SELECT '\ud800'",
    ],
)
def test_what_is_not_reading_is_refused(shop: World, sql: str) -> None:
    before = shop.db.serialize()
    with pytest.raises(ToolError):
        query_database(shop, sql)
    assert shop.db.serialize() == before
    assert counted(shop) == "1 row\nn=80"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT printf('%.400000f', 1) || printf('%.400000f', 1)",
        "SELECT zeroblob(1000000000)",
        "SELECT hex(zeroblob(400000))",
        "SELECT replace(hex(zeroblob(100000)), '0', 'aaaaaaaaaa')",
        "SELECT group_concat(a.name || b.name || c.name, '') FROM items a, items b, items c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x || x FROM c) SELECT * FROM c",
        f"SELECT {'(' * 500}1{')' * 500}",
        " UNION ALL ".join(["SELECT 1"] * 100),
        "SELECT '" + "a" * 200_000 + "'",
    ],
)
def test_what_is_too_large_is_refused(shop: World, sql: str) -> None:
    before = guard.resident()
    with pytest.raises(ToolError) as refused:
        query_database(shop, sql)
    assert len(str(refused.value)) < 5000
    assert guard.resident() - before < 100 << 20


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT * FROM c WHERE x < 0",
        "SELECT count(*) FROM items a, items b, items c, items d, items e, items f",
        "WITH RECURSIVE c(x) AS (SELECT hex(zeroblob(100000)) UNION ALL SELECT x || '' FROM c)"
        " SELECT x FROM c ORDER BY x",
        "WITH RECURSIVE c(x) AS (SELECT hex(zeroblob(100000)) UNION ALL SELECT x FROM c)"
        " SELECT json_group_array(x) FROM c",
    ],
)
def test_what_takes_too_long_or_too_much_is_stopped(shop: World, sql: str) -> None:
    before = guard.resident()
    with pytest.raises(ToolError, match="takes too"):
        query_database(shop, sql)
    assert guard.resident() - before < 150 << 20


def test_time_is_bounded_even_where_steps_are_few(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "STEPS", 10**15)
    monkeypatch.setattr(guard, "SECONDS", 0.2)
    with pytest.raises(ToolError, match="takes too long"):
        query_database(shop, "SELECT count(*) FROM items a, items b, items c, items d, items e, items f")


def test_results_are_cut_while_they_are_fetched(shop: World) -> None:
    found = query_database(shop, "SELECT hex(zeroblob(200000)) AS a, zeroblob(300000) AS b, 1 AS c FROM items")
    assert len(found) < 20_000
    assert "(cut)" in found
    wide = query_database(shop, f"SELECT {', '.join(f'hex(zeroblob(20000)) AS c{n}' for n in range(500))}")
    assert len(wide) < 20_000


def test_a_query_sees_what_was_written_in_an_open_transaction_and_no_more_once_it_is_rolled_back(
    tmp_path: Path,
) -> None:
    (tmp_path / "world.sql").write_text("CREATE TABLE items (name TEXT);")
    world = registry.world(tmp_path, "world.sql")
    world.db.execute("BEGIN")
    world.db.executemany("INSERT INTO items VALUES (?)", [("x" * 500,)] * 200)
    world.db.execute("CREATE TABLE other (a)")
    assert counted(world) == "1 row\nn=200"
    assert query_database(world, "SELECT * FROM other") == "0 rows"
    world.db.execute("ROLLBACK")
    assert counted(world) == "1 row\nn=0"
    with pytest.raises(ToolError, match="no such table"):
        query_database(world, "SELECT * FROM other")
    world.close()


def test_every_change_is_seen(shop: World) -> None:
    assert counted(shop) == counted(shop) == "1 row\nn=80"
    shop.db.execute("DELETE FROM items WHERE price < 40")
    assert counted(shop) == "1 row\nn=40"
    shop.db.execute("UPDATE items SET name = 'new'")
    assert "new" in query_database(shop, "SELECT DISTINCT name FROM items")
    shop.db.execute("ALTER TABLE items ADD COLUMN more TEXT")
    assert "more=NULL" in query_database(shop, "SELECT * FROM items LIMIT 1")
    shop.db.execute("DROP TABLE items")
    with pytest.raises(ToolError, match="Tables: none"):
        counted(shop)


def test_ordinary_functions_and_full_text_tables_work(shop: World) -> None:
    assert "n=3" in query_database(shop, "SELECT sum(value) AS n FROM json_each('[1, 2]')")
    assert "d=2026-02-01" in query_database(shop, "SELECT date('2026-01-31', '+1 day') AS d")
    shop.db.execute("CREATE VIRTUAL TABLE notes USING fts5(text)")
    shop.db.execute("INSERT INTO notes VALUES ('green tea')")
    assert "text=green tea" in query_database(shop, "SELECT text FROM notes WHERE notes MATCH 'tea' ORDER BY rank")


def test_an_empty_database_can_be_asked() -> None:
    world = World(sqlite3.connect(":memory:", isolation_level=None))
    assert query_database(world, "SELECT 1 AS one") == "1 row\none=1"
    world.close()


def test_a_tool_that_only_reads_cannot_write(shop: World) -> None:
    @tool(effect=Effect.READ)
    def sly(world: World, sql: str) -> str:
        """x"""
        return str(world.db.execute(sql).fetchall())

    maker = Maker(shop)
    calls = ("SELECT count(*) FROM items", "DELETE FROM items", "PRAGMA query_only = OFF")
    made = [asyncio.run(maker.make("ann", sly.__tool__, "1", {"sql": sql}, "")) for sql in calls]  # type: ignore[attr-defined]
    assert [one.ok for one in made] == [True, False, False]
    assert made[0].text == "[(80,)]"
    assert "effect=Effect.WRITE" in made[1].text
    assert counted(shop) == "1 row\nn=80"


def test_queries_do_not_wait_for_a_call_that_writes_and_see_none_of_its_half(shop: World) -> None:
    begun, go = threading.Event(), threading.Event()

    @tool(effect=Effect.WRITE)
    def slow(world: World) -> str:
        """x"""
        world.db.execute("DELETE FROM items WHERE price < 40")
        begun.set()
        go.wait(10)
        world.db.execute("DELETE FROM items")
        return "done"

    async def both() -> list[str]:
        maker = Maker(shop)
        query = registry.builtin()["query_database"]
        writing = asyncio.create_task(maker.make("ann", slow.__tool__, "1", {}, ""))  # type: ignore[attr-defined]
        await asyncio.to_thread(begun.wait, 10)
        seen = [(await maker.make("bob", query, "2", {"sql": "SELECT count(*) AS n FROM items"}, "")).text]
        go.set()
        seen.append((await writing).text)
        seen.append((await maker.make("bob", query, "3", {"sql": "SELECT count(*) AS n FROM items"}, "")).text)
        return seen

    assert asyncio.run(both()) == ["1 row\nn=80", "done", "1 row\nn=0"]


def test_calls_that_write_follow_one_another(shop: World) -> None:
    running: list[int] = []

    def body() -> None:
        running.append(1)
        assert len(running) == 1
        time.sleep(0.01)
        running.clear()

    @tool(effect=Effect.WRITE)
    def one(world: World) -> str:
        """x"""
        body()
        return "ok"

    @tool(effect=Effect.WRITE)
    async def other(world: World) -> str:
        """x"""
        running.append(1)
        assert len(running) == 1
        await asyncio.sleep(0.01)
        running.clear()
        return "ok"

    async def many() -> list[str]:
        maker = Maker(shop)
        tools = [one.__tool__, other.__tool__] * 4  # type: ignore[attr-defined]
        calls = (maker.make("ann", made, str(n), {}, "") for n, made in enumerate(tools))
        return [found.text for found in await asyncio.gather(*calls)]

    assert asyncio.run(many()) == ["ok"] * 8
    assert clock.run(many(), virtual=True) == ["ok"] * 8


def test_two_threads_that_ask_at_once_neither_freeze_nor_write() -> None:
    assert pairs(500, limit_s=120) == (500, 0)
