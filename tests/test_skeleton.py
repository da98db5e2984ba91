"""What Replay shows of every event of a run without reading it, and the steps that a search finds."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from experiments.reading import search, skeleton
from experiments.reading.skeleton import GROUPS, NOBODY, Skeleton
from experiments.reading.steps import TITLES
from traces import kernel as k
from traces.home import Status, experiment_folder
from traces.journal import Journal
from traces.kernel import Record
from traces.prompts import prompt_at, prompts
from traces.store import Store

RUN = k.Run("s", "c", "t", "native", "m", 0, 1, k.Budget(), "virtual", True)
CHUNK = k.Chunk("d#0", "d", "The title", 0)
FAULT = k.Fault("derails")

# Each event with its group, between whom it is, and whether something went wrong.
EVENTS: list[tuple[k.Event, str, str, str, bool]] = [
    (k.RunStarted(RUN, "Please do it"), "run", "", "", False),
    (k.AgentCreated("a", "r", "m"), "run", "a", "", False),
    (k.MessageSent(k.Message(1, "a", "say", "hello", to="b")), "message", "a", "b", False),
    (k.MessageSent(k.Message(2, "a", "say", "hello", topic="news")), "message", "a", "#news", False),
    (k.MessageSent(k.Message(3, "a", "say", "hello")), "message", "a", "#all", False),
    (k.DeadLetter(k.Message(4, "a", "say", "hello", to="b"), "b", "gone"), "message", "a", "b", True),
    (k.Chat("a", "act", "m", 0, (), "", k.Usage(10, 5, cost_nano_usd=7, latency_s=0.5)), "model call", "a", "", False),
    (k.Chat("a", "act", "m", 0, (), "hi", k.Usage(1, 1, cost_nano_usd=None)), "model call", "a", "", False),
    (k.Chat("b", "act", "m", 0, (), "", k.Usage(), error="refused"), "model call", "b", "", True),
    (k.Chat("a", "act", "m", 2, (), "hi", k.Usage(), fault=FAULT), "model call", "a", "", True),
    (k.OutputRejected("a", "not JSON", 1), "note", "a", "", True),
    (k.EffectIntended("a", "pay", "1", {}, "key"), "tool", "a", "tools", False),
    (k.ApprovalDecided("a", "pay", "1", "me", True, "fine"), "tool", "a", "tools", False),
    (k.ApprovalDecided("a", "pay", "1", "me", False, "no"), "tool", "a", "tools", True),
    (k.ToolExecuted("a", "pay", "1", "read", {"to": "x"}, True, "ok", 0.25, (CHUNK,)), "tool", "a", "tools", False),
    (k.ToolExecuted("a", "pay", "1", "read", {"to": "x"}, False, "no"), "tool", "a", "tools", True),
    (k.TaskPosted("p", "goal", "r", by="a"), "market", "a", "board", False),
    (k.TaskPosted("p", "goal", "r"), "market", "", "board", False),
    (k.TaskOpened("p"), "market", "board", "", False),
    (k.BidMade("p", "b", 77.0), "market", "b", "board", False),
    (k.TaskAwarded("p", "b", 77.0, "first price"), "market", "board", "b", False),
    (k.TaskStarted("p", "b"), "market", "board", "b", False),
    (k.TaskReposted("p", "b", "late", 1), "market", "board", "b", True),
    (k.TaskDelivered("p", "b", "here"), "market", "b", "board", False),
    (k.TaskReviewed("p", "a", True), "market", "a", "board", False),
    (k.TaskReviewed("p", "a", False), "market", "a", "board", True),
    (k.TaskClosed("p", "settled"), "market", "board", "", False),
    (k.TaskClosed("p", "expired"), "market", "board", "", True),
    (k.MoneyMoved("p", "a", "b", 5, "payment", "acceptance"), "market", "board", "", False),
    (k.ReputationChanged("b", "s", True, 0.5, 0.1), "market", "board", "b", False),
    (k.AnswerHandedIn("a", "42"), "run", "a", "", False),
    (k.LimitHit("tokens", 2, 1), "note", "", "", True),
    (k.Noted("a", "cut", "Naïve “quotes”"), "note", "a", "", False),
    (k.Evaluated(True, 1.0, ()), "run", "", "", False),
    (k.Evaluated(False, 0.0, ()), "run", "", "", True),
    (k.RunFinished("completed", "done", "42", k.Usage(), 1.0, 0), "run", "", "", False),
    (k.RunFinished("limited", "tokens", "", k.Usage(), 1.0, 0), "run", "", "", True),
]


def _calls() -> Iterator[k.Event]:
    """Model calls of two agents, whose prompts go on, are cut back and begin anew, close together and far apart."""
    draw, kept = random.Random(7), {"a": 0, "b": 0}
    for number in range(300):
        agent = draw.choice("ab")
        keep = draw.choice((kept[agent], kept[agent], kept[agent] // 2, 0))
        added = tuple(k.ChatMessage("user", f"{agent} {number} {n}") for n in range(draw.choice((0, 1, 2))))
        kept[agent] = keep + len(added)
        yield k.Chat(agent, "act", "m", keep, added, "hi", k.Usage())
        yield from [k.TaskOpened("p")] * draw.choice((0, 0, 1, 90))


LONG = list(_calls())
RUNS: list[list[k.Event]] = [[event for event, *_ in EVENTS[:3]], [event for event, *_ in EVENTS], LONG]


@pytest.fixture(params=["finished", "running"], scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run of all kinds of events between two others, in an experiment that is over, and in one that still runs."""
    store = Store(tmp_path_factory.mktemp("skeleton"))
    folder = experiment_folder("e", store.home).create()
    folder.write_plan({"id": "e", "scenario": "s", "command": "", "created": 1.0, "simulated": True})
    with Journal(folder.journal_file()) as journal:
        for run, events in enumerate(RUNS):
            for seq, event in enumerate(events):
                journal.append(Record(run, seq, seq * 0.5, 1.0 + seq, event))
    me = psutil.Process()
    folder.write_status(Status(me.pid, me.create_time(), request.param, 3, 3, time.time()))
    return store


