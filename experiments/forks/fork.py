"""Forking a run: its past up to a step is shared, one thing is changed there, and from there it runs on."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct, field, structs

from agents import longterm, table
from agents.longterm import Fact
from agents.models import table as models
from experiments import plan as plans
from experiments.forks.verify import difference_of, models_of
from experiments.plan import Plan
from experiments.running import forked, launch
from experiments.running.conduct import prepare
from experiments.running.rerun import Start
from experiments.running.trial import Bench
from traces import home
from traces.committed import Committed, committed
from traces.errors import HeadcountError, InputError
from traces.home import ExperimentFolder
from traces.journal import Journal
from traces.kernel import (
    ApprovalDecided,
    Budget,
    Chat,
    Event,
    Lineage,
    MessageSent,
    Record,
    RunStarted,
    ToolCall,
    ToolExecuted,
)
from traces.prompts import prompt_at
from traces.store import Store

WORDING = {"prompt", "instructions"}
BUDGET = {"tokens": int, "cost_usd": float, "seconds": float, "calls": int}


class ForkPlan(Struct, frozen=True):
    """Run `run` of `experiment` is to be forked at `step`, `trials` times. `changes`: what is other there, by the
    names that `changeable` gives; none is allowed: then only the draws of what comes after differ."""

    experiment: str
    run: int
    step: int
    changes: dict[str, str] = field(default_factory=dict)
    trials: int = 1


def changeable(experiment: str, run: int, step: int) -> dict[str, str]:
    """What can be changed at a step of a run, and what it is there. Raises InputError where there is no such step."""
    folder = home.find_experiment(experiment)
    store = Store()
    _check_step(run, step, store.run(folder.id, run).events)
    plan = plans.read(folder)
    started = store.picked(folder.id, run, [0])[0].event
    assert isinstance(started, RunStarted)
    found = _of_event(store.moment(folder.id, run, step), step)
    found["model"] = plan.model
    budget = started.run.budget
    found |= {f"budget.{name}": str(getattr(budget, name) or "none") for name in BUDGET}
    return found | {"team.FIELD": "a field of the team's file, such as team.stop.max_rounds or team.agent.check"}


def _of_event(records: list[Record], step: int) -> dict[str, str]:
    """`records`: of the step, and before it those that its prompt is made of."""
    event = records[-1].event
    if isinstance(event, Chat):
        prompt = prompt_at(records, step)
        found = {"prompt": prompt[-1].content, "reply": event.text}
        if prompt[0].role == "system":
            found["instructions"] = prompt[0].content
        return found | ({"arguments": event.tool_calls[0].arguments} if len(event.tool_calls) == 1 else {})
    if isinstance(event, ToolExecuted):
        return {"result": event.result}
    if isinstance(event, MessageSent):
        return {"message": event.message.content}
    if isinstance(event, ApprovalDecided):
        return {"approved": "yes" if event.approved else "no"}
    return {}


def changes_of(settings: list[str]) -> dict[str, str]:
    """What `--set NAME=VALUE` says. Raises InputError for what has no `=`."""
    for setting in settings:
        if "=" not in setting:
            raise InputError(f"--set {setting}: give NAME=VALUE")
    return {name: value for name, _, value in (setting.partition("=") for setting in settings)}


def caveat(parent: ExperimentFolder, changes: Collection[str]) -> str:
    """What must be known of forks with such changes, in a sentence; empty where there is nothing."""
    if not WORDING.intersection(changes) or not models.simulated(plans.read(parent).model):
        return ""
    return (
        "A simulated model takes facts and subtasks from a prompt and does not read how it is put: with other words it "
        "draws anew, no more. Whether a prompt mends the run, only a real model tells."
    )


def command_line(fork: ForkPlan) -> str:
    """The command that does the same."""
    return plans.fork_line(Lineage(fork.experiment, fork.run, fork.step, fork.changes), fork.trials)


def start(fork: ForkPlan) -> str:
    """Start the fork in a process of its own and return the id of its experiment. Raises InputError, and starts
    nothing, where it cannot be made."""
    return launch.go(prepared(fork))


def prepared(fork: ForkPlan) -> ExperimentFolder:
    """The fork as an experiment that is ready to be conducted."""
    parent = home.find_experiment(fork.experiment)
    records = _records(parent, fork.run, fork.step)
    if fork.trials < 1:
        raise InputError(f"--trials: {fork.trials} is too few: give at least 1")
    _check_names(parent.id, fork)
    plan = _plan(parent, records, fork)
    here = structs.replace(records[fork.step], event=_changed(records[fork.step].event, fork.changes))
    past = [*records[: fork.step], here]
    with models_of(parent):
        _check_shared(plan, past)
        folder = prepare(plan)
    forked.keep_recalled(folder, _given(parent, records))
    with Journal(folder.path / forked.PAST) as file:
        for record in past:
            file.append(record)
    return folder


def _given(parent: ExperimentFolder, records: list[Record]) -> list[Fact]:
    """The facts from earlier cases that the run was given."""
    return forked.recalled(parent.path) if plans.read(parent).fork else longterm.recalled(records) or []


def _records(folder: ExperimentFolder, run: int, step: int) -> list[Record]:
    found: Committed | None = next((one for one in committed(folder.journals()) if one.number == run), None)
    if found is None:
        raise InputError(f"experiment {folder.id} has no run {run}; `headcount list {folder.id}` shows them")
    _check_step(run, step, len(found.records))
    return found.records


def _check_step(run: int, step: int, events: int) -> None:
    if not 1 <= step < events:
        raise InputError(f"--at: run {run} can be forked at steps 1 to {events - 1}, not {step}")


def _check_names(experiment: str, fork: ForkPlan) -> None:
    known = changeable(experiment, fork.run, fork.step)
    for name in fork.changes:
        if name not in known and not name.startswith("team."):
            raise InputError(f"--set {name}: at step {fork.step} can be set: {', '.join(known)}")


def _plan(parent: ExperimentFolder, records: list[Record], fork: ForkPlan) -> Plan:
    plan = plans.again(parent)
    first = records[0].event
    assert isinstance(first, RunStarted)
    run = first.run
    team = next((name for name in plan.teams if table.name_of(name) == run.team), run.team)
    draws = plan.fork.draws if plan.fork is not None else run.trial
    lineage = Lineage(parent.id, fork.run, fork.step, fork.changes, draws)
    changed = {name: _number(name, value) for name, value in fork.changes.items() if name.startswith("budget.")}
    budget = {**structs.asdict(run.budget), **{name.partition(".")[2]: value for name, value in changed.items()}}
    _check_model(plan, fork.changes.get("model"))
    return structs.replace(
        plan,
        teams=(team,),
        engines=(run.engine,),
        cases=(run.case,),
        trials=fork.trials,
        budget=Budget(**budget),
        workers=1 if fork.trials == 1 else 0,
        fork=lineage,
    )


def _number(name: str, value: str) -> float | int | None:
    if value == "none":
        return None
    try:
        return BUDGET[name.partition(".")[2]](value)  # type: ignore[no-any-return]
    except ValueError:
        raise InputError(f"--set {name}={value}: not a number") from None


def _check_model(plan: Plan, name: str | None) -> None:
    """What was said so far must be something that the other model can go on with."""
    if name is None:
        return
    old, new = models.resolve(plan.model, plan.api_base)(None, 0, 0).card, models.resolve(name)(None, 0, 0).card
    if old.simulated != new.simulated:
        raise InputError(f"--set model={name}: simulated and real models cannot be mixed, their time is not the same")
    if old.tool_calls != new.tool_calls:
        raise InputError(f"--set model={name}: it calls tools in another form than {plan.model}, and cannot go on")


def _changed(event: Event, changes: dict[str, str]) -> Event:
    """The event, with what was put in its place."""
    if isinstance(event, Chat) and {"reply", "arguments"} & changes.keys():
        if "arguments" in changes:
            call = event.tool_calls[0]
            text = changes.get("reply", event.text)
            return structs.replace(event, text=text, tool_calls=(ToolCall(call.id, call.name, changes["arguments"]),))
        return structs.replace(event, text=changes["reply"], tool_calls=(), finish_reason="stop", error="")
    if isinstance(event, ToolExecuted) and "result" in changes:
        return structs.replace(event, result=changes["result"])
    if isinstance(event, MessageSent) and "message" in changes:
        return MessageSent(structs.replace(event.message, content=changes["message"]))
    if isinstance(event, ApprovalDecided) and "approved" in changes:
        if changes["approved"] not in ("yes", "no"):
            raise InputError(f"--set approved={changes['approved']}: give yes or no")
        approved = changes["approved"] == "yes"
        return structs.replace(event, approved=approved, approver="fork", reason="decided by the fork")
    return event


def _check_shared(plan: Plan, past: list[Record]) -> None:
    """What was changed must not show before the step."""
    bench = Bench(plan)
    (trial, *_) = plans.trials(plan, bench.scenario)
    assert plan.fork is not None
    difference, _ = difference_of(trial, bench, forked.start(plan.fork, past, Start(sealed=True)))
    if difference is not None and difference.recorded is not None:
        if not any(name.startswith(("team.", "budget.")) for name in plan.fork.changes):
            raise HeadcountError(
                f"the run cannot be done again up to step {plan.fork.step}: it differs at step {difference.seq} (see "
                "headcount verify): were files of the scenario changed?"
            )
        raise InputError(f"what is set shows already at step {difference.seq}: fork at that step, or before it")
