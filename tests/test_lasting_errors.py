"""Errors that do not heal: a wrong result that looks right is built upon; an act that must not be made is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.stats import binomtest

from agents.models.simulated.index import index_of
from experiments.failures import autopsy
from experiments.plan import Plan
from tasks import scenario as scenarios
from tests.trials import Done, chats, do, profile
from traces.kernel import ToolExecuted

RUNS = 400
NO_ACT = ("already_credited", "refund_too_late", "sla_other_region")


def _agrees(successes: int, runs: int, expected: float) -> bool:
    interval = binomtest(successes, runs).proportion_ci(0.999, "wilson")
    return bool(interval.low <= expected <= interval.high)


def _careless(path: Path, error: float, looks_right: float) -> str:
    """A model that errs at look-ups alone."""
    rates = {**dict.fromkeys(("retrieve", "compute", "decide", "act", "write"), 0.0), "lookup": error}
    return profile(path, looks_right=looks_right, rates=rates)


def _chain(folder: Path, steps: int) -> Path:
    """A scenario of look-ups, each with a number in it of its own; a wrong number is in no row."""
    (folder / "cases").mkdir(parents=True)
    rows = ", ".join(f"({n}{n}, 'v{n}')" for n in range(1, steps + 1))
    (folder / "world.sql").write_text(f"CREATE TABLE t (k INTEGER, v TEXT);\nINSERT INTO t VALUES {rows};\n")
    (folder / "scenario.yaml").write_text(
        "title: Chain\nstory: A chain of look-ups.\ngoal: Look up.\ndatabase: world.sql\n"
        "budget: {tokens: 1000000}\nroles: {researcher: {tools: [query_database]}}\n"
    )
    lines = ["title: A chain", "request: What are they?"]
    lines += ["answer: " + json.dumps(", ".join(f"{{f{n}}}" for n in range(1, steps + 1)) + "."), "plan:"]
    for n in range(1, steps + 1):
        needs = f", needs: [t{n - 1}]" if n > 1 else ""
        sql = f"SELECT v AS f{n} FROM t WHERE k = {n}{n}"
        fact = f"{{value: v{n}, pattern: 'f{n}=(\\S+)', otherwise: wrong{n}}}"
        lines.append(
            f"  - {{id: t{n}, goal: Look up {n}, role: researcher{needs}, steps: "
            f"[{{id: s{n}, tool: query_database, args: {{sql: {json.dumps(sql)}}}, facts: {{f{n}: {fact}}}}}]}}"
        )
    values = ", ".join(f"v{n}" for n in range(1, steps + 1))
    lines.append(f"expect:\n  - {{grader: mentions, all: [{values}]}}")
    (folder / "cases" / "chain.yaml").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize(("steps", "looks_right"), [(2, 1.0), (5, 1.0), (5, 0.5), (5, 0.0)])
def test_a_chain_of_look_ups_decays_by_the_wrong_results_that_look_right(
    steps: int, looks_right: float, tmp_path: Path
) -> None:
    """Nobody checks. A wrong call comes back empty and is made again, unless its result looks right: 1 - e u a step,
    and a little more where it goes wrong again."""
    error = 0.15
    model = _careless(tmp_path / "model.yaml", error, looks_right)
    done = do(Plan(str(_chain(tmp_path / "chain", steps)), ("pipeline",), model=model, trials=RUNS))
    wrong = sum(looks_right * error * (error * (1 - looks_right)) ** again for again in range(3))
    given_up = (error * (1 - looks_right)) ** 3
    assert _agrees(sum(o.success for o, _ in done), RUNS, (1 - wrong - given_up) ** steps)
    labels = [c.fault for _, recorder in done for c in chats(recorder) if c.fault and "took a wrong" in c.fault.detail]
    assert bool(labels) == (looks_right > 0)
    assert {(fault.mode, fault.detail.split()[-1][0]) for fault in labels} <= {("says_not_does", "f")}


def _billing(tmp_path: Path, team: str, trials: int, **over: object) -> list[Done]:
    model = profile(tmp_path / "model.yaml", **over)
    return do(Plan("billing_support", (team,), model=model, cases=NO_ACT, trials=trials))


def _acts(done: Done) -> int:
    events = [record.event for record in done[1].records if isinstance(record.event, ToolExecuted)]
    return sum(event.ok and event.tool == "create_credit_note" for event in events)


@pytest.mark.parametrize("sees", [0.0, 0.5, 1.0])
def test_an_act_that_must_not_be_made_is_made_and_held_back_as_often_as_the_profile_says(
    sees: float, tmp_path: Path
) -> None:
    rate, trials = 0.4, 60
    done = _billing(tmp_path, "solo", trials, commission=rate, check={"own": sees, "other": sees})
    acted = sum(_acts(one) > 0 for one in done)
    assert _agrees(acted, len(done), rate * (1 - sees))
    assert all(one[0].success == (_acts(one) == 0) for one in done)
    faults = [c.fault for _, recorder in done for c in chats(recorder) if c.fault and c.fault.mode == "oversteps"]
    assert _agrees(len(faults), len(done), rate)


def test_the_oracle_is_not_tempted_and_a_model_without_the_tool_cannot_be(tmp_path: Path) -> None:
    assert not any(map(_acts, do(Plan("billing_support", ("solo",), model="sim:oracle", cases=NO_ACT, trials=1))))
    acted = [one for one in _billing(tmp_path, "pipeline", 30, commission=0.5) if _acts(one)]
    assert acted
    assert {c.agent for _, r in acted for c in chats(r) if c.fault} <= {"coder-1", "coder-2"}


def test_who_believes_that_something_is_due_does_it(tmp_path: Path) -> None:
    """A wrong conclusion leads to the act that follows from it: it is the conclusion that is labelled."""
    done = _billing(tmp_path, "solo", 30, error=0.5, commission=0.0, check={"own": 0.0})
    acted = [one for one in done if _acts(one)]
    assert len(acted) > 20
    modes = {c.fault.mode for _, recorder in acted for c in chats(recorder) if c.fault and c.fault.step}
    assert "oversteps" not in modes


def test_the_autopsy_names_it(tmp_path: Path) -> None:
    scenario = scenarios.load("billing_support")
    done = _billing(tmp_path, "solo", 20, commission=0.6, check={"own": 0.0})
    labels = []
    for outcome, recorder in done:
        if not outcome.success:
            found = autopsy.autopsy(recorder.records, index_of(scenario.case(outcome.case)))
            labels.append(found.label if found else "")
    assert len(labels) > 20
    assert set(labels) == {"oversteps"}


def test_a_tempting_step_is_as_often_wrong_as_its_likelihood_says(tmp_path: Path) -> None:
    """Twice as likely, and never with 0."""
    folder = _chain(tmp_path / "chain", 1)
    path = folder / "cases" / "chain.yaml"
    plain = path.read_text()
    made = []
    for likelihood in (0, 1, 2):
        tempting = f"tempting: {{facts: {{f1: wrong1}}, likelihood: {likelihood}}}"
        path.write_text(plain.replace("otherwise: wrong1}}", "otherwise: wrong1}}, " + tempting))
        model = _careless(tmp_path / "model.yaml", 0.2, 1.0)
        done = do(Plan(str(folder), ("pipeline",), model=model, trials=RUNS))
        made.append(sum(not o.success for o, _ in done))
    assert made[0] == 0
    assert _agrees(made[1], RUNS, 0.2)
    assert _agrees(made[2], RUNS, 0.4)
