"""What a pool of servers takes: against queueing theory, and as a user asks it on the command line and in the app."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from streamlit.testing.v1 import AppTest

import headcount
from agents.models.simulated import profile
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from experiments.servers import capacity, capacity_answers, queueing
from experiments.servers.capacity import Demand, Lengths, Point, Setting
from experiments.terminal import capacity_report as report
from tests.test_simulated_servers import erlang_c
from traces.errors import InputError

MEANS = Lengths(((1500, 250),), True, "given")


def _setting(spec: str = "medium,slots=1", lengths: Lengths = MEANS, requests: int = 1500, seed: int = 3) -> Setting:
    return Setting(profile.load(spec), lengths, requests, seed)


def _at(setting: Setting, share: float, replicas: int = 1) -> Point:
    """The point at which the pool is asked for so large a share of what it can serve."""
    pool = capacity.faster(setting.profile, 1.0, replicas)
    return capacity.point(setting, replicas, 1.0, Demand(share * capacity.most_per_s(pool, setting.lengths)))


def _holds(found: Point) -> bool:
    """Whether the simulated mean wait agrees with theory: twice its 95 % interval."""
    wait, theory = found.mean_wait, found.theory_s
    assert wait is not None
    assert theory is not None
    return wait.value - 2 * (wait.value - wait.low) <= theory <= wait.value + 2 * (wait.high - wait.value)


@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_chance_to_wait_is_erlangs(places: int, share: float) -> None:
    assert queueing.erlang_c(places, share * places) == pytest.approx(erlang_c(places, share * places))


@pytest.mark.parametrize(("spec", "replicas", "share"), [("medium,slots=1", 1, 0.6), ("medium,slots=4", 2, 0.85)])
def test_given_lengths_wait_as_erlang_c_says(spec: str, replicas: int, share: float) -> None:
    found = _at(_setting(spec, requests=3000), share, replicas)
    assert found.exact
    assert _holds(found)
    assert found.utilisation == pytest.approx(share, abs=0.05)


def test_lengths_that_are_all_alike_wait_half_as_long() -> None:
    """M/D/1 (Pollaczek & Khinchine): half of M/M/1's wait. With several places it is an approximation, and said so."""
    alike = _setting("oracle,slots=1", Lengths(((1000, 100),), False, "recorded"), requests=3000)
    found = _at(alike, 0.7)
    work, variation = alike.lengths.work(alike.profile)
    assert variation == pytest.approx(math.exp(alike.profile.speed.jitter**2) - 1)
    assert found.exact
    assert _holds(found)
    assert found.theory_s == pytest.approx(0.7 * work / 0.3 * (1 + variation) / 2)
    assert not _at(structs.replace(alike, requests=200), 0.7, replicas=2).exact


@pytest.mark.parametrize(
    ("spec", "demand"),
    [
        ("medium,batch_slowdown=0.1", Demand(0.5)),
        ("medium,requests_per_minute=60", Demand(0.5)),
        ("medium", Demand(3, "agents")),
    ],
)
def test_no_theory_where_its_assumptions_fail(spec: str, demand: Demand) -> None:
    assert capacity.point(_setting(spec, requests=100), 1, 1.0, demand).theory_s is None


@pytest.mark.parametrize(("agents", "slots"), [(3, 8), (12, 4)])
def test_agents_at_once_obey_littles_law(agents: int, slots: int) -> None:
    """Agents = requests served a second x (latency + pause), and never more are served than the slots can."""
    found = capacity.point(_setting(f"medium,slots={slots}"), 1, 1.0, Demand(agents, "agents", 2.0))
    assert found.mean_latency_s is not None
    assert found.served_per_s * (found.mean_latency_s + 2.0) == pytest.approx(agents, rel=0.05)
    assert found.served_per_s <= found.most_per_s * 1.05
    assert (found.utilisation > 0.9) is (agents > slots)


@pytest.mark.parametrize(
    ("spec", "most"),
    [("medium,requests_per_minute=120", 2.0), ("medium,tokens_per_minute=105000", 1.0), ("medium,slots=8", None)],
)
def test_more_than_it_can_serve_is_saturated(spec: str, most: float | None) -> None:
    setting = _setting(spec, requests=100)
    full, less = _at(setting, 1.2), _at(setting, 0.5)
    assert full.saturated
    assert full.latency is None
    assert full.served_per_s == full.most_per_s == pytest.approx(most or 8 / MEANS.work(setting.profile)[0])
    assert not less.saturated
    assert less.utilisation == pytest.approx(0.5, abs=0.25)


def test_the_rent_is_paid_by_the_requests() -> None:
    for share in (0.3, 1.5):
        found = _at(_setting("medium,slots=8,gpu_hour=2.5", requests=100), share, replicas=3)
        assert found.usd_per_hour == 7.5
        assert found.usd_per_request * found.served_per_s * 3600 == pytest.approx(7.5)
        assert found.usd_per_1000 == 1000 * found.usd_per_request
    tokens = _at(_setting("medium", requests=400), 0.3)
    assert tokens.usd_per_request == pytest.approx((1500 * 0.5 + 250 * 1.5) / 1e6, rel=0.1)


def test_a_faster_replica_is_faster() -> None:
    setting = _setting("medium,slots=4", requests=400)
    one, two = (capacity.point(setting, 1, speed, Demand(0.05)) for speed in (1.0, 2.0))
    assert one.latency is not None
    assert two.latency is not None
    assert two.latency.p50 == pytest.approx(one.latency.p50 / 2, rel=0.1)
    assert two.most_per_s == pytest.approx(2 * one.most_per_s)


