"""Doing runs again from their record, without a model: the same events come, or it is said where the first other one
comes. The regression test for a changed prompt, tool, grader or engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from agents.models import catalog, probed
from agents.models import table as models
from agents.models.model import Card, Reply, Request
from experiments import plan as plans
from experiments.forks.differing import Verified, explained
from experiments.running import forked
from experiments.running.rerun import Start
from experiments.running.trial import Bench, first_of, run_trial
from traces import clock
from traces.committed import Committed, committed
from traces.errors import HeadcountError, InputError
from traces.home import ExperimentFolder
from traces.kernel import Chat, Record
from traces.past import Past
from traces.rerecorder import Difference, Rerecorder


def verify(folder: ExperimentFolder, run: int | None = None) -> Iterator[Verified]:
    """Do a run of the experiment, or all of them, again. Raises InputError where there is no such run."""
    plan = plans.again(folder)
    with models_of(folder):
        bench = Bench(plan)
        trials = {trial.run: trial for trial in plans.trials(plan, bench.scenario)}
        found = False
        for one in committed(folder.journals()):
            if (run is None or one.number == run) and one.number in trials:
                found = True
                yield _verified(folder, one, trials[one.number], bench)
        if not found:
            raise InputError(f"experiment {folder.id} has no run {'' if run is None else run}".rstrip())


def _verified(folder: ExperimentFolder, run: Committed, trial: plans.Trial, bench: Bench) -> Verified:
    records = run.records
    begun = Start(records, sealed=True)
    start = forked.starts(bench.plan, folder, [trial], {run.number: begun}).get(run.number, begun)
    difference, past = difference_of(trial, bench, start)
    same = Verified(run.number, trial.case, bench.teams[trial.team].name, len(records))
    if difference is None or (difference.recorded is None and run.outcome is None):
        return same  # what was cut off while it ran may go on
    return explained(same, difference, past)


def difference_of(trial: plans.Trial, bench: Bench, start: Start) -> tuple[Difference | None, Past]:
    """Do again what a run starts from, which must be sealed."""
    virtual = models.simulated(bench.plan.model)
    _give_cards(bench, start.expected)
    past = start.past(virtual=virtual)
    assert past is not None
    recorders: list[Rerecorder] = []

    async def again() -> None:
        recorder = start.recorder(trial.run, None, virtual=virtual)
        assert isinstance(recorder, Rerecorder)
        recorders.append(recorder)
        asyncio.get_running_loop().set_exception_handler(_unless_known)
        await run_trial(trial, bench, recorder, past)

    try:
        # A call that is not in the record is waited for until nothing else is left to do: it may have been cut off.
        with suppress(clock.Deadlock):
            clock.run(again(), virtual=True)
    except BaseException as raised:
        if not isinstance(first_of(raised), Difference):
            raise
    (recorder,) = recorders
    if recorder.difference is None and recorder.due is not None:
        recorder.differs(None)
    return recorder.difference, past


def _unless_known(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a task raised that nobody waits for, but for the difference, which is found once and told."""
    if not isinstance(context.get("exception"), Difference):
        loop.default_exception_handler(context)


@contextmanager
def models_of(folder: ExperimentFolder) -> Iterator[None]:
    """Names of models mean what they meant in the experiment, and its servers are known as they were then."""
    meant = {probed.VARIABLE: str(folder.path / probed.FOLDER)}
    if (folder.path / catalog.FILE).is_file():
        meant[catalog.VARIABLE] = str(folder.path / catalog.FILE)
    before = {name: os.environ.get(name) for name in meant}
    os.environ.update(meant)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


class Silent:
    """A model that is known, and never asked."""

    def __init__(self, card: Card) -> None:
        self.card = card

    async def chat(self, request: Request) -> Reply:
        raise AssertionError(f"{self.card.name} was asked")


def _give_cards(bench: Bench, records: Sequence[Record]) -> None:
    """The cards of real models: their own where they are here, else what the record shows of them."""
    if models.simulated(bench.plan.model):
        return
    plan = bench.plan
    bench.model_for = _card_for(plan.model, plan.api_base, records)
    other = forked.model(plan)
    named = {name for team in bench.teams.values() for name in plans.models_of(team.settings)}
    named |= {*models.fallbacks(plan.model), *([other, *models.fallbacks(other)] if other else ())}
    for name in named:
        bench.others[name] = _card_for(name, None, records)


def _card_for(name: str, api_base: str | None, records: Sequence[Record]) -> models.ModelFor:
    try:
        card = models.resolve(name, api_base)(None, 0, 0).card
    except HeadcountError:
        card = _seen(name, records)
    return lambda case, seed, trial: Silent(card)


def _seen(name: str, records: Sequence[Record]) -> Card:
    """What a model's calls show of it. Tools are offered to it natively, or described in the form that it fills in."""
    calls = [e for record in records if isinstance(e := record.event, Chat) and not e.error]
    first = next((chat for chat in calls if chat.model == name), calls[0] if calls else None)
    if first is None:
        return Card(name, simulated=False)
    native = any(chat.tools or chat.tool_calls for chat in calls)
    kv_bytes = first.kv_bytes // first.usage.tokens if first.kv_bytes and first.usage.tokens else None
    return Card(name, simulated=False, tool_calls=native, context_window=first.window, kv_bytes=kv_bytes)
