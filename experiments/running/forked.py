"""What a fork shares with its parent, and what is other in it: read from its experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import structs

from agents.longterm import Fact
from experiments.plan import Plan, Trial
from experiments.running.rerun import Start
from traces import journal
from traces.home import ExperimentFolder, read_json
from traces.kernel import Chat, Lineage, Record
from traces.past import Amendment
from traces.prompts import prompt_at

PAST = "past.jsonl"
"""In the folder of an experiment of forks: its parent's events up to the step, with what was put in place of that."""
RECALLED = "recalled.json"
REPLACING = frozenset(("reply", "arguments", "result", "message", "approved"))
AMENDING = frozenset(("prompt", "instructions"))


def keep_recalled(folder: ExperimentFolder, facts: Sequence[Fact]) -> None:
    """Let the forks have these facts from earlier cases, which their parent was given when it began."""
    (folder.path / RECALLED).write_bytes(msgspec.json.encode(facts))


def recalled(folder: Path) -> list[Fact]:
    """The facts from earlier cases that the forks of an experiment have."""
    file = folder / RECALLED
    return read_json(file, list[Fact], "facts that were recalled") if file.is_file() else []


def replaces(fork: Lineage) -> bool:
    """Whether something else was put in place of what happened at the step."""
    return bool(REPLACING & fork.changes.keys())


def model(plan: Plan) -> str | None:
    """The model that a fork has in the place of its parent's; None where it has the same."""
    return plan.fork.changes.get("model") if plan.fork is not None else None


def shared(fork: Lineage) -> int:
    """How many of its first events a fork has from its past: up to the step, and what was put in place of that."""
    return fork.step + replaces(fork)


def starts(
    plan: Plan, folder: ExperimentFolder, todo: Sequence[Trial], begun: Mapping[int, Start]
) -> Mapping[int, Start]:
    """Where the runs of an experiment start: forks from what they share with their parent, or after it."""
    if plan.fork is None:
        return begun
    past = [record for record, _ in journal.read(folder.path / PAST)]
    return {trial.run: start(plan.fork, past, begun.get(trial.run, Start())) for trial in todo}


def start(fork: Lineage, past: Sequence[Record], begun: Start) -> Start:
    """`past` goes up to the step, that included. `begun`: what the run itself has recorded."""
    amendment = _amendment(fork, past)
    own = past[: shared(fork)]
    expected = begun.expected if len(begun.expected) > len(own) else own
    changed = fork.step if replaces(fork) else -1
    return Start(expected, begun.written, changed, begun.sealed, amendment, begun.made)


def _amendment(fork: Lineage, past: Sequence[Record]) -> Amendment | None:
    """The prompt of the step with another message in it."""
    event = past[fork.step].event
    name = next(iter(AMENDING & fork.changes.keys()), None)
    if name is None or not isinstance(event, Chat):
        return None
    prompt = prompt_at(past, fork.step)
    place = 0 if name == "instructions" else len(prompt) - 1
    message = structs.replace(prompt[place], content=fork.changes[name])
    return Amendment(event.agent, event.purpose, prompt, place, message)
