"""Simulated markets: strategies, the life of jobs, what is recorded, and that a seed decides all of it."""

from __future__ import annotations

import gc
import json
from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

import headcount
from experiments.market import bidders, recording
from experiments.market.agenda import Agenda
from experiments.market.bidders import STRATEGIES, Sight
from experiments.market.population import ENDOWMENT, Setting
from experiments.market.simulation import Market
from experiments.market.tally import Summary
from experiments.market.traders import NUMBER, Traders
from marketplace import measures
from marketplace.mechanisms import MECHANISMS
from traces import clock, home, journal
from traces import kernel as k
from traces.errors import InputError
from traces.store import Store

SIGHT = Sight(60, 0.8, 100, 3, 0, False, 40, 10, 120, 1, 3, 0)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path))


def _summary(**fields: object) -> Summary:
    return clock.run(Market(Setting(**{"agents": 80, "tasks": 400, **fields})).run(), virtual=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strategy", "sight", "offer"),
    [
        ("truthful", SIGHT, (60, 0.8, 50)),
        ("shading", SIGHT, (70, 0.8, 50)),
        ("overconfident", SIGHT, (70, 0.99, 25)),
        ("capacity_aware", SIGHT, (80, 0.8, 50)),
        ("capacity_aware", structs.replace(SIGHT, wait_s=90), None),
        ("newcomer", SIGHT, (30, 0.8, 50)),
        ("newcomer", structs.replace(SIGHT, settled=5), (70, 0.8, 50)),
        ("ring", SIGHT, (70, 0.8, 50)),
        ("ring", structs.replace(SIGHT, allies=2, cheapest=True), (80, 0.8, 50)),
        ("ring", structs.replace(SIGHT, allies=2), (100, 0.8, 50)),
        ("never_delivers", SIGHT, (100 / 3, 0.99, 20)),
        ("truthful", structs.replace(SIGHT, cost=101), None),
        ("shading", structs.replace(SIGHT, cost=101), None),
    ],
)
def test_a_strategy_bids_as_it_says(strategy: str, sight: Sight, offer: tuple[float, float, float] | None) -> None:
    made = STRATEGIES[strategy](sight)
    assert (made and structs.astuple(made)) == (None if offer is None else pytest.approx(offer))


@given(st.lists(st.lists(st.floats(0, 50), max_size=4), min_size=1, max_size=30), st.sampled_from([0.01, 1.0, 1000.0]))
def test_the_agenda_is_in_order_of_time_and_then_of_coming(later: list[list[float]], width: float) -> None:
    agenda, taken, waiting, put, now = Agenda(width), [], [], 0, 0.0
    for delays in later:
        for delay in delays:
            agenda.put(now + delay, _summary, (put,))
            waiting.append((now + delay, put))
            put += 1
        if waiting:
            now, _, (number,) = agenda.take()
            taken.append((now, number))
            assert taken[-1] == min(waiting)
            waiting.remove(taken[-1])
        assert bool(agenda) == bool(waiting)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_job_ends_and_the_sums_fit(mechanism: str) -> None:
    summary = _summary(mechanism=mechanism)
    lots = summary.strategies.values()
    awards = sum(lot.awards for lot in lots)
    assert summary.settled + summary.given_up == 400
    assert awards == summary.calls - summary.unanswered == summary.settled + sum(summary.failures.values())
    assert summary.calls == 400 + sum(summary.failures.values()) + summary.unanswered - summary.given_up
    assert summary.settled > 150
    assert summary.efficiency is not None
    assert 0 < summary.efficiency <= 1 or mechanism == "double_auction", "no awards beat the best assignment"
    assert summary.price is not None
    assert 0 < summary.price <= 1
    assert 0 < summary.idle < 1
    assert summary.strategies["never_delivers"].accepted in (0, None)


@pytest.mark.parametrize("mechanism", ["scored", "vickrey", "double_auction"])
def test_every_token_is_accounted_for(mechanism: str) -> None:
    market = Market(Setting(80, 400, mechanism, fee_percent=5, penalty_percent=50))
    summary = clock.run(market.run(), virtual=True)
    assert (summary.imbalance, summary.overdrawn, market.ledger.escrows) == (0, 0, {})
    assert summary.fees > 0
    assert summary.penalties > 0
    accounts = {trader.name: market.ledger.balances[trader.name] - ENDOWMENT for trader in market.traders}
    assert accounts == {trader.name: trader.earned for trader in market.traders}
    free = _summary(mechanism=mechanism, fee_percent=0, penalty_percent=0)
    assert (free.fees, free.penalties) == (0, 0)
    assert (free.settled, free.welfare) == (summary.settled, summary.welfare), "money changes who has it, not the work"


def test_nothing_of_a_market_is_in_a_cycle() -> None:
    """So that the garbage collector may seldom look while it runs; as often as before after it, however it ended."""
    _summary(tasks=20)  # what is imported when it is first used
    market, often = Market(Setting(80, 400)), gc.get_threshold()
    gc.collect()
    gc.disable()
    try:
        clock.run(market.run(), virtual=True)
        assert gc.collect() < 50  # of the loop itself
    finally:
        gc.enable()

    def breaks(ended: int) -> None:
        assert gc.get_threshold() != often
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        clock.run(Market(Setting(80, 1000), watch=breaks).run(), virtual=True)
    assert gc.get_threshold() == often


