"""Code of the user's: awaited, bounded, and whatever it raises costs that call or that run, and never more."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import table
from experiments import plan as plans
from experiments.plan import Plan
from experiments.running import watching
from experiments.running.trial import Bench, run_trial
from tasks import graders
from tasks import scenario as scenarios
from tasks.case import Case
from tests.cli import said
from tests.long_jobs import scenario
from tests.trials import do, events, puzzle
from tools import registry, usercode
from tools.making import Made, Maker
from tools.tool import Effect, Tool, ToolOutput, World, from_function, tool
from tools.usercode import Failed
from traces import clock
from traces.errors import ScenarioError
from traces.kernel import Check, Evaluated, LimitHit, RunFinished
from traces.recorder import Recorder

CLOCKS = pytest.mark.parametrize("virtual", [True, False], ids=["simulated", "real"])


@pytest.fixture
def world() -> Iterator[World]:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute("CREATE TABLE notes (text TEXT)")
    world = World(db)
    yield world
    world.close()


def tool_of(function: Callable[..., Any], effect: Effect = Effect.READ, **options: Any) -> Tool:
    return tool(effect=effect, **options)(function).__tool__  # type: ignore[attr-defined, no-any-return]


def made(world: World, one: Tool, *, virtual: bool, times: int = 1) -> Made:
    async def calls() -> Made:
        maker = Maker(world)
        found = [await maker.make("ann", one, str(n), {}, "") for n in range(times)]
        return found[-1]

    return clock.run(calls(), virtual=virtual)


def raising(error: Callable[[], BaseException]) -> Callable[[World], str]:
    def leave(world: World) -> str:
        """x"""
        raise error()

    return leave


def raising_later(error: Callable[[], BaseException]) -> Callable[[World], Any]:
    async def leave(world: World) -> str:
        """x"""
        await asyncio.sleep(0)
        raise error()

    return leave


class Odd(BaseException):
    def __str__(self) -> str:
        raise SystemExit("even its message")


ERRORS: list[Callable[[], BaseException]] = [
    lambda: SystemExit(7),
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    StopIteration,
    RecursionError,
    MemoryError,
    Odd,
    lambda: ValueError("x" * 100_000),
    lambda: BaseExceptionGroup("several", [SystemExit(1), ValueError("x")]),
    lambda: TimeoutError("mine"),
]


@CLOCKS
@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize("shape", [raising, raising_later])
def test_whatever_a_tool_raises_is_the_result_of_its_call(
    world: World, virtual: bool, effect: Effect, shape: Callable[..., Any]
) -> None:
    for error in ERRORS:
        found = made(world, tool_of(shape(error), effect), virtual=virtual)
        assert not found.ok
        assert found.text.startswith("error: the tool failed: ")
        assert "longer than its limit" not in found.text
        assert len(found.text) < 5000


@CLOCKS
def test_an_exit_in_a_task_that_a_tool_has_started_ends_no_more_than_the_call(world: World, virtual: bool) -> None:
    async def leaf() -> None:
        raise SystemExit(3)

    async def gather(world: World) -> str:
        """x"""
        await asyncio.gather(leaf(), leaf())
        return "never"

    async def later(world: World) -> str:
        """x"""
        await asyncio.sleep(0.01)
        return "still here"

    assert "SystemExit: 3" in made(world, tool_of(gather), virtual=virtual).text
    assert made(world, tool_of(later), virtual=virtual).text == "still here"


@CLOCKS
def test_every_kind_of_async_tool_is_awaited(world: World, virtual: bool) -> None:
    async def plain(world: World, word: str = "tea") -> str:
        """x"""
        await asyncio.sleep(0.01)
        return word

    @functools.wraps(plain)
    def wrapped(world: World, word: str = "tea") -> Any:
        return plain(world, word)

    class Called:
        """x"""

        async def __call__(self, world: World) -> str:
            return "tea"

    def late(world: World) -> Any:
        """x"""
        return asyncio.ensure_future(plain(world)) if asyncio._get_running_loop() else plain(world)

    for function in (plain, wrapped, Called(), functools.partial(plain, word="tea"), late):
        found = made(world, tool_of(function), virtual=virtual)
        assert (found.text, found.ok) == ("tea", True)


def test_what_an_async_tool_sleeps_is_simulated_time(world: World) -> None:
    async def slow(world: World) -> str:
        """x"""
        await asyncio.sleep(20)
        return "slept"

    async def timed() -> tuple[str, float]:
        found = await Maker(world).make("ann", tool_of(slow, latency_s=1.5), "1", {}, "")
        return found.text, asyncio.get_running_loop().time()

    assert clock.run(timed(), virtual=True) == ("slept", 21.5)


def busy(world: World) -> str:
    """x"""
    while True:
        pass


def asleep(world: World) -> str:
    """x"""
    time.sleep(3)
    return "late"


async def dreaming(world: World) -> str:
    """x"""
    await asyncio.sleep(10_000)
    return "late"


async def blocking(world: World) -> str:
    """x"""
    while True:
        pass


async def stubborn(world: World) -> str:
    """x"""
    until = time.monotonic() + 3
    while time.monotonic() < until:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue
    return "late"


@CLOCKS
@pytest.mark.parametrize("function", [busy, asleep, dreaming, blocking, stubborn])
@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
def test_a_tool_that_never_ends_ends_at_its_limit(
    world: World, virtual: bool, function: Callable[..., Any], effect: Effect
) -> None:
    found = made(world, tool_of(function, effect, timeout_s=0.2), virtual=virtual)
    assert found == Made("error: the tool failed: it took longer than its limit of 0.2 s", False)


@CLOCKS
def test_nothing_is_written_while_a_call_that_was_given_up_still_may(world: World, virtual: bool) -> None:
    go = threading.Event()

    def hanging(world: World) -> str:
        """x"""
        go.wait(10)
        world.db.execute("INSERT INTO notes VALUES ('late')")
        return "late"

    def write(world: World) -> str:
        """x"""
        world.db.execute("INSERT INTO notes VALUES ('new')")
        return "written"

    async def calls() -> list[Made]:
        maker = Maker(world)
        first = await maker.make("ann", tool_of(hanging, Effect.WRITE, timeout_s=0.1), "1", {}, "")
        second = await maker.make("ann", tool_of(write, Effect.WRITE), "2", {}, "")
        seen = await maker.make("ann", registry.builtin()["query_database"], "3", {"sql": "SELECT * FROM notes"}, "")
        return [first, second, seen]

    try:
        first, second, seen = clock.run(calls(), virtual=virtual)
    finally:
        go.set()
    assert not first.ok
    assert "hanging is still at work" in second.text
    assert seen.text == "0 rows"


def test_a_call_that_is_cancelled_is_left_at_once(world: World) -> None:
    async def cancelled() -> str:
        call = asyncio.create_task(Maker(world).make("ann", tool_of(asleep), "1", {}, ""))
        await asyncio.sleep(0.05)
        call.cancel()
        try:
            return (await call).text
        except asyncio.CancelledError:
            return "cancelled"

    started = time.monotonic()
    assert clock.run(cancelled(), virtual=False) == "cancelled"
    assert time.monotonic() - started < 2.5


class Unshowable:
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("output", "text", "ok"),
    [
        (None, "(nothing was given back)", True),
        (7.5, "7.5", True),
        (b"caf\xc3\xa9 \xff", "café \ufffd", True),
        ({"a": [1]}, "{'a': [1]}", True),
        ("\ud800 x\0", "\ufffd x\ufffd", True),
        ((n for n in range(3)), "error: the tool failed: it gave back something that still has to be awaited", False),
        (Unshowable(), "error: the tool failed: ValueError: no", False),
        (ToolOutput(5), "error: the tool failed: it gave back a ToolOutput", False),  # type: ignore[arg-type]
        (ToolOutput("x", ("y",)), "error: the tool failed: it gave back a ToolOutput", False),  # type: ignore[arg-type]
    ],
)
def test_whatever_a_tool_gives_back_is_text(world: World, output: Any, text: str, ok: bool) -> None:
    def give(world: World) -> Any:
        """x"""
        return output

    found = made(world, tool_of(give), virtual=True)
    assert found.text.startswith(text)
    assert found.ok is ok


@pytest.mark.parametrize("output", ["x" * 50_000_000, b"x" * 50_000_000])
def test_a_long_result_is_cut(world: World, output: Any) -> None:
    def give(world: World) -> Any:
        """x"""
        return output

    found = made(world, tool_of(give), virtual=True)
    assert found.ok
    assert found.text.endswith("(cut: 49,992,000 more characters are not shown)")
    assert len(found.text) < 8100


def test_a_limit_must_be_one() -> None:
    for wrong in (0, -1, float("nan"), float("inf"), "30"):
        with pytest.raises(ValueError, match="timeout_s"):
            tool(timeout_s=wrong)  # type: ignore[arg-type]


def test_a_client_that_a_module_keeps_works_from_call_to_call(world: World) -> None:
    """A lock that was waited for belongs to its event loop: in real time there is one for all calls."""
    lock = asyncio.Lock()

    async def locked(world: World) -> str:
        """x"""
        async with lock:
            await asyncio.sleep(0.01)
        return "ok"

    async def calls() -> list[str]:
        maker = Maker(world)
        return [
            m.text for m in await asyncio.gather(*(maker.make("a", tool_of(locked), "1", {}, "") for _ in range(3)))
        ]

    assert clock.run(calls(), virtual=False) == ["ok"] * 3
    assert clock.run(calls(), virtual=False) == ["ok"] * 3


def test_a_thread_that_was_given_up_ends() -> None:
    ended: list[Any] = []

    async def call() -> None:
        with pytest.raises(Failed, match="limit"):
            await usercode.call(lambda: busy(None), 0.1, left=ended.append)  # type: ignore[arg-type]

    clock.run(call(), virtual=False)
    ended[0].result(timeout=30)


# --- files of a scenario ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tools.py", "grader.py"])
@pytest.mark.parametrize(
    "line",
    [
        "raise SystemExit(3)",
        "import sys; sys.exit()",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "1 / 0",
        "def broken(:",
        "import nothing_of_that_name",
        "raise Exception('x' * 10**6)",
        "class E(BaseException): pass\nraise E",
        "\0",
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_error_with_its_place(tmp_path: Path, name: str, line: str) -> None:
    folder = puzzle(tmp_path / "puzzle")
    (folder / name).write_text(f"x = 1\n{line}\n")
    with pytest.raises(ScenarioError) as wrong:
        scenarios.load(str(folder))
    assert wrong.value.path == str(folder / name)
    assert len(str(wrong.value)) < 5000
    if "\0" not in line:
        assert wrong.value.line in (2, 3)


def test_a_file_that_never_ends_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LOAD_S", 0.2)
    folder = puzzle(tmp_path / "puzzle")
    (folder / "tools.py").write_text("while True: pass\n")
    with pytest.raises(ScenarioError, match="longer than its limit"):
        scenarios.load(str(folder))


# --- graders ----------------------------------------------------------------------------------------------------


def graded(grader: Callable[..., Any], *, virtual: bool = True, timeout_s: float = 5.0) -> Evaluated:
    expect = [{"grader": "mine", "timeout_s": timeout_s}]
    plan = [{"id": "a", "goal": "g", "role": "r"}]
    case = Case.model_validate({"id": "c", "title": "t", "request": "r", "plan": plan, "answer": "x", "expect": expect})
    outcome = graders.Outcome("x", sqlite3.connect(":memory:", check_same_thread=False), lambda chunk: None)
    return clock.run(graders.graded(case, outcome, {"mine": grader}), virtual=virtual)


@CLOCKS
@pytest.mark.parametrize("value", [True, False, Check("x", True), Check("x", False, "why")])
def test_a_grader_may_be_async(virtual: bool, value: Any) -> None:
    async def mine(outcome: graders.Outcome) -> Any:
        await asyncio.sleep(0.01)
        return value

    class Called:
        def __call__(self, outcome: graders.Outcome) -> Any:
            return mine(outcome)

    for grader in (mine, functools.partial(mine), Called()):
        found = graded(grader, virtual=virtual)
        assert found.success is (value if isinstance(value, bool) else value.passed)
        assert not found.error


@CLOCKS
@pytest.mark.parametrize("error", ERRORS)
def test_a_grader_that_raises_says_nothing_of_the_run(virtual: bool, error: Callable[[], BaseException]) -> None:
    def mine(outcome: graders.Outcome) -> bool:
        raise error()

    async def later(outcome: graders.Outcome) -> bool:
        raise error()

    for grader in (mine, later):
        found = graded(grader, virtual=virtual)
        assert not found.success
        assert found.error.startswith("mine: the grader failed: ")
        assert "longer than its limit" not in found.error
        assert found.checks[0].failed


@pytest.mark.parametrize(
    "value",
    [None, "no", "yes", 1, 0, 0.9, float("nan"), (), {"passed": True}, [True], Check("x", "no"), Check("x", True, 5)],  # type: ignore[arg-type]
)
def test_what_is_neither_true_nor_false_is_a_failure_of_the_grader(value: Any) -> None:
    assert "the grader failed: TypeError: it gave back" in graded(lambda outcome: value).error


def test_truth_values_of_numpy_count() -> None:
    np = pytest.importorskip("numpy")
    assert graded(lambda outcome: np.float64(2.0) > 1).success
    assert not graded(lambda outcome: np.float64(0.0) > 1).error


@CLOCKS
def test_a_grader_that_never_ends_fails_at_its_limit(virtual: bool) -> None:
    def mine(outcome: graders.Outcome) -> bool:
        while True:
            pass

    assert "longer than its limit of 0.2 s" in graded(mine, virtual=virtual, timeout_s=0.2).error


def test_what_a_grader_writes_is_its_own() -> None:
    def mine(outcome: graders.Outcome) -> bool:
        outcome.db.execute("CREATE TABLE scratch (a)")
        return True

    assert graded(mine).success
    assert graded(mine).success


def test_a_query_of_a_case_that_fails_is_the_graders_failure() -> None:
    check = graders.database(
        graders.Outcome("", sqlite3.connect(":memory:"), lambda c: None), sql="SELECT x", equals=[]
    )
    assert check.failed


@pytest.fixture
def ungraded(tmp_path: Path) -> Path:
    folder = puzzle(tmp_path / "puzzle")
    case = folder / "cases" / "case_0.yaml"
    text = case.read_text()
    case.write_text(text[: text.index("expect:")] + "expect:\n  - {grader: mine}\n")
    (folder / "grader.py").write_text("import sys\ndef mine(outcome):\n    sys.exit(1)\n")
    return folder


def test_a_run_whose_grader_fails_is_recorded_as_ungraded(ungraded: Path) -> None:
    [(outcome, recorder)] = do(Plan(str(ungraded), ("solo",), model="sim:oracle", trials=1))
    assert outcome.status == "ungraded"
    grade = next(event for event in events(recorder) if isinstance(event, Evaluated))
    assert grade.error == "mine: the grader failed: it ended the process (SystemExit: 1)"
    assert next(event for event in events(recorder) if isinstance(event, RunFinished)).status == "completed"


def test_everybody_is_told_that_a_run_is_ungraded(ungraded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(
        capsys, "compare", ungraded, "--teams", "solo", "--model", "sim:oracle", "--trials", 1, "--on", "here"
    )
    _, out, _ = said(capsys, "sql", "SELECT experiment, success, score, status, error FROM runs", "--json")
    assert '"success": null' in out
    assert "the grader failed" in out
    _, out, _ = said(capsys, "replay", re.findall(r'"experiment": "([^"]+)"', out)[0], 0)
    assert "not graded: mine: the grader failed" in out


def test_tools_of_all_shapes_have_names() -> None:
    def price(world: World, name: str = "tea") -> str:
        """The price."""
        return name

    made = from_function(functools.partial(price, name="x"), effect=Effect.READ)
    assert (made.name, made.description) == ("price", "The price.")


# --- own teams --------------------------------------------------------------------------------------------------


TEAMS = """
import asyncio, sys

