"""Trials for tests: run a plan's runs in this process and keep their records."""

from __future__ import annotations

from pathlib import Path

from experiments import plan as plans
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.running import forked, left, worker
from experiments.running.trial import Bench, run_trial
from traces.clock import run
from traces.committed import committed
from traces.home import ExperimentFolder
from traces.journal import Journal
from traces.kernel import Chat, Event, Record
from traces.recorder import Recorder

Done = tuple[Outcome, Recorder]


def do(plan: Plan) -> list[Done]:
    """Every run of the plan, under the virtual clock, one after the other."""
    bench = Bench(plan)
    return [run(_one(trial, bench), virtual=True) for trial in plans.trials(plan, bench.scenario)]


async def _one(trial: plans.Trial, bench: Bench) -> Done:
    recorder = Recorder(trial.run, keep=True)
    return await run_trial(trial, bench, recorder), recorder


def conducted(folder: ExperimentFolder) -> list[list[Record]]:
    """Do what is left of an experiment, in this process; the records of its runs."""
    plan = plans.read(folder)
    todo, begun = left.left(plans.trials(plan, Bench(plan).scenario), folder)
    with Journal(folder.journal_file()) as journal:
        worker.do(plan, todo, folder.path, journal, lambda done: None, forked.starts(plan, folder, todo, begun))
    return [run.records for run in committed(folder.journals())]


def events(recorder: Recorder) -> list[Event]:
    return [record.event for record in recorder.records]


def chats(recorder: Recorder) -> list[Chat]:
    return [event for event in events(recorder) if isinstance(event, Chat)]


def puzzle(folder: Path, subtasks: int = 1, cases: int = 1) -> Path:
    """A scenario without tools: each subtask is one conclusion, right or wrong, that rests on the one before it; the
    answer is the last. Every wrong answer is the same."""
    (folder / "cases").mkdir(parents=True)
    (folder / "scenario.yaml").write_text(
        "title: Puzzle\nstory: A chain of conclusions.\ngoal: Conclude.\n"
        "budget: {tokens: 1000000}\nroles: {researcher: {}, coder: {}}\n"
    )
    for case in range(cases):
        (folder / "cases" / f"case_{case}.yaml").write_text(_case(subtasks))
    return folder


def _case(subtasks: int) -> str:
    lines = ["title: A puzzle", "request: What is it?", f'answer: "It is {{f{subtasks}}}."', "plan:"]
    for n in range(1, subtasks + 1):
        given = f", given: [f{n - 1}]" if n > 1 else ""
        needs = f", needs: [t{n - 1}]" if n > 1 else ""
        role = "researcher" if n % 2 else "coder"
        fact = f"{{value: right-{n}, otherwise: wrong-{n}{given}}}"
        lines.append(
            f"  - {{id: t{n}, goal: Conclude {n}, role: {role}{needs}, "
            f"steps: [{{id: s{n}, skill: decide, facts: {{f{n}: {fact}}}}}]}}"
        )
    lines.append(f"expect:\n  - {{grader: mentions, all: [right-{subtasks}]}}")
    return "\n".join(lines) + "\n"


def profile(path: Path, **over: object) -> str:
    """A simulated model without any error but those given: `error` for a conclusion (or `rates` by skill), and other
    fields. Its clones err independently and stand firm, and nothing is lost between agents, unless
    `correlation`, `yields` and `handover` say otherwise."""
    import yaml

    given = dict(over)
    error, rates = given.pop("error", 0.0), given.pop("rates", None)
    check = {"own": 1.0, "other": 1.0, "blind": 1.0, "false_alarm": 0.0, **given.pop("check", {})}  # type: ignore[dict-item]
    data = {
        "context_window": 100_000,
        "error": rates or {"retrieve": 0, "lookup": 0, "compute": 0, "decide": error, "act": 0, "write": 0},
        "plan_error": 0,
        "commission": 0,
        "looks_right": 0,
        "per_1k_context": 0,
        "per_extra_tool": 0,
        "check": check,
        "yields": {"one": 0, "more": 0},
        "handover": {"loss": 0, "bent": 0, "unaided": 1},
        "correlation": {"clones": 0, "others": 0, "family": 0, "case": 0},
        "mix": {"disobeys_task": 1},
        "verbosity": 1.0,
        "speed": {"first_token_s": 0.1, "prefill_tps": 1000, "decode_tps": 100, "jitter": 0},
        "price": {"input": 1.0, "output": 1.0},
        **given,
    }
    path.write_text(yaml.safe_dump(data))
    return f"sim:{path}"