@given(st.integers(1, 3000), st.integers(1, 12), st.integers(0, 9))
def test_those_who_are_asked_are_different_agents_of_the_skill(agents: int, most: int, seed: int) -> None:
    traders = Traders(Setting(agents, 1))
    asked = traders.asked(3, most, Random(seed))
    assert len({row[NUMBER] for row in asked}) == len(asked) == min(most, len(range(3, agents, 8)))
    assert all(traders[row[NUMBER]].skill == 3 for row in asked)
    assert [traders[row[NUMBER]].reply_s for row in asked] == sorted(traders[row[NUMBER]].reply_s for row in asked)


def test_an_agent_is_what_has_become_of_it() -> None:
    traders = Traders(Setting(20, 1))
    before = traders[7]
    assert traders.works(7, 100.0, 5.0) == pytest.approx(5 + 100 * before.pace)
    assert traders.works(7, 50.0, 5.0) == pytest.approx(5 + 150 * before.pace)
    traders.over(7, True, 0.9, 80)
    traders.idles(7)
    after = traders[7]
    assert (after.in_hand, after.settled, after.failed, after.earned, after.reputation) == (2, 1, 0, 80, 0.9)
    assert (after.busy_s, after.spent) == pytest.approx((150 * before.pace, 150 * before.rate))
    assert [trader for trader in traders if trader.number != 7] == [t for t in Traders(Setting(20, 1)) if t.number != 7]
    traders.idles(7)
    assert traders.asked(7, 20, Random(1)) != []
    assert 7 not in {row[NUMBER] for row in traders.asked(7, 20, Random(1))}, "its hands are full"


def test_a_seed_decides_everything() -> None:
    setting = Setting(80, 300, trace=50)
    first, again, other = (recording.simulate(s) for s in (setting, setting, msgspec.structs.replace(setting, seed=2)))
    assert (first.digest, first.summary) == (again.digest, again.summary)
    assert first.digest != other.digest


def test_the_trace_holds_every_nth_job_whole() -> None:
    events: dict[str, list[k.Event]] = {}
    setting = Setting(80, 400, trace=40)
    found = recording.simulate(setting)
    assert found.every == 10
    clock.run(Market(setting, lambda event: events.setdefault(event.posting, []).append(event)).run(), virtual=True)  # type: ignore[union-attr]
    recorded: dict[str, list[k.Event]] = {}
    kept = [record for record, _ in journal.read(home.find_experiment(found.experiment).journal_file())]
    for record in kept:
        if hasattr(record.event, "posting"):
            recorded.setdefault(record.event.posting, []).append(record.event)
    assert recorded == {p: told for p, told in events.items() if p and int(p[1:].partition(".")[0]) % 10 == 0}
    joined = {r.event.agent for r in kept if isinstance(r.event, k.AgentCreated)}
    assert joined >= {r.event.agent for r in kept if isinstance(r.event, k.TaskAwarded)}
    assert any("every 10th job" in r.event.text for r in kept if isinstance(r.event, k.Noted))
    told = measures.stories(kept)
    assert Counter(story.settled for story in told.values())[True] >= 30


def test_it_opens_as_an_experiment_like_any_other() -> None:
    found = recording.simulate(Setting(80, 200, mechanism="vickrey", trace=20))
    (row,) = Store().experiments()
    assert (row.id, row.state, row.scenario) == (found.experiment, "finished", "market simulation")
    assert row.command == "headcount market simulate --agents 80 --tasks 200 --mechanism vickrey --seed 1 --trace 20"
    run = Store().run(found.experiment, 0)
    assert (run.status, run.simulated, run.clock) == ("completed", True, "virtual")
    assert msgspec.json.decode(run.answer, type=Summary) == found.summary


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mechanism", "auctionish"], "no mechanism 'auctionish'; there are: first_claim"),
        (["--agents", "0"], "--agents: 0 is too few: give at least 1"),
        (["--fee-percent", "101"], "--fee-percent: 101 is no share: give 0 to 100"),
        (["--load", "2"], "--load: 2 is no share"),
        (["--mix", "honest=1"], "--mix: no strategy 'honest'; there are: truthful"),
        (["--mix", "ring=much"], "--mix: 'ring=much': give a number"),
        (["--mix", "ring=0"], "at least one strategy with a share above 0"),
    ],
)
def test_a_setting_that_cannot_be_is_one_clear_error(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        headcount.main(["market", "simulate", *arguments])
    assert ended.value.code == InputError.exit_code
    assert says in capsys.readouterr().err
    assert home.list_experiments() == []


def test_the_command_line_shows_the_summary_and_prints_it_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["market", "simulate", "--agents", "80", "--tasks", "200", "--mix", "shading=3,never_delivers=1"]
    with pytest.raises(SystemExit):
        headcount.main(arguments)
    shown = capsys.readouterr().out
    for text in ("200 jobs, 80 simulated bidders", "efficiency", "Gini", "never_delivers", "All figures are simulated"):
        assert text in shown
    with pytest.raises(SystemExit):
        headcount.main([*arguments, "--json"])
    assert json.loads(capsys.readouterr().out)["summary"]["tasks"] == 200


def test_shares_are_divided_by_their_sum() -> None:
    assert bidders.mix("shading=3, ring") == {"shading": 0.75, "ring": 0.25}