async def leaf(): sys.exit(4)

async def leaves(work): sys.exit(3)
async def stops(work): raise KeyboardInterrupt
async def closes(work): raise GeneratorExit
async def cancels(work): raise asyncio.CancelledError
async def gathers(work): await asyncio.gather(leaf(), leaf())
async def groups(work):
    async with asyncio.TaskGroup() as group: group.create_task(leaf())
async def silent(work): return None
def plain(work): return "C0"
async def later(work):
    asyncio.get_running_loop().call_soon(sys.exit)
    await asyncio.sleep(1)
    return "C0"
class Deep(BaseException): pass
async def deep(work): raise Deep("down")
"""


@pytest.fixture
def own_teams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"teams_of_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")
    (tmp_path / f"{name}.py").write_text(TEAMS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize(
    ("team", "error"),
    [
        ("leaves", "SystemExit: 3"),
        ("stops", None),
        ("closes", "GeneratorExit"),
        ("cancels", "CancelledError"),
        ("gathers", "SystemExit: 4"),
        ("groups", "SystemExit: 4"),
        ("silent", "gave back None (NoneType), not the answer's text"),
        ("deep", "Deep: down"),
    ],
)
def test_whatever_a_team_of_ones_own_raises_is_a_failed_run(
    tmp_path: Path, own_teams: str, team: str, error: str | None
) -> None:
    plan = Plan(str(puzzle(tmp_path / "puzzle")), (f"{own_teams}:{team}",), model="sim:oracle", trials=2)
    done: list[Any] = []

    def in_a_thread() -> None:  # where no Ctrl-C comes, as in a worker
        done.extend(do(plan))

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert len(done) == 2
    for _, recorder in done:
        end = next(event for event in events(recorder) if isinstance(event, RunFinished))
        assert end.status == "failed"
        assert (error or "KeyboardInterrupt") in end.error


@pytest.mark.parametrize("team", ["plain", "later"])
def test_a_team_of_ones_own_need_not_be_async(tmp_path: Path, own_teams: str, team: str) -> None:
    plan = Plan(str(puzzle(tmp_path / "puzzle")), (f"{own_teams}:{team}",), model="sim:oracle", trials=1)
    [(outcome, _)] = do(plan)
    assert outcome.status == "completed"


@pytest.mark.parametrize("line", ["raise SystemExit(3)", "1 / 0", "def broken(:", "import nothing_of_that_name"])
def test_a_module_of_teams_that_cannot_be_loaded_is_one_error_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (tmp_path / "sad_teams.py").write_text(f"x = 1\n{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    code, _, err = said(capsys, "compare", puzzle(tmp_path / "puzzle"), "--teams", "sad_teams:pair")
    assert code == 2
    assert "sad_teams.py:2: " in err


# --- what it prints ---------------------------------------------------------------------------------------------


LOUD = """
import os, subprocess, sys
print("on import")

