"""Ray: each share is done by an actor, somewhere in the cluster, and what it writes is carried into a journal here.

Trials go to an actor all at once, and it hands on what it finished and wrote about every POLL_S, so Ray's cost a call
does not count. What is to be done outside waits until what is recorded before it has arrived and is synced. Ray is an
extra: it is imported when used.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import queue
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from agents.models import catalog, gguf
from experiments import plan as plans
from experiments.order import in_order
from experiments.plan import Plan, Trial
from experiments.running import left, remembering
from experiments.running.rerun import Start
from experiments.running.threads import Share
from experiments.running.worker import Done, journal_for
from experiments.running.workers import Worker, WorkerKilled, WorkerLost
from tasks import scenario as scenarios
from traces.committed import Committed
from traces.errors import HeadcountError, Unavailable
from traces.home import ExperimentFolder
from traces.journal import Journal

POLL_S = 0.2
LEAVE_S = 2.0
MOST_WAITING = 1000
CODE = ("agents", "experiments", "marketplace", "tasks", "tools", "traces")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


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
    which teams remember something, and how many cases may be begun."""

    share: int
    runs: list[int]
    past: dict[int, list[bytes]]
    over: list[bytes]
    begun: int = 0


class News(NamedTuple):
    """From a node, since it was last asked: the events written, and how many writes the journal is to sync now, these
    included (0: none must wait for it); the runs finished, as JSON; whether that is all, and what went wrong."""

    lines: list[bytes]
    to_sync: int
    done: bytes
    over: bool
    error: str


def check() -> None:
    """Raises Unavailable if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise Unavailable(
            'Ray is not installed; get it with .venv/bin/pip install "ray==2.60.0", or do without: --on processes'
        )


class OnRay:
    """Workers on a Ray that is started on this machine for this experiment (`ray`), or on one that runs (`ray://...`)."""

    def __init__(self, folder: ExperimentFolder, plan: Plan, environment: dict[str, str]) -> None:
        check()
        self._folder, self._plan = folder, plan
        self._trials = in_order(plan, plans.trials(plan, scenarios.load(plan.scenario)))
        self._ray = _connected(plan, folder.id)
        self._kit = self._ray.put(packed(folder, plan, environment))
        self._actor = self._ray.remote(num_cpus=1, max_restarts=0, max_concurrency=2)(Node)
        self._begun = 0
        self._actors: list[Any] = []

    def start(self, share: int) -> Worker:
        todo, starts = left.left(plans.dealt(self._trials, share, self._plan.workers), self._folder)
        past = {run: start.written.lines for run, start in starts.items() if start.written is not None}
        with _reached(self._folder.id):
            over = remembering.lines(self._plan, self._folder.path, share)
            job = Job(share, [trial.run for trial in todo], past, over, self._begun)
            actor = self._actor.remote(self._kit, msgspec.msgpack.encode(job))
            self._actors.append(actor)
            journal = journal_for(self._plan, self._folder.journal_file(share))
            return _OnRay(self._ray, self._folder.id, share, actor, journal)

    def begin(self, cases: int) -> None:
        if cases != self._begun:
            self._begun = cases
            with _reached(self._folder.id):
                for actor in self._actors:
                    actor.begin.remote(cases)

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        pending = [worker.pending for worker in workers if isinstance(worker, _OnRay)]
        if pending:
            with _reached(self._folder.id):
                self._ray.wait(pending, num_returns=1, timeout=seconds)

    def close(self) -> None:
        self._ray.shutdown()


def _connected(plan: Plan, experiment: str) -> Any:
    """The module `ray`, connected. Nothing is reported to anyone, no dashboard, and here only this machine can reach
    it. Raises Unavailable where there is no cluster at the address."""
    os.environ.update(_QUIET)
    if plan.on != "ray":
        take_token()
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if plan.on == "ray":
        ray.init(
            "local",
            num_cpus=plan.workers,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            object_store_memory=100 << 20,
            **options,
        )
        return ray
    root = Path(__file__).parents[2]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error says it all
            ray.init(plan.on, runtime_env={"py_modules": [str(root / name) for name in CODE]}, **options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError, ray.exceptions.AuthenticationError) as error:
        raise Unavailable(
            f"--on {plan.on}: there is no Ray cluster to be reached there: {_first_line(error)}; if it asks for a "
            f"token, put that into ~/.ray/auth_token or RAY_AUTH_TOKEN; {_elsewhere(experiment)}"
        ) from None
    return ray


def take_token() -> None:
    """A cluster that was started where there is a token asks for it; Ray's client shows it only where it is told to."""
    named = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if named or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


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

    def __init__(self, kit: bytes, job: bytes) -> None:
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
        starts = {run: Start.at_the_end_of(Committed(run, partial(list, lines))) for run, lines in share.past.items()}
        trials = _trials(plan, share.runs)
        self._share = Share(plan, share.share, trials, starts, folder, self._outbox, lambda: self._begun, idle)

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

    def leave(self) -> None:
        """Leave nothing behind on this machine; what is under way comes to nothing."""
        if self._scratch is not None:
            self._scratch.cleanup()


class _OnRay:
    def __init__(self, ray: Any, experiment: str, share: int, actor: Any, journal: Journal) -> None:
        self.share, self.over = share, False
        self._ray, self._experiment, self._actor = ray, experiment, actor
        self._journal, self._synced = journal, 0
        self.pending = actor.news.remote(POLL_S)

    def news(self) -> list[Done]:
        if self.over:
            return []
        with _reached(self._experiment):
            ready, _ = self._ray.wait([self.pending], timeout=0)
            if not ready:
                return []
            news = self._got()
        self.over = news.over
        if news.lines:
            self._journal.write(news.lines)
        if news.to_sync:
            self._journal.sync()
            self._synced = news.to_sync
        if not self.over:
            with _reached(self._experiment):
                self.pending = self._actor.news.remote(POLL_S, self._synced)
        if news.error:
            raise WorkerLost(f"a worker on Ray ended: {news.error}")
        return msgspec.json.decode(news.done, type=list[Done])

    def _got(self) -> News:
        try:
            return News(*self._ray.get(self.pending))
        except self._ray.exceptions.RayActorError as lost:
            lines = str(lost).strip().splitlines()
            if lost.actor_init_failed:
                raise WorkerLost(f"a worker on Ray cannot begin: {lines[-1]}") from None
            raise WorkerKilled(f"a worker on Ray was lost: {lines[0]}") from None

    def end(self) -> None:
        with contextlib.suppress(WorkerLost), _reached(self._experiment):
            self._ray.wait([self._actor.leave.remote()], timeout=LEAVE_S)
            self._ray.kill(self._actor)
        self._journal.close()


@contextlib.contextmanager
def _reached(experiment: str) -> Iterator[None]:
    """Raises WorkerLost for whatever Ray raises where its cluster has gone away: it has no one type for that."""
    try:
        yield
    except HeadcountError:
        raise
    except Exception as gone:
        raise WorkerLost(
            f"the Ray cluster failed, or cannot be reached any more: {_first_line(gone)}; {_elsewhere(experiment)}"
        ) from gone


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _elsewhere(experiment: str) -> str:
    return f"if it is gone for good, go on without it: headcount resume {experiment} --on processes"


def packed(folder: ExperimentFolder, plan: Plan, environment: dict[str, str]) -> bytes:
    """The kit for the nodes of an experiment."""
    scenario = Path(plan.scenario)
    kit = Kit(
        plan,
        str(folder.path),
        folder.plan_file.read_bytes(),
        _zipped(folder.path, ("teams", catalog.FILE)),
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
