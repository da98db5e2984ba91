"""Ray: each share is done by an actor, somewhere in the cluster, and what it writes is carried into a journal here.

Trials go to an actor all at once, and it hands on what it finished and wrote about every POLL_S, so Ray's cost a call
does not count. What is to be done outside waits until what is recorded before it has arrived and is synced. Ray is an
extra: it is imported when used.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import runpy
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from experiments import plan as plans
from experiments.order import in_order
from experiments.plan import Plan
from experiments.running import left, remembering, totals
from experiments.running.node import Job, News, packed
from experiments.running.totals import FilePurse, Used
from experiments.running.worker import Done, journal_for
from experiments.running.workers import Worker, WorkerKilled, WorkerLost
from headcount import place
from tasks import scenario as scenarios
from traces.errors import HeadcountError, Unavailable
from traces.home import ExperimentFolder
from traces.journal import Journal

POLL_S = 0.2
LEAVE_S = 2.0
CODE = ("agents", "experiments", "marketplace", "tasks", "tools", "traces")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


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
        node, purse = _actors(str(place.WITHIN) if plan.on == "ray" else None)
        self._actor = self._ray.remote(num_cpus=1, max_restarts=0, max_concurrency=2)(node)
        before = FilePurse(folder.path, 0).used() if totals.limits(plan.total) else Used()
        self._purse = self._ray.remote(num_cpus=0)(purse).remote(before.tokens, before.nano_usd)
        self._begun = 0
        self._actors: list[Any] = []

    def start(self, share: int) -> Worker:
        todo, starts = left.left(plans.dealt(self._trials, share, self._plan.workers), self._folder)
        past = {run: start.written.lines for run, start in starts.items() if start.written is not None}
        with _reached(self._folder.id):
            over = remembering.lines(self._plan, self._folder.path, share)
            made = {run: list(start.made) for run, start in starts.items() if start.made}
            job = Job(share, [trial.run for trial in todo], past, over, self._begun, made)
            actor = self._actor.remote(self._kit, msgspec.msgpack.encode(job), self._purse)
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

    def used(self) -> Used:
        with _reached(self._folder.id):
            return self._ray.get(self._purse.used.remote())  # type: ignore[no-any-return]

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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error says it all
            ray.init(plan.on, runtime_env={"py_modules": [str(place.rooms() / name) for name in CODE]}, **options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError, ray.exceptions.AuthenticationError) as error:
        raise Unavailable(
            f"--on {plan.on}: there is no Ray cluster to be reached there: {_first_line(error)}; if it asks for a "
            f"token, put that into ~/.ray/auth_token or RAY_AUTH_TOKEN; {_elsewhere(experiment)}"
        ) from None
    return ray


def _actors(within: str | None) -> tuple[type, type]:
    """The actors' classes: a node's, and the purse's. Ray carries them by value, for they are local: a worker of Ray on
    this machine has the working folder first on its path, and whatever is there under our names. `within` puts our
    packages first before one is imported; None: a cluster elsewhere has them first as Ray's py_modules."""

    def ours() -> None:
        if within is not None:
            runpy.run_path(within)["place_first"]()

    class Node:
        def __init__(self, kit: bytes, job: bytes, purse: Any) -> None:
            ours()
            from experiments.running import node

            self._node = node.Node(kit, job, node.RayPurse(purse))

        def begin(self, cases: int) -> None:
            self._node.begin(cases)

        def news(self, seconds: float, synced: int = 0) -> tuple[Any, ...]:
            return tuple(self._node.news(seconds, synced))

        def stop(self) -> None:
            self._node.stop()

        def leave(self) -> None:
            self._node.leave()

    class Purse:
        def __init__(self, tokens: int, nano_usd: int) -> None:
            ours()
            from experiments.running import totals

            self._purse = totals.OnePurse(totals.Used(tokens, nano_usd))

        def used(self) -> Any:
            return self._purse.used()

        def add(self, used: Any) -> None:
            self._purse.add(used)

    return Node, Purse


def take_token() -> None:
    """A cluster that was started where there is a token asks for it; Ray's client shows it only where it is told to."""
    named = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if named or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


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

    def _take_last(self) -> None:
        """What it writes when it is stopped, for as long as it may take to leave."""
        until = time.monotonic() + LEAVE_S
        with contextlib.suppress(WorkerLost):
            while not self.over and time.monotonic() < until:
                with _reached(self._experiment):
                    self._ray.wait([self.pending], timeout=LEAVE_S)
                self.news()

    def _got(self) -> News:
        try:
            return News(*self._ray.get(self.pending))
        except self._ray.exceptions.RayActorError as lost:
            lines = str(lost).strip().splitlines()
            if lost.actor_init_failed:
                raise WorkerLost(f"a worker on Ray cannot begin: {lines[-1]}") from None
            raise WorkerKilled(f"a worker on Ray was lost: {lines[0]}") from None

    def stop(self) -> None:
        with contextlib.suppress(WorkerLost), _reached(self._experiment):
            self._actor.stop.remote()

    def end(self) -> None:
        self._take_last()
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
