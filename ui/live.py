"""Live: how far an experiment is, what came out so far, what it has used, who waits for a person."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from experiments import plan as plans
from experiments import words
from experiments.judging import answers, missing
from experiments.judging.judged import outcomes_in
from experiments.judging.statistics import success_interval
from experiments.judging.verdict import UNJUDGED
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.reading.steps import headline
from experiments.running import launch
from tasks import scenario as scenarios
from traces.errors import HeadcountError
from traces.home import experiment_folder
from traces.kernel import AnswerHandedIn, Budget, MessageSent, least_certain
from traces.rows import ExperimentRow, RunRow
from ui import broken, inbox, shared

ABREAST = 3
NEWEST = 8
MESSAGES = 6
LOOK_BACK = 200
RESUMABLE = ("stopped", "interrupted", "failed")
OVER = {
    "finished": "Finished.",
    "stopped": "Stopped by request. What was done until then is kept.",
    "failed": "Failed. What was done until then is kept.",
    "interrupted": "Worker lost: its process ended without a word. What it recorded until then is kept.",
}


def page() -> None:
    st.title("Live")
    row = shared.choose_experiment()
    if row is None:
        return
    shared.fragment(_watch, 1.0 if row.state in shared.UNDER_WAY else None)(row.id)


def _watch(experiment: str) -> None:
    """One look. While the experiment runs it is repeated every second, without touching the rest of the page."""
    row = shared.store().experiment(experiment)
    running = row.state in shared.UNDER_WAY
    store = shared.store()
    rows = store.live_rows(experiment) if running else store.team_rows(experiment)
    shared.heading(row)
    outcomes = outcomes_in(row.plan, rows)
    lost = missing.losses(outcomes)
    if not running:
        _ended(row)
    elif broke_off := missing.in_total(lost):
        st.error(shared.plain(f"{broke_off} so far. The first error: {missing.first_error(outcomes)}"))
    done = row.done or (len(rows) if running else 0)
    st.progress(min(1.0, done / row.total) if row.total else 0.0, text=_progress(row, done, running))
    inbox.notice(experiment)
    plan = _plan(row)
    _actions(row, plan, running)
    if not running:
        broken.offer(row, lost)
    _teams(outcomes, row, plan, running)
    _spent(rows, row, plan, running)
    _newest_messages(row, rows, running)
    _newest_runs(experiment, rows)
    _follow_the_end(row, running)


def _ended(row: ExperimentRow) -> None:
    """How it ended, and what came out: in red where it did not come to its end, or too many runs have no result."""
    found = answers.answer(row, shared.store())
    text = " ".join(filter(None, (found.text, found.second if found.kind not in UNJUDGED else found.reason)))
    said = (OVER.get(row.state, row.state), shared.plain(row.message), shared.plain(text) if found.kind else "")
    good = row.state == "finished" and found.kind not in UNJUDGED
    (st.success if good else st.error)(" ".join(filter(None, said)))


def _progress(row: ExperimentRow, done: int, running: bool) -> str:
    passed = (time.time() if running else row.updated or row.created) - row.created
    if running and not done:
        return f"Starting: {words.seconds(passed)} so far. A real model's first run can take minutes."
    left = f", about {words.about(passed / done * (row.total - done))} left" if running else ""
    return f"{done:,} of {row.total:,} runs in {words.seconds(passed)}{left}"


def _plan(row: ExperimentRow) -> Plan | None:
    try:
        return plans.read(experiment_folder(row.id, shared.store().home))
    except HeadcountError:
        return None


def _teams(outcomes: list[Outcome], row: ExperimentRow, plan: Plan | None, running: bool) -> None:
    teams: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: o.run):
        teams.setdefault(outcome.name, []).append(outcome)
    if not teams:
        st.caption("No run is finished yet. The first results show here." if running else "No run was finished.")
        return
    each = row.total // (len(plan.teams) * len(plan.engines)) if plan else 0
    passed = time.time() - row.created
    ordered = list(teams.items())
    for start in range(0, len(ordered), ABREAST):
        for column, (team, group) in zip(st.columns(ABREAST), ordered[start : start + ABREAST], strict=False):
            with column, st.container(border=True):
                _team(team, group, each, passed if running else None)


def _team(team: str, outcomes: list[Outcome], each: int, passed: float | None) -> None:
    known = missing.answered(outcomes)
    n, won = len(outcomes), sum(o.success for o in known)
    if known:
        interval = success_interval(known)
        rate, note = f"{interval.value:.0%} succeed", f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"
        _figure(st, team, rate, f"95 % interval {note}")
    else:
        _figure(st, team, "no result yet" if passed else "no result", "every run so far is lost")
    left = f" · about {words.about(passed / n * (each - n))} left" if passed and each > n else ""
    st.progress(min(1.0, n / each) if each else 0.0, text=f"{n:,} of {each or n:,} runs, {won:,} succeeded{left}")
    if lost := missing.in_total(missing.losses(outcomes)):
        st.markdown(f":red[{lost}: no failures, since they have no result]")
    if limited := sum(o.status == "limited" for o in outcomes):
        st.caption(f"{limited:,} were ended by a limit")


def _spent(rows: list[RunRow], row: ExperimentRow, plan: Plan | None, running: bool) -> None:
    """What the runs have used, what all will have used at this rate, and what the budget allows."""
    if not rows:
        return
    share = row.total / len(rows) if row.total else 1.0
    tokens = sum(r.tokens for r in rows)
    costs = [r.cost_usd for r in rows]
    cost = None if None in costs else sum(c for c in costs if c is not None)
    budget = _budget(plan)
    simulated = " (simulated)" if shared.is_simulated(row) else ""
    st.header(f"Used so far{simulated}" if running else f"Used{simulated}", anchor=False)
    first, second, third = st.columns(3)
    said = words.tokens(tokens, least_certain(r.tokens_origin for r in rows), words.count)
    _figure(first, "Tokens", said, _of(budget.tokens, tokens, row.total, words.count))
    _figure(second, "Cost", words.money(cost), _of(budget.cost_usd, cost, row.total, words.money))
    expected = None if cost is None else cost * share
    _figure(
        third,
        "Cost when all are done" if running else "Cost per run",
        words.money(expected if running else None if cost is None else cost / len(rows)),
    )


def _figure(place: Any, name: str, value: str, note: str | None = None) -> None:
    place.metric(name, value, note, delta_color="off", delta_arrow="off")


def _of(limit: float | None, used: float | None, runs: int, say: object) -> str:
    """The use against what the budgets of all runs add up to."""
    if limit is None:
        return "no budget set"
    if used is None or not runs:
        return "price unknown"
    return f"{used / (limit * runs):.0%} of {say(limit * runs)} budgeted"  # type: ignore[operator]


def _budget(plan: Plan | None) -> Budget:
    try:
        return plans.budget_of(plan, scenarios.load(plan.scenario)) if plan else Budget()
    except HeadcountError:  # the scenario was moved or changed since
        return plan.budget if plan else Budget()


def _newest_messages(row: ExperimentRow, rows: list[RunRow], running: bool) -> None:
    """The last things that agents said, of the run that is furthest along."""
    store = shared.store()
    every = store.live_rows(row.id, finished_only=False) if running else rows
    if not every:
        return
    newest = next((r for r in reversed(every) if r.status == "running"), every[-1])
    records = store.events(row.id, newest.run, max(0, newest.events - LOOK_BACK))
    said = [r for r in records if isinstance(r.event, MessageSent | AnswerHandedIn)][-MESSAGES:]
    if said:
        st.header("Newest messages", anchor=False)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(shared.plain(f"run {newest.run}: {newest.team} on {newest.case_id}"), width="content")
            shared.link("replay", "Replay it", experiment=row.id, run=newest.run)
        st.code("\n".join(f"{r.t:8.1f} s  {headline(r)}" for r in said), language=None, wrap_lines=True)


def _newest_runs(experiment: str, rows: list[RunRow]) -> None:
    newest = sorted(rows, key=lambda r: r.run)[-NEWEST:][::-1]
    if newest:
        shared.table(
            [
                {
                    "run": r.run,
                    "team": r.team,
                    "case": r.case_id,
                    "outcome": shared.outcome(r),
                    "tokens": words.tokens(r.tokens, r.tokens_origin),
                    "cost": words.money(r.cost_usd),
                    "latency": words.seconds(r.latency_s),
                    "replay": f"/replay?experiment={experiment}&run={r.run}",
                }
                for r in newest
            ],
            caption=f"Newest {len(newest)} of {len(rows):,} runs",
        )


def _actions(row: ExperimentRow, plan: Plan | None, running: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if running and st.button("Stop", key="stop", help="Within about a second; what is done is kept."):
            launch.stop(row.id)
            st.toast("Asked to stop.")
        if row.state in RESUMABLE and st.button(
            "Resume", key="resume", type="primary", help="Goes on where it stopped; nothing recorded is done again."
        ):
            _resume(row.id)
        on = plan.on if plan is not None and plan.fork is None else ""
        if (
            row.state in RESUMABLE
            and on.startswith("ray")
            and st.button(
                "Resume on this machine", key="resume-here", help=f"The same, by processes here instead of on {on}."
            )
        ):
            _resume(row.id, "processes")
        shared.link("compare", "Compare", experiment=row.id)
        shared.link("replay", "Replay", experiment=row.id)
        shared.link("layers", "Layers", experiment=row.id)
    st.code(row.command, language=None, wrap_lines=True)


def _resume(experiment: str, on: str | None = None) -> None:
    try:
        with st.spinner("Starting again"):
            launch.resume(experiment, on)
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return
    st.rerun()


def _follow_the_end(row: ExperimentRow, running: bool) -> None:
    """When an experiment that was watched has ended, the page is drawn once more, and no longer every second."""
    if running:
        st.session_state["watched"] = row.id
    elif st.session_state.get("watched") == row.id:
        st.session_state.pop("watched")
        st.rerun()