def say():
    print("loud")
    print('{"outcome": 1}')
    sys.__stdout__.flush()
"""
CHANNELS = """    os.write(1, b"half a line")
    subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
"""


@pytest.mark.parametrize("on", ["processes", "here"])
def test_what_tools_graders_and_teams_print_is_not_what_the_command_says(
    on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, loud = scenario(tmp_path / "meters", calls=2, subtasks=2), LOUD + (CHANNELS if on == "processes" else "")
    name = f"loud_teams_{on}"
    (tmp_path / f"{name}.py").write_text(f"{loud}\nasync def pair(work):\n    say()\n    return ''\n")
    (jobs / "tools.py").write_text(
        loud + (jobs / "tools.py").read_text().replace("    return", "    say()\n    return")
    )
    (jobs / "grader.py").write_text(f"{loud}\ndef mine(outcome):\n    say()\n    return True\n")
    for case in (jobs / "cases").iterdir():
        case.write_text(case.read_text() + "  - {grader: mine}\n")
    monkeypatch.chdir(tmp_path)
    plan = ["--teams", f"solo,{name}:pair", "--model", "sim:oracle", "--trials", 1, "--on", on, "--json"]
    code, out, _ = said(capsys, "compare", jobs, *plan)
    assert code == 0
    assert len(json.loads(out)["teams"]) == 2


# --- own teams that hang ----------------------------------------------------------------------------------------


HANGING = """
import asyncio, threading, time