def test_as_many_replicas_as_are_needed_and_no_more() -> None:
    setting, demand = _setting("medium,slots=2", requests=capacity_answers.SEARCHED), Demand(3.0)
    needed = capacity_answers.needed(setting, 1.0, demand, 15.0).replicas
    assert needed is not None
    enough, fewer = (capacity.point(setting, n, 1.0, demand) for n in (needed, needed - 1))
    assert enough.latency is not None
    assert enough.latency.p95 <= 15.0
    assert fewer.latency is None or fewer.latency.p95 > 15.0
    assert capacity_answers.needed(setting, 1.0, demand, 1.0).replicas is None


def test_more_replicas_take_more_before_they_are_too_slow() -> None:
    setting = _setting("medium,slots=2")
    found = [capacity_answers.most(setting, n, 1.0, Demand(1), 20.0).amount for n in (1, 2)]
    assert found[0]
    assert found[1] is not None
    assert found[1] > 2 * found[0]
    agents = capacity_answers.most(setting, 1, 1.0, Demand(1, "agents", 5.0), 20.0).amount
    assert agents
    assert agents >= 2
    assert capacity_answers.most(setting, 1, 1.0, Demand(1), 1.0).amount is None


# --- as a user asks ---------------------------------------------------------------------------------------------


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    with pytest.raises(SystemExit) as ended:
        headcount.main(["capacity", *arguments, "--requests", "100", "--json"])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_answers_in_figures_and_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("sim:medium,slots=8", "--replicas", "1,2", "--load", "1,3", "--gpu-hour", "2.5", "--max-latency", "15")
    found = _json(capsys, *asked)
    assert [(p["replicas"], p["demand"]["amount"], p["saturated"]) for p in found["points"]] == [
        (1, 1, False),
        (1, 3, True),
        (2, 1, False),
        (2, 3, False),
    ]
    assert found["simulated"]
    said = " ".join(found["answers"])
    assert "Saturated: 1 replica (1.85 requests/s at most)" in said
    assert "2 replicas keep p95 under 15 s up to " in said
    assert "3 requests/s need 2 replicas, $5 an hour." in said
    assert _json(capsys, *asked) == found


def test_lengths_are_taken_from_an_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(Plan("market_brief", ("solo",), cases=2, trials=1))
    conduct(folder)
    found = _json(capsys, "sim:medium", "--from", "latest", "--load", "1", "--replicas", "1")
    assert folder.id in found["lengths_of"]
    assert 100 < found["mean_tokens"][0] < 10_000
    assert found["points"][0]["latency"]["p95"] > 0


def test_words_say_what_no_number_of_replicas_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    (said,) = _json(capsys, "--load", "0.2", "--max-latency", "1")["answers"]
    assert said.startswith("No number of replicas keeps p95 under 1 s: a request alone takes 12.9 s at p95.")


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (report.Question("local"), "local is not simulated"),
        (report.Question(loads=(1.0,), agents=(2,)), "--load and --agents"),
        (report.Question(loads=(-1.0,)), "--load: -1 should be a number above 0"),
        (report.Question(replicas=(0,)), "--replicas: 0 should be"),
        (report.Question(pause_s=2), "--pause goes with --agents"),
        (report.Question(experiment="latest", prompt_tokens=5), "recorded or given, not both"),
        (report.Question(experiment="nosuch"), "no experiment 'nosuch'"),
        (report.Question(requests=3), "--requests: 3 are too few"),
        (report.Question(gpu_hour=-1), "--gpu-hour"),
        (report.Question("sim:medium,slot=3"), "'slot=3' is none of"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(question: report.Question, says: str) -> None:
    with pytest.raises(InputError, match=says):
        report.work_out(question)


def test_numbers_that_cannot_be_read_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        headcount.main(["capacity", "--replicas", "1.5"])
    assert ended.value.code == 2
    assert "--replicas: '1.5' should be whole numbers" in capsys.readouterr().err


# --- in the app -------------------------------------------------------------------------------------------------


def _section(model: str = "sim:medium") -> None:
    from ui import capacity

    capacity.section(model)


def _opened(model: str = "sim:medium") -> AppTest:
    return AppTest.from_function(_section, kwargs={"model": model}, default_timeout=60).run()


def test_the_page_works_it_out_when_it_is_asked() -> None:
    app = _opened()
    assert not app.dataframe
    app.text_input[0].set_value("1, 2")
    app.text_input[1].set_value("0.5, 2.5")
    app.button[0].click().run()
    assert not app.exception
    assert list(app.dataframe[0].value["replicas"]) == [1, 1, 2, 2]
    assert "2 replicas keep p95 under 20 s up to" in app.text[0].value
    app.text_input[0].set_value("one")
    app.button[0].click().run()
    assert "should be numbers with commas" in app.error[0].value
    assert not app.dataframe
    app.text_input[0].set_value("-1")
    app.button[0].click().run()
    assert "should be a number above 0" in app.error[0].value.replace("\\", "")


def test_the_page_says_where_a_model_is_not_simulated() -> None:
    app = _opened("openai/gpt-4o-mini")
    assert "headcount calibrate" in app.info[0].value
    assert not app.button
