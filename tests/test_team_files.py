"""Teams as files: what they take, what is said of a mistake, and that the settings do something."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from msgspec import structs

from agents import settings, table
from agents.stopping import Met, Standing, agreement, budget, max_rounds
from agents.teams.router import fits
from experiments import plan as plans
from experiments.plan import Plan
from tasks import scenario as scenarios
from tests.trials import chats, do, events, profile, puzzle
from traces.errors import InputError, ScenarioError
from traces.kernel import (
    AgentCreated,
    DeadLetter,
    LimitHit,
    Message,
    MessageSent,
    Noted,
    RunFinished,
    TaskAwarded,
    TaskReposted,
    ToolExecuted,
)
from traces.recorder import Recorder

SCENARIO = "market_brief"
LOST = "not_assigned"


def _team(folder: Path, text: str, name: str = "mine") -> str:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("shape: duo\n", 1, "no team 'duo': one of cascade"),
        ("shape: solo\nmembers: [{role: boss}]\n", 2, "no role 'boss'; there are: solo"),
        ("shape: supervisor\n\nmembers:\n  - {role: coder, count: 0}\n", 4, "greater than or equal to 1"),
        ("shape: pipeline\nmembers: [{role: coder}]\n", 2, "pipeline has no 'members'; it takes about, agent"),
        ("shape: router\nroutes: [{when: {matches: '('}, team: solo}]\n", 2, "not a regular expression"),
        ("shape: hybrid\ninbox: {limit: 2}\n", 2, "hybrid has no 'inbox'"),
        ("shape: graph\ninbox: {limit: 0}\n", 2, "greater than or equal to 1"),
        ("shape: solo\nsize: 3\n", 2, "there is no such field here"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, says: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as raised:
        table.team(_team(tmp_path, text))
    assert raised.value.line == line
    assert says in str(raised.value)


def test_what_a_file_leaves_out_is_as_in_the_shipped_team(tmp_path: Path) -> None:
    text = "shape: supervisor\nmembers: [{role: coder, count: 2}]\nreviewer: {role: reviewer, model: sim:large}\n"
    team = table.team(_team(tmp_path, text))
    assert team.name == "mine"
    assert team.settings.stop.max_rounds == 3
    ((_, recorder),) = do(Plan(SCENARIO, (_team(tmp_path, text),), model="sim:medium", cases=1, trials=1))
    made = [(e.agent, e.model) for e in events(recorder) if isinstance(e, AgentCreated)]
    assert made == [
        ("supervisor", "sim:medium"),
        ("coder-1", "sim:medium"),
        ("coder-2", "sim:medium"),
        ("reviewer", "sim:large"),
    ]
    assert {c.model for c in chats(recorder) if c.agent == "reviewer"} == {"sim:large"}


def test_every_shipped_team_is_data_and_says_what_it_is() -> None:
    assert sorted([*table.TEAMS, *table.ELSEWHERE]) == settings.shipped()
    for name in table.TEAMS:
        assert len(table.team(name).settings.about) > 40
        assert table.team(name).shape.__doc__


def test_teams_of_one_name_and_of_mixed_models_are_refused(tmp_path: Path) -> None:
    solo = _team(tmp_path, "shape: solo\n", "solo")
    with pytest.raises(InputError, match="both called 'solo'"):
        plans.check(Plan(SCENARIO, ("solo", solo)))
    mixed = _team(tmp_path, "shape: solo\nagent: {fallback: openai/gpt-4o-mini}\n", "mixed")
    with pytest.raises(InputError, match="simulated and real models cannot be mixed"):
        plans.check(Plan(SCENARIO, (mixed,)))
    behind = _team(tmp_path, f"shape: router\nroutes: [{{team: '{mixed}'}}]\n", "behind")
    with pytest.raises(InputError, match="cannot be mixed"):
        plans.check(Plan(SCENARIO, (behind,)))


def test_a_team_of_ones_own_is_a_function_by_its_import_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_teams.py").write_text(
        "async def pair(work):\n"
        "    first, second = work.hire('solo', 'first'), work.hire('solo', 'second')\n"
        "    work.hand_in('second', await second.work(await first.work('Answer.'), trusted=False))\n"
        "    return work.answer\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    ((outcome, recorder),) = do(Plan(SCENARIO, ("own_teams:pair",), model="sim:oracle", cases=1, trials=1))
    assert outcome.success
    assert {c.agent for c in chats(recorder)} == {"first", "second"}


def test_stop_rules_compose_and_say_which_was_met() -> None:
    rule = agreement(0.6) | budget(0.9) | max_rounds(3)
    assert rule(Standing(1, 0.5, 0.2)) is None
    assert rule(Standing(1, 0.75, 0.95)) == Met("agreement", 0.75, 0.6)
    assert rule(Standing(3, 0.5, 0.95)) == Met("budget", 0.95, 0.9)
    assert rule(Standing(3, 0.5, None)) == Met("max_rounds", 3, 3)


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        ("{max_rounds: 1, agreement: 1.0}", "max_rounds"),
        ("{budget: 0.0001}", "budget"),
        ("{agreement: 0.5}", "agreement"),
    ],
)
def test_a_run_says_which_rule_ended_it(stop: str, kind: str, tmp_path: Path) -> None:
    scenario = puzzle(tmp_path / "puzzle")
    model = profile(tmp_path / "model.yaml", error=0.5, check={"other": 0.0})
    team = _team(tmp_path, f"shape: debate\nstop: {stop}\n")
    for _, recorder in do(Plan(str(scenario), (team,), model=model, trials=10)):
        (met,) = [e for e in events(recorder) if isinstance(e, LimitHit)]
        finished = events(recorder)[-1]
        assert isinstance(finished, RunFinished)
        assert finished.ended_by == f"{met.kind}: {met.value:g} of {met.limit:g}"
        assert finished.status == "completed"
        assert met.kind in (kind, "agreement")
        assert met.value >= met.limit


def _messages(recorder: object) -> list[Message]:
    return [e.message for e in events(recorder) if isinstance(e, MessageSent)]  # type: ignore[arg-type]


def test_only_the_winner_acts() -> None:
    """Attempts that come to nothing change nothing: every outside effect is made by one agent, after the vote."""
    for team in ("ensemble", "debate", "cascade"):
        for _, recorder in do(Plan("billing_support", (team,), model="sim:small", cases=10, trials=1)):
            effects = [r for r in recorder.records if isinstance(r.event, ToolExecuted) and r.event.effect == "outside"]
            assert len({r.event.agent for r in effects}) <= 1  # type: ignore[union-attr]


def test_hybrid_workers_ask_each_other() -> None:
    asked = 0
    for _, recorder in do(Plan("billing_support", ("hybrid",), model="sim:oracle", cases=4, trials=1)):
        questions = [m for m in _messages(recorder) if m.kind == "question"]
        answers = {m.reply_to for m in _messages(recorder) if m.kind == "answer"}
        assert {m.id for m in questions} == answers
        assert all(m.sender != m.to != "supervisor" for m in questions)
        asked += len(questions)
    assert asked


def test_a_route_is_chosen_by_what_the_case_shows(tmp_path: Path) -> None:
    text = "shape: router\nroutes: [{when: {feature: parallel}, team: graph}, {team: solo}]\n"
    team = _team(tmp_path, text)
    done = do(Plan(SCENARIO, (team,), model="sim:oracle", trials=1))
    scenario = scenarios.load(SCENARIO)
    for outcome, recorder in done:
        assert outcome.success
        (note,) = [e for e in events(recorder) if isinstance(e, Noted) and e.kind == "route"]
        parallel = "parallel" in scenario.case(outcome.case).features
        assert note.text == ("graph: feature parallel" if parallel else "solo: no other route fits")


def test_all_conditions_of_a_route_must_hold() -> None:
    case = scenarios.load(SCENARIO).cases[0]
    when = settings.When(difficulty=case.difficulty, matches=case.request[:5], longer_than=10)
    assert fits(when, case)
    assert not fits(when.model_copy(update={"longer_than": 100_000}), case)
    assert not fits(when.model_copy(update={"feature": "no such label"}), case)


def test_a_team_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    path = _team(tmp_path, "shape: solo\nabout: one\n")
    assert table.team(path).settings.about == "one"
    Path(path).write_text("shape: solo\nabout: another one\n")
    assert table.team(path).settings.about == "another one"


def _outstanding(recorder: Recorder) -> int:
    """The most assignments that one worker had at once: those it was sent, less those it has reported on."""
    at_once: Counter[str] = Counter()
    most = 0
    for message in _messages(recorder):
        if message.kind == "assign" and message.to is not None:
            at_once[message.to] += 1
        elif message.kind == "report":
            at_once[message.sender] -= 1
        most = max(most, *at_once.values(), 0)
    return most


@pytest.mark.parametrize("full", ["wait", "drop_oldest", "refuse"])
def test_a_worker_has_as_many_assignments_as_its_inbox_takes(full: str, tmp_path: Path) -> None:
    """One in hand and one waiting; the supervisor keeps the others back, or hears that they were not done."""
    small = "shape: supervisor\nmembers: [{role: researcher}, {role: coder}]\ninbox: {limit: %s, full: %s}\n"
    bounded = _team(tmp_path, small % (1, full))
    unbounded = _team(tmp_path, small % ("null", full), "unbounded")
    plan = Plan(SCENARIO, (bounded,), model="sim:oracle", cases=8, trials=1)
    free = do(structs.replace(plan, teams=(unbounded,)))
    done = do(plan)
    assert max(_outstanding(recorder) for _, recorder in free) > 2
    assert all(outcome.success for outcome, _ in free)
    lost = [note for _, recorder in done for note in events(recorder) if isinstance(note, Noted) and note.kind == LOST]
    letters = [event for _, recorder in done for event in events(recorder) if isinstance(event, DeadLetter)]
    assert len(lost) == len(letters)
    if full == "wait":
        assert max(_outstanding(recorder) for _, recorder in done) == 2
        assert [outcome.latency_s for outcome, _ in done] == [outcome.latency_s for outcome, _ in free]
        assert all(outcome.success for outcome, _ in done)
        assert not letters
    else:
        assert letters
        assert all(("dropped" in letter.reason) == (full == "drop_oldest") for letter in letters)


def test_a_market_gives_what_a_full_inbox_refuses_to_somebody_else(tmp_path: Path) -> None:
    rules = "mechanism: first_claim\ninbox: {limit: 1, full: refuse}\ntrade: {reposts: 3}\n"
    team = _team(tmp_path, f"shape: market\nmembers: [{{role: researcher, count: 2}}, {{role: coder}}]\n{rules}")
    refused = 0
    for outcome, recorder in do(Plan(SCENARIO, (team,), model="sim:oracle", cases=8, trials=1)):
        assert outcome.success
        for event in events(recorder):
            if isinstance(event, TaskReposted) and "the inbox was full" in event.reason:
                awards = [
                    e.agent for e in events(recorder) if isinstance(e, TaskAwarded) and e.posting == event.posting
                ]
                assert len(set(awards)) > 1
                refused += 1
    assert refused
