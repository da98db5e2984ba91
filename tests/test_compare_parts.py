"""What Compare and Launch rest on, without a browser: advice under limits, reports, kept verdicts, expected cost."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from agents import table
from agents.models import table as models
from experiments import words
from experiments.design import expecting
from experiments.judging import answers, htmlreport, judging
from experiments.judging.answering import Compared
from experiments.judging.recommending import Limits, recommend
from experiments.judging.statistics import Difference
from experiments.judging.summaries import TeamSummary
from experiments.judging.verdict import Verdict, judge
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.reading import layer_facts, layers
from experiments.reading.layers import Stack
from experiments.running.conduct import conduct, prepare
from tasks import scenario as scenarios
from traces.kernel import MessageSent
from traces.store import Store
from ui import drawn, style


def _summary(team: str, success: float, cost: float | None, latency: float = 10.0) -> TeamSummary:
    return TeamSummary(
        team, "native", "m", 100, success, success - 0.1, success + 0.1, 1000, cost, latency, 20, 3, cost, 0, 0
    )


TEAMS = [_summary("solo", 0.7, 0.01), _summary("market", 0.9, 0.05, 40), _summary("debate", 0.8, 0.03, 20)]


def _verdict(better: bool) -> Verdict:
    low, p = (0.05, 0.001) if better else (-0.05, 0.4)
    market, debate = (Difference(value, low, 0.3, p, 10, 100, p_adjusted=p) for value in (0.2, 0.1))
    compared = (Compared("market", "native", None, market), Compared("debate", "native", debate, None))
    return Verdict("team_worth_it", "", "", compared)


@pytest.mark.parametrize(
    ("better", "limits", "team"),
    [
        (True, Limits(), "market"),
        (False, Limits(), "solo"),
        (True, Limits(cost_usd=0.03), "debate"),
        (True, Limits(cost_usd=0.02), "solo"),
        (True, Limits(latency_s=15), "solo"),
        (False, Limits(success=0.75), "debate"),
        (True, Limits(success=0.95), ""),
        (True, Limits(cost_usd=0.001), ""),
    ],
)
def test_the_advice_keeps_to_the_limits_and_prefers_one_agent(better: bool, limits: Limits, team: str) -> None:
    advice = recommend(_verdict(better), TEAMS, limits)
    assert advice.team == team
    assert team not in advice.excluded


def test_an_unknown_price_does_not_fit_a_limit_on_cost() -> None:
    advice = recommend(_verdict(False), [_summary("solo", 0.7, None)], Limits(cost_usd=1))
    assert (advice.team, advice.excluded) == ("", {"solo": "unknown per run"})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(tmp_path_factory.mktemp("parts") / "runs"))
        folder = prepare(Plan("market_brief", ("solo", "market"), cases=4, trials=2, model="sim:small", workers=1))
        conduct(folder)
        return Store(), folder.id


def test_a_verdict_is_kept_until_its_runs_change(finished: tuple[Store, str]) -> None:
    store, experiment = finished
    first = answers.answer(store.experiment(experiment), store)
    assert first.runs == 16
    file = store.home / "experiments" / experiment / answers.FILE
    kept = file.stat().st_mtime_ns
    assert answers.answer(store.experiment(experiment), store) == first
    assert file.stat().st_mtime_ns == kept
    file.write_text("{")
    assert answers.answer(store.experiment(experiment), store) == first
    (store.home / "experiments" / experiment / "journal-9.jsonl").touch()
    assert answers.answer(store.experiment(experiment), store).made_from != first.made_from


def test_the_report_says_what_the_verdict_says_and_loads_nothing(
    finished: tuple[Store, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, experiment = finished
    monkeypatch.setenv("HEADCOUNT_HOME", str(store.home))
    row = store.experiment(experiment)
    outcomes = [o for o in map(Outcome.of_row, store.team_rows(experiment)) if o is not None]
    verdict = judge(outcomes)
    page = BeautifulSoup(htmlreport.page(row, judging.again(experiment)), "html.parser")
    assert page.h1 is not None
    assert page.h1.text == verdict.text
    assert "simulated" in page.text
    assert row.command in page.text
    assert not page.find_all(["script", "link", "img", "iframe"])
    cells = [[cell.text for cell in line.find_all("td")] for line in page.find_all("tr")]
    assert [line[0] for line in cells if len(line) == 11] == ["market", "solo", "market"]  # pairs, then teams
    lines = list(csv.DictReader(io.StringIO(htmlreport.csv(outcomes))))
    assert len(lines) == 16
    assert {int(line["run"]): line["success"] == "True" for line in lines} == {o.run: o.success for o in outcomes}


def test_the_store_narrows_runs_by_all_that_a_case_has(finished: tuple[Store, str]) -> None:
    store, experiment = finished
    rows = store.runs(experiment)
    feature = rows[0].features[0]
    assert store.runs(experiment, feature=feature) == [r for r in rows if feature in r.features]
    assert store.runs(experiment, difficulty="hard") == [r for r in rows if r.difficulty == "hard"]
    assert store.count_runs(experiment, status="completed", team="market") == sum(
        r.status == "completed" and r.team == "market" for r in rows
    )


def test_past_runs_tell_what_the_next_will_cost(finished: tuple[Store, str]) -> None:
    store, experiment = finished
    plan = Plan("market_brief", ("solo", "market"), model="sim:small")
    scenario = scenarios.load("market_brief")
    card = models.resolve("sim:small")(scenario.cases[0], 1, 0).card
    solo, market = expecting.expect(plan, scenario, card, store)
    rows = [r for r in store.team_rows(experiment) if r.team == "solo"]
    assert (solo.basis, solo.runs) == ("past", len(rows))
    assert solo.tokens == pytest.approx(sum(r.tokens for r in rows) / len(rows))
    assert market.cost_usd is not None


def test_without_past_runs_a_pilot_tells(tmp_path: Path) -> None:
    scenario = scenarios.load("market_brief")
    card = models.resolve("sim:medium")(scenario.cases[0], 1, 0).card
    expected = expecting.expect(Plan("market_brief", ("solo", "debate")), scenario, card, Store(tmp_path))
    assert [(one.team, one.basis) for one in expected] == [("solo", "pilot"), ("debate", "pilot")]
    assert all(one.tokens > 0 and one.latency_s > 0 and one.cost_usd for one in expected)


@pytest.mark.parametrize("team", [*table.TEAMS, *table.ELSEWHERE])
def test_every_team_is_drawn_with_all_its_people(team: str) -> None:
    settings = table.team(team).settings
    case = scenarios.load("billing_support").cases[0]
    dot = drawn.team(settings, case)
    people = {member.role for member in settings.people} - {"solo"}
    assert all(role in dot for role in people)
    assert team == "solo" or "->" in dot


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("background", ["#FFFFFF", "#10151B"])
def test_every_colour_of_a_chart_stands_out_on_light_and_dark(background: str) -> None:
    for colour in style.COLOURS:
        high, low = sorted((_luminance(colour), _luminance(background)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3


LAYERS = [
    "hardware",
    "data",
    "architecture",
    "alignment",
    "prompts and adaptation",
    "knowledge and tools",
    "workflow",
    "agent",
    "team",
    "tracing, evals and safety",
    "product",
]


def test_the_layers_tell_what_the_trace_holds_and_leave_unknown_what_it_does_not(finished: tuple[Store, str]) -> None:
    store, experiment = finished
    facts = layer_facts.gather(store, experiment)
    found = {layer.name: layer for layer in layers.layers(Stack(facts, None, None, {}, True))}
    assert list(found) == LAYERS
    rows = store.team_rows(experiment)
    assert found["product"].happened["success"] == f"{sum(bool(r.success) for r in rows)} of {len(rows)} runs"
    tokens = sum(r.input_tokens for r in rows)
    assert found["architecture"].happened["tokens in"] == f"{words.count(tokens)} tokens"
    assert found["architecture"].happened["parameters"] == "unknown"
    assert found["data"].happened["knowledge cutoff"] == "unknown"
    assert "different" in found["prompts and adaptation"].happened["instructions"]
    told = found["prompts and adaptation"].steps[0]
    assert store.events(experiment, told.run)[told.seq].event.added[0].role == "system"  # type: ignore[union-attr]
    assert found["tracing, evals and safety"].happened["runs graded"] == words.count(len(rows))
    step = found["team"].steps[0]
    assert isinstance(store.events(experiment, step.run)[step.seq].event, MessageSent)


def test_the_layers_of_one_run_are_of_that_run(finished: tuple[Store, str]) -> None:
    store, experiment = finished
    facts = layer_facts.gather(store, experiment, 3)
    assert facts.one("runs")["events"] == store.run(experiment, 3).events
    assert {step.run for steps in facts.steps.values() for step in steps} == {3}
