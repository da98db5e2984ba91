"""A simulated market as an experiment: its folder, its journal with a sample of the postings, its heartbeat."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import psutil
from msgspec import Struct

from experiments.market.population import MIX, SKILLS, Setting
from experiments.market.simulation import Market, check
from experiments.market.tally import Summary
from experiments.market.traders import Trader, Traders, numbered
from experiments.running.conduct import Stopped
from experiments.words import ordinal
from traces import clock, home
from traces import kernel as k
from traces.home import ExperimentFolder, Status
from traces.journal import Journal
from traces.recorder import Recorder

SCENARIO = "market simulation"


class Simulated(Struct, frozen=True):
    """A market that was simulated and recorded. `every`: each so-manieth job is in the trace; `digest`: of the trace
    apart from wall times."""

    experiment: str
    every: int
    events: int
    digest: str
    wall_s: float
    summary: Summary


@dataclass
class Sample:
    """Records the postings of every so-manieth job, each from its first event to its last, with its money, and
    their bidders."""

    record: Callable[[k.Event], object]
    traders: Traders
    every: int
    _following: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)

    def __call__(self, event: k.Event) -> None:
        posting: str = event.posting  # type: ignore[union-attr]  # a board has no other events
        if type(event) is k.TaskPosted and self._wanted(posting):
            self._following.add(posting)
        if posting not in self._following:
            return
        if type(event) is k.BidMade and event.agent not in self._known:
            self._introduce(self.traders[numbered(event.agent)])
        self.record(event)

    def _wanted(self, posting: str) -> bool:
        number, _, _ = posting[1:].partition(".")
        return int(number) % self.every == 0

    def _introduce(self, trader: Trader) -> None:
        self._known.add(trader.name)
        self.record(k.AgentCreated(trader.name, SKILLS[trader.skill], f"bidder:{trader.strategy}"))


def simulate(setting: Setting, watch: Callable[[int], object] = lambda ended: None) -> Simulated:
    """Simulate a market and record it as an experiment that the store and the app can open.

    The trace holds every n-th job whole, with n so that about `setting.trace` jobs are in it; the summary, which is the
    run's answer, is of all of them. `watch` is told how many jobs have ended, now and then. Raises InputError for a
    setting that cannot be, Stopped where the experiment's stop file appears or on KeyboardInterrupt."""
    setting = check(setting)
    folder = home.experiment_folder(home.new_id()).create()
    command = command_line(setting)
    about = {"created": time.time(), "command": command, "scenario": SCENARIO, "kind": "market", "total": 1}
    folder.write_plan({"id": folder.id, **about, "plan": msgspec.to_builtins(setting)})
    state, started = "failed", time.perf_counter()
    _beat(folder, "running")
    try:
        with Journal(folder.journal_file()) as journal:
            summary, recorder = clock.run(_record(setting, folder, journal, watch), virtual=True)
        state = "finished"
    except (Stopped, KeyboardInterrupt) as stopped:
        state = "stopped"
        raise Stopped(f"stopped; what was recorded is in {folder.id}") from stopped
    finally:
        _beat(folder, state)
        _index(folder)
    every = _every(setting)
    return Simulated(folder.id, every, recorder.events, recorder.digest, time.perf_counter() - started, summary)


async def _record(
    setting: Setting, folder: ExperimentFolder, journal: Journal, watch: Callable[[int], object]
) -> tuple[Summary, Recorder]:
    recorder = Recorder(0, journal)
    run = k.Run(
        SCENARIO, setting.mechanism, "market", "native", "bidders", 0, setting.seed, k.Budget(), "virtual", True
    )
    recorder.record(k.RunStarted(run, command_line(setting)))
    rule = f"every {ordinal(_every(setting))} job is recorded, each posting of it whole; the summary is of all jobs"
    recorder.record(k.Noted("market", "sampling", rule))
    traders = Traders(setting)
    sample = Sample(recorder.record, traders, _every(setting))
    try:
        summary = await Market(setting, sample, _Beats(folder, watch).tell, traders).run()
    finally:
        recorder.sync()
    text, seconds = msgspec.json.encode(summary).decode(), asyncio.get_running_loop().time()
    recorder.record(k.RunFinished("completed", "every job has ended", text, k.Usage(), round(seconds, 6), 0))
    return summary, recorder


@dataclass
class _Beats:
    """Passes on how far it is, beats, and looks for the stop file, about once a second."""

    folder: ExperimentFolder
    watch: Callable[[int], object]
    _last: float = 0.0

    def tell(self, ended: int) -> None:
        self.watch(ended)
        if time.monotonic() - self._last > 1:
            self._last = time.monotonic()
            _beat(self.folder, "running")
            if self.folder.stop_requested():
                raise Stopped


def command_line(setting: Setting) -> str:
    """The command that does the same."""
    default = check(Setting(setting.agents, setting.tasks, setting.mechanism))
    words = ["headcount", "market", "simulate", "--agents", str(setting.agents), "--tasks", str(setting.tasks)]
    words += ["--mechanism", setting.mechanism, "--seed", str(setting.seed)]
    for name in ("reach", "load", "tries", "round", "trace", "fee_percent", "penalty_percent"):
        value = getattr(setting, name)
        if value != getattr(default, name):
            words += [f"--{name.replace('_', '-')}", f"{value:g}"]
    if setting.mix != MIX:
        words += ["--mix", ",".join(f"{name}={share:g}" for name, share in setting.mix.items())]
    return shlex.join(words)


def _every(setting: Setting) -> int:
    return max(1, -(-setting.tasks // setting.trace)) if setting.trace else setting.tasks


def _beat(folder: ExperimentFolder, state: str) -> None:
    me = psutil.Process()
    done = int(state == "finished")
    folder.write_status(Status(me.pid, me.create_time(), state, done, 1, time.time()))  # type: ignore[arg-type]


def _index(folder: ExperimentFolder) -> None:
    from traces.store import Store

    Store(folder.path.parent.parent).index(folder.id)
