"""The toolbox: how a call is read, checked, allowed, run and recorded, and what is on the disk before an effect."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tools.policy import Ask, Decision
from tools.tool import Effect, ToolError, ToolOutput, World, effect_key, from_function
from tools.toolbox import Toolbox, ToolResult
from tools.waiting import Waiting
from traces import clock
from traces.journal import Journal, decode
from traces.kernel import ApprovalDecided, Chunk, EffectIntended, Event, ToolCall, ToolExecuted
from traces.recorder import Recorder

T = TypeVar("T")
CHUNK = Chunk("tea#1", "tea", "Tea", 1, 0.5, "Tea is 4 EUR.")


def price(world: World, item: str, pieces: int = 1) -> ToolOutput:
    """The price of an item."""
    if item != "tea":
        raise ToolError(f"no item {item!r}")
    return ToolOutput(f"{4 * pieces} EUR", (CHUNK,))


def pay(world: World, amount: float) -> str:
    """Pay an amount."""
    world.scratch.setdefault("paid", []).append((amount, effect_key.get()))
    return f"paid {amount}"


def note(world: World, text: str) -> str:
    """Write it down."""
    world.db.execute("INSERT INTO notes VALUES (?)", (text,))
    return "noted"


TOOLS = {
    "price": from_function(price, effect=Effect.READ, latency_s=2.0000044),
    "pay": from_function(pay, effect=Effect.OUTSIDE, latency_s=3.0, trusted=True),
    "note": from_function(note, effect=Effect.WRITE),
}


class Gate:
    """Takes its time, and decides as it was told to."""

    def __init__(self, approves: bool) -> None:
        self.approves, self.asked = approves, list[Ask]()
        self.seconds = 10.0

    async def decide(self, ask: Ask) -> Decision:
        self.asked.append(ask)
        await asyncio.sleep(self.seconds)
        return Decision(self.approves, "Ada", "because")


class Bench:
    def __init__(self, approves: bool = True, run: int = 0) -> None:
        self.gate, self.waiting = Gate(approves), Waiting()
        self.db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.db.execute("CREATE TABLE notes (text)")
        self.world = World(self.db)
        self.run_number, self.events = run, list[Event]()
        self.spent = 0.0

    def do(self, work: Callable[[Toolbox], Coroutine[Any, Any, T]]) -> T:
        async def main() -> T:
            await asyncio.sleep(1)
            recorder = Recorder(self.run_number, keep=True)
            found = await work(Toolbox(TOOLS, self.world, self.gate, recorder, waiting=self.waiting))
            self.spent, self.waited = recorder.now(), self.waiting.seconds
            self.events = [record.event for record in recorder.records]
            return found

        return clock.run(main(), virtual=True)

    def call(self, name: str, arguments: str, allowed: tuple[str, ...] = tuple(TOOLS), id: str = "c1") -> ToolResult:
        return self.do(lambda box: box.call("ann", allowed, ToolCall(id, name, arguments), untrusted=("a mail",)))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.world.close()


@pytest.fixture
def denying() -> Iterator[Bench]:
    made = Bench(approves=False)
    yield made
    made.world.close()


def test_a_call_is_run_and_recorded_with_its_time_and_where_its_text_is_from(bench: Bench) -> None:
    found = bench.call("price", '{"item": "tea", "pieces": 2}')
    assert (found.text, found.ok, found.trusted) == ("8 EUR", True, False)
    assert found.chunks == (CHUNK,)
    (event,) = bench.events
    assert isinstance(event, ToolExecuted)
    assert (event.agent, event.tool, event.call_id, event.effect) == ("ann", "price", "c1", "read")
    assert (event.arguments, event.ok, event.result) == ({"item": "tea", "pieces": 2}, True, "8 EUR")
    assert (event.latency_s, event.trusted, event.writes) == (2.000004, False, ())
    assert [(chunk.id, chunk.text) for chunk in event.chunks] == [("tea#1", "")]  # the text is in the result
    assert bench.gate.asked == []


@pytest.mark.parametrize(
    ("name", "arguments", "effect", "why"),
    [
        ("price", '{"item": "gold"}', "read", "error: no item 'gold'"),
        ("price", '{"item": 4}', "read", "error: item: 4 is not of type 'string'"),
        ("price", "", "read", "error: 'item' is a required property"),
        ("price", '["tea"]', "read", "error: the arguments must be a JSON object"),
        ("price", '{"item": ', "read", "error: the arguments are not valid JSON: "),
        ("price", '{"item": "tea", "pieces": NaN}', "read", "error: the arguments are not valid JSON: "),
        ("steal", "{}", "", "error: there is no tool 'steal' here; use: price, pay, note"),
        ("pay", '{"amount": "much"}', "outside", "error: amount: 'much' is not of type 'number'"),
    ],
)
def test_a_wrong_call_is_a_result_that_says_why(bench: Bench, name: str, arguments: str, effect: str, why: str) -> None:
    found = bench.call(name, arguments)
    assert found.text.startswith(why)
    assert not found.ok
    (event,) = bench.events
    assert isinstance(event, ToolExecuted)
    assert (event.ok, event.effect, event.result, event.trusted) == (False, effect, found.text, found.trusted)
    assert found.trusted is (name != "price" or "gold" not in arguments)  # our own words, or the tool's
    assert bench.gate.asked == []


def test_a_tool_that_is_not_the_agents_is_refused_like_one_that_is_not_there(bench: Bench) -> None:
    found = bench.call("pay", '{"amount": 5}', allowed=("price", "gone"))
    assert found.text == "error: there is no tool 'pay' here; use: price, gone"
    assert bench.call("gone", "{}", allowed=("price", "gone")).text.startswith("error: there is no tool 'gone' here")
    assert "paid" not in bench.world.scratch


@pytest.mark.parametrize("writes_itself", [False, True])
def test_the_intention_is_on_the_disk_before_its_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes_itself: bool
) -> None:
    """What a loss of power at the moment of the effect would leave: what was given to fsync by then."""
    flushed, left = b"", list[bytes]()
    path, fsync = tmp_path / "journal-0.jsonl", os.fsync

    def flush(fd: int) -> None:
        nonlocal flushed
        fsync(fd)
        if path.exists() and os.fstat(fd).st_ino == path.stat().st_ino:
            flushed = path.read_bytes()

    def paying(world: World, amount: float) -> str:
        left.append(flushed)
        return "paid"

    async def main(journal: Journal) -> None:
        tools = {"pay": from_function(paying, effect=Effect.OUTSIDE)}
        gate = Gate(True)
        gate.seconds = 0.0
        with closing(sqlite3.connect(":memory:", check_same_thread=False)) as db:
            box = Toolbox(tools, World(db), gate, Recorder(0, journal))
            await box.call("ann", ("pay",), ToolCall("c1", "pay", '{"amount": 5}'), untrusted=())

    monkeypatch.setattr(os, "fsync", flush)
    with Journal(path, fsync_every=0.0 if writes_itself else 1e9) as journal:
        clock.run(main(journal), virtual=False)
    (before,) = left
    assert [type(decode(line).event) for line in before.splitlines()] == [ApprovalDecided, EffectIntended]


def test_what_was_allowed_is_recorded_with_a_key_that_the_tool_is_given(bench: Bench) -> None:
    found = bench.call("pay", '{"amount": 5}')
    assert (found.text, found.ok, found.trusted) == ("paid 5", True, True)
    assert bench.gate.asked == [Ask("ann", "pay", {"amount": 5}, ("a mail",))]
    decided, intended, executed = bench.events
    assert decided == ApprovalDecided("ann", "pay", "c1", "Ada", True, "because")
    assert isinstance(intended, EffectIntended)
    assert isinstance(executed, ToolExecuted)
    assert (intended.agent, intended.tool, intended.call_id, intended.arguments) == ("ann", "pay", "c1", {"amount": 5})
    assert bench.world.scratch["paid"] == [(5, intended.key)]
    assert (executed.effect, executed.latency_s, executed.trusted) == ("outside", 3.0, True)
    assert (bench.spent, bench.waited) == (13.0, 10.0)  # asked for ten seconds, at work for three


def test_what_was_denied_is_not_done(denying: Bench) -> None:
    found = denying.call("pay", '{"amount": 5}')
    assert (found.text, found.ok, found.trusted) == ("error: not allowed: because", False, True)
    decided, executed = denying.events
    assert decided == ApprovalDecided("ann", "pay", "c1", "Ada", False, "because")
    assert isinstance(executed, ToolExecuted)
    assert (executed.ok, executed.effect, executed.arguments) == (False, "outside", {"amount": 5})
    assert "paid" not in denying.world.scratch


def test_the_key_is_of_the_run_the_call_and_its_arguments_in_any_order() -> None:
    def key(run: int = 0, id: str = "c1", arguments: str = '{"amount": 5}') -> str:
        bench = Bench(run=run)
        bench.call("pay", arguments, id=id)
        bench.world.close()
        return str(bench.world.scratch["paid"][0][1])

    assert key() == key()
    assert len(key()) == 16
    assert len({key(), key(run=1), key(id="c2"), key(arguments='{"amount": 6}')}) == 4


def test_what_writes_into_the_trials_world_is_not_asked_about(bench: Bench) -> None:
    assert bench.call("note", '{"text": "tea"}').text == "noted"
    assert bench.db.execute("SELECT text FROM notes").fetchall() == [("tea",)]
    assert bench.gate.asked == []


def test_while_a_tool_works_a_persons_waiting_is_the_teams_time(bench: Bench) -> None:
    async def both(box: Toolbox) -> None:
        calls = (ToolCall("c1", "pay", '{"amount": 5}'), ToolCall("c2", "price", '{"item": "tea"}'))
        await asyncio.gather(*(box.call("ann", tuple(TOOLS), call, untrusted=()) for call in calls))

    bench.do(both)
    assert (bench.spent, bench.waited) == (13.0, pytest.approx(8.0, abs=1e-5))


def test_what_the_tools_are_is_told_by_name(bench: Bench) -> None:
    async def work(box: Toolbox) -> tuple[list[str], list[Effect | None]]:
        names = [spec["function"]["name"] for spec in box.specs(("pay", "price"))]
        return names, [box.effect(name) for name in ("pay", "price", "gone")]

    assert bench.do(work) == (["pay", "price"], [Effect.OUTSIDE, Effect.READ, None])


PARAMETERS = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}


@pytest.mark.parametrize(
    ("arguments", "trusted", "expected"),
    [
        ('{"to": "bob"}', False, ("hello bob", True, False)),
        ('{"to": "bob"}', True, ("hello bob", True, True)),
        ('{"to": "nobody"}', False, ("error: there is nobody", False, True)),
        ('{"to": 5}', False, ("error: to: 5 is not of type 'string'", False, True)),
        ("", False, ("error: 'to' is a required property", False, True)),
    ],
)
def test_what_the_team_answers_is_recorded_as_its_own(
    bench: Bench, arguments: str, trusted: bool, expected: tuple[str, bool, bool]
) -> None:
    async def answer(given: dict[str, Any]) -> tuple[str, bool]:
        await asyncio.sleep(4.0000044)
        if given["to"] == "nobody":
            raise ToolError("there is nobody")
        return f"hello {given['to']}", trusted

    found = bench.do(lambda box: box.ask("ann", ToolCall("c1", "tell", arguments), PARAMETERS, answer))
    assert (found.text, found.ok, found.trusted) == expected
    (event,) = bench.events
    assert isinstance(event, ToolExecuted)
    assert (event.agent, event.tool, event.call_id, event.effect) == ("ann", "tell", "c1", "team")
    assert (event.result, event.ok, event.trusted) == expected
    assert event.latency_s == (4.000004 if "bob" in arguments or "nobody" in arguments else 0.0)