def _names(found: Skeleton, column: str) -> list[str]:
    marks = {"agent": "", "topic": "#", "tools": "", "board": ""}
    places = found.columns[column]
    return ["" if at == NOBODY else marks[found.nodes[at].kind] + found.nodes[at].name for at in places]


def test_every_kind_of_event_has_its_place() -> None:
    assert set(skeleton.KINDS) == set(TITLES) == set(k.Event.__args__) == {type(event) for event, *_ in EVENTS}


def test_it_says_what_happened_and_between_whom(world: Store) -> None:
    found = skeleton.read(world, "e", 1)
    assert found.count == len(EVENTS)
    assert [GROUPS[group] for group in found.columns["group"]] == [group for _, group, *_ in EVENTS]
    assert _names(found, "from") == [sender for _, _, sender, *_ in EVENTS]
    assert _names(found, "to") == [to for *_, to, _ in EVENTS]
    assert found.columns["wrong"].astype(bool).tolist() == [wrong for *_, wrong in EVENTS]
    assert found.columns["t"].tolist() == [seq * 0.5 for seq in range(len(EVENTS))]


def test_it_has_what_calls_took(world: Store) -> None:
    found = skeleton.read(world, "e", 1)
    calls = [seq for seq, (event, *_) in enumerate(EVENTS) if isinstance(event, k.Chat)]
    assert found.columns["tokens"][calls].tolist() == [15, 2, 0, 0]
    assert found.columns["cost"][calls[0]] == 7
    assert np.isnan(found.columns["cost"][calls[1]])
    assert found.columns["cost"].sum() != found.columns["cost"].sum()  # an unknown price makes the sum unknown
    assert found.columns["lasted"][calls[0]] == 0.5
    assert found.has("market")
    assert not skeleton.read(world, "e", 0).has("market")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("hello", (k.MessageSent, k.DeadLetter)),
        ("HELLO news", (k.MessageSent,)),
        ("model call", (k.Chat,)),
        ("bid", (k.BidMade, k.TaskOpened)),  # "Task open for bids" is what the second is called
        ("naïve “quotes”", (k.Noted,)),
        ('"quotes"', ()),
        ("latency_s", ()),  # the name of a field
        ("77", ()),  # a number, not a text
        ("42", (k.AnswerHandedIn, k.RunFinished)),
        ("title", (k.ToolExecuted,)),
        ("nobody said this", ()),
    ],
)
def test_a_search_finds_what_is_said_and_what_it_is_called(
    world: Store, words: str, found: tuple[type[k.Event], ...]
) -> None:
    steps = search.steps(world, "e", 1, words.split()).tolist()
    assert {type(EVENTS[step][0]) for step in steps} == set(found)
    assert steps == sorted(steps)


def test_an_empty_search_finds_everything(world: Store) -> None:
    assert search.steps(world, "e", 1, []).tolist() == list(range(len(EVENTS)))


def test_a_moment_has_all_that_its_prompt_is_made_of(world: Store) -> None:
    records = [Record(2, seq, 0.0, 0.0, event) for seq, event in enumerate(LONG)]
    whole = {record.seq: prompt for record, _, prompt in prompts(records)}
    for seq in random.Random(1).sample(sorted(whole), 25):
        moment = world.moment("e", 2, seq)
        assert moment[-1].event == LONG[seq]
        assert prompt_at(moment, seq) == whole[seq]
    assert [record.seq for record in world.moment("e", 1, 3)] == [3]
    assert world.moment("e", 1, 999) == []
