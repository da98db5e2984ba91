"""A node of a Ray cluster: a share that is done there, and what is carried to it and back."""

from __future__ import annotations

import io
import os
import queue
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from agents.models import catalog, gguf, probed
from experiments import plan as plans
from experiments.plan import Plan, Trial
from experiments.running.rerun import Start
from experiments.running.threads import Share
from experiments.running.totals import Purse, Used
from experiments.running.worker import Done
from tasks import scenario as scenarios
from traces.committed import Committed
from traces.home import ExperimentFolder
from traces.kernel import Record

MOST_WAITING = 1000


class Kit(msgspec.Struct, frozen=True):
    """What a node needs: the plan, and where it is another machine than this, the files that the plan names."""

    plan: Plan
    folder: str
    plan_file: bytes
    files: bytes
    scenario: bytes
    environment: dict[str, str]


class Job(msgspec.Struct, frozen=True):
    """A worker's share: the runs to do, the journals' lines of those that were begun, those of runs that are `over` of
    which teams remember something, and how many cases may be begun. `made`: effects of attempts that broke off."""

    share: int
    runs: list[int]
    past: dict[int, list[bytes]]
    over: list[bytes]
    begun: int = 0
    made: dict[int, list[Record]] = {}


class News(NamedTuple):
    """From a node, since it was last asked: the events written, and how many writes the journal is to sync now, these
    included (0: none must wait for it); the runs finished, as JSON; whether that is all, and what went wrong."""

    lines: list[bytes]
    to_sync: int
    done: bytes
    over: bool
    error: str


class Outbox:
    """What a recorder on a node writes to, whose journal stands elsewhere: lines wait to be taken there. At most
    MOST_WAITING writes do; whoever writes more waits too. `sync` sets `hurry`, and waits until the journal has synced
    what was written before; with a journal that is gone it waits for ever, for what comes after it must not be done."""

    def __init__(self, hurry: threading.Event) -> None:
        self._waiting: queue.Queue[Sequence[bytes]] = queue.Queue(MOST_WAITING)
        self._hurry = hurry
        self._written = self._wanted = self._synced = 0  # writes
        self._arrived = threading.Condition()

    def write(self, bodies: Sequence[bytes]) -> None:
        self._waiting.put(bodies)
        self._written += 1

    def sync(self) -> None:
        wanted = self._wanted = self._written
        self._hurry.set()
        with self._arrived:
            self._arrived.wait_for(lambda: self._synced >= wanted)

    def close(self) -> None:
        pass

    def taken(self) -> tuple[list[bytes], int]:
        """What was written since the last call, and how many writes are to be synced, these included; 0: none."""
        wanted = self._wanted
        found: list[bytes] = []
        for _ in range(self._waiting.qsize()):
            found += self._waiting.get_nowait()
        return found, wanted if wanted > self._synced else 0

    def arrived(self, writes: int) -> None:
        """The journal has synced so many."""
        with self._arrived:
            self._synced = writes
            self._arrived.notify_all()


class Node:
    """The actor: a share that is done where Ray has put it. Ray may call `begin` while `news` waits."""

    def __init__(self, kit: bytes, job: bytes, purse: Purse | None = None) -> None:
        given, share = msgspec.msgpack.decode(kit, type=Kit), msgspec.msgpack.decode(job, type=Job)
        plan, folder = given.plan, ExperimentFolder(Path(given.folder))
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        os.environ.update(given.environment)
        if not _is_here(given):
            self._scratch = tempfile.TemporaryDirectory(prefix="headcount-", ignore_cleanup_errors=True)
            folder = ExperimentFolder(Path(self._scratch.name) / "experiments" / folder.id).create()
            plan = _unpacked(given, folder)
            folder.journal_file(share.share).write_bytes(b"".join(share.over))
        from agents.models import quiet

        quiet.environment()
        self._begun = share.begun
        idle = threading.Event()
        self._outbox = Outbox(hurry=idle)
        starts = {
            run: replace(Start.at_the_end_of(Committed(run, partial(list, lines))), made=share.made.get(run, []))
            for run, lines in share.past.items()
        }
        trials = _trials(plan, share.runs)
        begun = (lambda: self._begun, idle)
        self._share = Share(plan, share.share, trials, starts, folder, self._outbox, *begun, purse)

    def begin(self, cases: int) -> None:
        """So many cases may be begun."""
        self._begun = cases

    def news(self, seconds: float, synced: int = 0) -> News:
        """Gathered for so many seconds, or until it has nothing to do or waits for a sync. `synced`: so many writes the
        journal has."""
        self._outbox.arrived(synced)
        self._share.wait(seconds)
        error = ""
        done: list[Done] = []
        over = False
        try:
            done, over = self._share.take(0)
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
        # A run's last event is written before the run is told: taken after it, so that none is told before it is sent.
        return News(*self._outbox.taken(), msgspec.json.encode(done), over, error)

    def stop(self) -> None:
        """End the share; what it writes then is in the `news` that follow."""
        self._share.stop()

    def leave(self) -> None:
        """Leave nothing behind on this machine; what is under way comes to nothing."""
        if self._scratch is not None:
            self._scratch.cleanup()


class RayPurse:
    """The experiment's purse as a node has it: it waits for each answer, about a millisecond."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def used(self) -> Used:
        import ray

        return ray.get(self._actor.used.remote())  # type: ignore[no-any-return]

    def add(self, used: Used) -> None:
        import ray

        ray.get(self._actor.add.remote(used))


def packed(folder: ExperimentFolder, plan: Plan, environment: dict[str, str]) -> bytes:
    """The kit for the nodes of an experiment."""
    scenario = Path(plan.scenario)
    kit = Kit(
        plan,
        str(folder.path),
        folder.plan_file.read_bytes(),
        _zipped(folder.path, ("teams", catalog.FILE, probed.FOLDER)),
        _zipped(scenario.parent, (scenario.name,)),
        environment,
    )
    return msgspec.msgpack.encode(kit)


def _trials(plan: Plan, runs: Sequence[int]) -> list[Trial]:
    """These runs, with their teams as this machine calls them."""
    found = {trial.run: trial for trial in plans.trials(plan, scenarios.load(plan.scenario))}
    return [found[run] for run in runs]


def _is_here(kit: Kit) -> bool:
    """Whether this node sees the experiment's own files: then it uses them, and the indexes beside them."""
    file = Path(kit.folder) / "experiment.json"
    return file.is_file() and file.read_bytes() == kit.plan_file


def _unpacked(kit: Kit, folder: ExperimentFolder) -> Plan:
    """The plan with the files that came along. A local model is served by this machine for itself."""
    for content, target in ((kit.files, folder.path), (kit.scenario, folder.path / "scenario")):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(target)
    os.environ["HEADCOUNT_HOME"] = str(folder.path.parent.parent)
    os.environ.pop(gguf.VARIABLE, None)
    if (folder.path / catalog.FILE).is_file():
        os.environ[catalog.VARIABLE] = str(folder.path / catalog.FILE)
    os.environ[probed.VARIABLE] = str(folder.path / probed.FOLDER)
    teams = tuple(name.replace(kit.folder, str(folder.path)) for name in kit.plan.teams)
    scenario = folder.path / "scenario" / Path(kit.plan.scenario).name
    return msgspec.structs.replace(kit.plan, teams=teams, scenario=str(scenario))


def _zipped(root: Path, names: Sequence[str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            top = root / name
            for path in (top, *sorted(top.rglob("*"))):
                if path.is_file() and "__pycache__" not in path.parts:
                    archive.write(path, path.relative_to(root))
    return target.getvalue()