def spins(work):
    while True: pass
async def sleeps(work): time.sleep(10_000)
async def turns(work):
    while True: await asyncio.sleep(0)
async def dreams(work):
    while True: await asyncio.sleep(1)
async def catches(work):
    while True:
        try:
            while True: pass
        except BaseException: pass
async def apart(work):
    async with asyncio.TaskGroup() as group: group.create_task(turns(work)); group.create_task(asyncio.sleep(1))
sleeps.idle_s = 0.5
async def leaves_a_thread(work):
    threading.Thread(target=time.sleep, args=[10_000]).start()
    return "It is right-1."
async def waits(work): await asyncio.Event().wait()
async def patient(work):
    until = time.monotonic() + 2
    while time.monotonic() < until: await asyncio.sleep(0)
    return "It is right-1."
patient.idle_s = 60
"""


@pytest.mark.parametrize(
    ("team", "virtual"),
    [(team, True) for team in ("spins", "turns", "dreams", "catches", "apart", "patient")]
    + [(team, False) for team in ("spins", "waits", "apart", "patient")],
)
def test_a_team_of_ones_own_that_hangs_costs_its_run(
    team: str, virtual: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"hanging_{team}_{virtual}"
    (tmp_path / f"{name}.py").write_text(HANGING)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(table, "IDLE_S", 0.4)
    monkeypatch.setattr(watching, "LOOK_S", 0.1)
    plan = Plan(str(puzzle(tmp_path / "puzzle")), (f"{name}:{team}", "solo"), model="sim:oracle", trials=1)
    bench, ended = Bench(plan), []
    for trial in plans.trials(plan, bench.scenario):
        recorder = Recorder(trial.run, keep=True)
        ended.append(clock.run(run_trial(trial, bench, recorder), virtual=virtual))
        limits = [(event.kind, event.limit) for event in events(recorder) if isinstance(event, LimitHit)]
        hung = trial.team != "solo" and team != "patient"
        assert limits == ([("idle", 0.4)] if hung else [])
    first, other = sorted(ended, key=lambda outcome: outcome.team == "solo")
    assert (first.status, first.ended_by) == (
        ("completed", "the team was done") if team == "patient" else ("limited", "idle: 0.4 of 0.4 s")
    )
    assert other.success


def test_a_worker_goes_on_behind_a_call_that_hangs_and_ends_though_a_thread_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hanging_apart.py").write_text(HANGING)
    monkeypatch.chdir(tmp_path)
    teams = "hanging_apart:sleeps,hanging_apart:leaves_a_thread,solo"
    plan = ["--teams", teams, "--model", "sim:oracle", "--trials", 1, "--workers", 1]
    assert said(capsys, "compare", puzzle(tmp_path / "puzzle"), *plan)[0] == 0
    rows = json.loads(said(capsys, "sql", "SELECT ended_by FROM runs ORDER BY team", "--json")[1])
    assert [row["ended_by"] for row in rows] == ["the team was done", "idle: 0.5 of 0.5 s", "the team was done"]
