"""Ray: each share is done by an actor, somewhere in the cluster, and its journal is carried back as it grows.

An actor keeps its journal on its own disk and hands on what was added with every answer; trials go to it all at once,
and an answer comes about every POLL_S, so Ray's cost a call does not count. Ray is an extra: it is imported when used.
"""

from __future__ import annotations

import importlib.util
import io
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from agents.models import catalog
from experiments import left
from experiments import plan as plans
from experiments.executors import Share, Worker, WorkerKilled, WorkerLost
from experiments.order import in_order
from experiments.plan import Plan
from experiments.worker import Done
from tasks import scenario as scenarios
from traces import journal
from traces.errors import Unavailable
from traces.home import ExperimentFolder
from traces.journal import Journal

POLL_S = 0.2
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


def check() -> None:
    """Raises Unavailable if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise Unavailable('Ray is not installed; get it with .venv/bin/pip install "ray==2.60.0"')


class OnRay:
    """Workers on a Ray that is started on this machine for this experiment (`ray`), or on one that runs (`ray://...`)."""

    def __init__(self, folder: ExperimentFolder, plan: Plan, environment: dict[str, str]) -> None:
        check()
        self._folder, self._plan = folder, plan
        self._trials = in_order(plan, plans.trials(plan, scenarios.load(plan.scenario)))
        self._ray = _connected(plan)
        scenario = Path(plan.scenario)
        kit = Kit(
            plan,
            str(folder.path),
            folder.plan_file.read_bytes(),
            _zipped(folder.path, ("teams", catalog.FILE)),
            _zipped(scenario.parent, (scenario.name,)),
            environment,
        )
        self._kit = self._ray.put(msgspec.msgpack.encode(kit))
        self._actor = self._ray.remote(num_cpus=1, max_restarts=0)(Node)

    def start(self, share: int) -> Worker:
        todo, _ = left.left(plans.dealt(self._trials, share, self._plan.workers), self._folder)
        return _OnRay(self._ray, share, self._actor.remote(self._kit, [trial.run for trial in todo]), self._folder)

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        pending = [worker.pending for worker in workers if isinstance(worker, _OnRay)]
        if pending:
            self._ray.wait(pending, num_returns=1, timeout=seconds)

    def close(self) -> None:
        self._ray.shutdown()


def _connected(plan: Plan) -> Any:
    """The module `ray`, connected. Nothing is reported to anyone, no dashboard, and here only this machine can reach
    it. Raises Unavailable where there is no cluster at the address."""
    os.environ.update(_QUIET)
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
    root = Path(__file__).parents[1]
    try:
        ray.init(plan.on, runtime_env={"py_modules": [str(root / name) for name in CODE]}, **options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise Unavailable(f"--on {plan.on}: there is no Ray cluster to be reached there: {error}") from None
    return ray


class Node:
    """The actor: a share that is done where Ray has put it."""

    def __init__(self, kit: bytes, runs: list[int]) -> None:
        given = msgspec.msgpack.decode(kit, type=Kit)
        self._scratch = tempfile.TemporaryDirectory(prefix="headcount-")
        folder = ExperimentFolder(Path(self._scratch.name) / "experiments" / Path(given.folder).name).create()
        os.environ.update(given.environment)
        plan = given.plan if _is_here(given) else _unpacked(given, folder)
        from agents.models import quiet

        quiet.environment()
        self._journal = folder.journal_file()
        self._sent: dict[Path, int] = {}
        self._share = Share(plan, runs, folder, self._journal, past=False)

    def news(self) -> tuple[list[bytes], bytes, bool, str]:
        """The events written and the runs finished since the last call, whether that is all, and what went wrong."""
        error = ""
        done: list[Done] = []
        over = False
        try:
            done, over = self._share.take(POLL_S)
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
        return self._new_lines(), msgspec.json.encode(done), over, error

    def _new_lines(self) -> list[bytes]:
        """A journal ends with a run's last event before the run is told, so that none is told before it is sent."""
        found: list[bytes] = []
        for path in journal.segments(self._journal):
            for line, after in journal.lines(path, self._sent.get(path, 0)):
                found.append(line)
                self._sent[path] = after
        return found


class _OnRay:
    def __init__(self, ray: Any, share: int, actor: Any, folder: ExperimentFolder) -> None:
        self.share, self.over = share, False
        self._ray, self._actor = ray, actor
        self._journal = Journal(folder.journal_file(share))
        self.pending = actor.news.remote()

    def news(self) -> list[Done]:
        ready, _ = self._ray.wait([self.pending], timeout=0)
        if not ready or self.over:
            return []
        try:
            lines, done, self.over, error = self._ray.get(self.pending)
        except self._ray.exceptions.RayActorError as lost:
            raise WorkerKilled(f"a worker on Ray was lost: {str(lost).splitlines()[0]}") from None
        if lines:
            self._journal.write([line[: line.rindex(b',"crc":')] for line in lines])
        if error:
            raise WorkerLost(f"a worker on Ray ended: {error}")
        if not self.over:
            self.pending = self._actor.news.remote()
        return msgspec.json.decode(done, type=list[Done])

    def end(self) -> None:
        self._ray.kill(self._actor)
        self._journal.close()


def _is_here(kit: Kit) -> bool:
    """Whether this node sees the experiment's own files: then it uses them, and the indexes beside them."""
    file = Path(kit.folder) / "experiment.json"
    return file.is_file() and file.read_bytes() == kit.plan_file


def _unpacked(kit: Kit, folder: ExperimentFolder) -> Plan:
    """The plan with the files that came along."""
    for content, target in ((kit.files, folder.path), (kit.scenario, folder.path / "scenario")):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(target)
    os.environ["HEADCOUNT_HOME"] = str(folder.path.parent.parent)
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
