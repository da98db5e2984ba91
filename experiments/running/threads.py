"""Workers that are threads of this process."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence

from experiments import plan as plans
from experiments.order import in_order
from experiments.plan import Plan, Trial
from experiments.running import left
from experiments.running.halting import Halt, Halted
from experiments.running.rerun import Start
from experiments.running.stopping import Turn
from experiments.running.totals import FilePurse, Purse, Used
from experiments.running.worker import Done, do, journal_for
from experiments.running.workers import Worker
from tasks import scenario as scenarios
from tasks.scenario import Scenario
from traces.home import ExperimentFolder
from traces.recorder import Writer

END_S = 2.0


class Share:
    """A share that is done by a thread of this process, into a journal that is the thread's from then on."""

    def __init__(
        self,
        plan: Plan,
        share: int,
        todo: Sequence[Trial],
        starts: Mapping[int, Start],
        folder: ExperimentFolder,
        journal: Writer,
        begun: Callable[[], int],
        idle: threading.Event,
        purse: Purse | None,
    ) -> None:
        """`starts`: where those of the runs start that were begun. `begun`: how many cases may be begun, where the
        experiment may stop early. `idle` is set where there is no more to wait for."""
        self._plan, self._share, self._folder, self._journal, self._begun = plan, share, folder, journal, begun
        self._done: queue.SimpleQueue[Done | BaseException | None] = queue.SimpleQueue()
        self._idle, self._purse = idle, purse
        self._halt = Halt()
        self._thread = threading.Thread(target=self._work, args=(todo, starts), daemon=True, name="share")
        self._thread.start()

    def _work(self, todo: Sequence[Trial], starts: Mapping[int, Start]) -> None:
        try:
            may_begin = self._may_begin(scenarios.load(self._plan.scenario))
            with contextlib.closing(self._journal) as journal:
                args = (starts, may_begin, self._share, self._halt, self._purse)
                do(self._plan, todo, self._folder.path, journal, self._tell, *args)
            self._done.put(None)
        except Halted:
            self._done.put(None)
        except BaseException as error:
            self._done.put(error)
        self._idle.set()

    def _may_begin(self, scenario: Scenario) -> Callable[[Trial], bool]:
        turn = Turn(self._plan, scenario, self._begun) if self._plan.stop_early is not None else None
        held: set[int] = set()

        def may_begin(trial: Trial) -> bool:
            self._halt.check()
            if turn is None or turn.has(trial):
                return True
            if trial.run not in held:
                held.add(trial.run)
                self._idle.set()
            return False

        return may_begin

    def _tell(self, done: Done) -> None:
        self._done.put(done)
        self._halt.check()

    def stop(self) -> None:
        """Ask it to end: calls under way are cancelled, and come into the trace as that."""
        self._halt()

    def join(self, seconds: float) -> None:
        """Wait for its end, but only so long: what computes cannot be cancelled."""
        self._thread.join(seconds)

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as it is at its end or a run has begun to wait for its case."""
        self._idle.wait(seconds)
        self._idle.clear()

    def take(self, seconds: float) -> tuple[list[Done], bool]:
        """What was finished, waiting so long for the first of it, and whether that is all. Raises what it raised."""
        found: list[Done] = []
        try:
            item = self._done.get(timeout=seconds) if seconds else self._done.get_nowait()
            while isinstance(item, Done):
                found.append(item)
                item = self._done.get_nowait()
        except queue.Empty:
            return found, False
        if item is None:
            return found, True
        raise item


class Here:
    """All shares in this process, each in a thread: for a notebook or a debugger."""

    def __init__(self, folder: ExperimentFolder, plan: Plan) -> None:
        self._folder, self._plan = folder, plan
        self._trials = in_order(plan, plans.trials(plan, scenarios.load(plan.scenario)))
        self._begun = 0

    def start(self, share: int) -> Worker:
        journal = journal_for(self._plan, self._folder.journal_file(share))
        todo, starts = left.left(plans.dealt(self._trials, share, self._plan.workers), self._folder)
        idle, purse = threading.Event(), FilePurse(self._folder.path, share + 1)
        args = (starts, self._folder, journal, lambda: self._begun, idle, purse)
        return _Thread(share, Share(self._plan, share, todo, *args))

    def begin(self, cases: int) -> None:
        self._begun = cases

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        for worker in workers:
            if isinstance(worker, _Thread):
                worker.look(seconds / len(workers))

    def used(self) -> Used:
        return FilePurse(self._folder.path, 0).used()

    def close(self) -> None:
        pass


class _Thread:
    def __init__(self, share: int, work: Share) -> None:
        self.share, self.over, self._work = share, False, work
        self._found: list[Done] = []

    def look(self, seconds: float) -> None:
        if not self.over:
            found, self.over = self._work.take(seconds)
            self._found += found

    def news(self) -> list[Done]:
        self.look(0)
        found, self._found = self._found, []
        return found

    def stop(self) -> None:
        self._work.stop()

    def end(self) -> None:
        self._work.stop()
        self._work.join(END_S)
