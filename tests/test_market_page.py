"""The Market page: what it says is what the trace has, of a team's market and of a simulated one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from streamlit.testing.v1 import AppTest

from experiments.market import recorded, recording
from experiments.market.population import MIX, Setting
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from marketplace import measures
from tests.test_app_pages import opened, said
from traces import kernel as k
from traces.store import Store


class World(NamedTuple):
    home: Path
    team: str
    simulated: str
    alone: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("market") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(home))
        team, alone = (prepare(Plan("market_brief", teams, cases=2, trials=1, workers=1)) for teams in TEAMS)
        conduct(team)
        conduct(alone)
        simulated = recording.simulate(Setting(40, 300, "scored", 1, dict(MIX), 8, 0.5, 3, 0, 300)).experiment
        yield World(home, team.id, simulated, alone.id)


TEAMS = (("solo", "market"), ("solo",))


@pytest.fixture(autouse=True)
def _home(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(world.home))


def _metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_it_shows_the_bids_who_won_and_why(world: World) -> None:
    run = recorded.runs(Store(), world.team)[0]
    app = opened("market", experiment=world.team)
    events = [record.event for record in Store().events(world.team, run.run)]
    closed = [event for event in events if isinstance(event, k.TaskClosed)]
    posted = [event for event in events if isinstance(event, k.TaskPosted)]
    assert _metrics(app)["Settled"] == f"{sum(e.state == 'settled' for e in closed)} of {len(posted)}"
    award = next(e for e in events if isinstance(e, k.TaskAwarded) and e.posting == posted[0].posting)
    assert award.agent in said(app)
    assert award.reason in said(app)
    bids = app.dataframe[-1].value
    assert sorted(bids["bidder"]) == sorted(
        e.agent for e in events if isinstance(e, k.BidMade) and e.posting == award.posting
    )
    assert list(bids[bids["won"] == "yes"]["bidder"]) == [award.agent]
    assert "simulated" in said(app)


def test_balances_are_those_of_the_ledger(world: World) -> None:
    run = recorded.runs(Store(), world.team)[0].run
    market = recorded.read(Store(), world.team, run)
    owned = recorded.balances(market.records)
    assert sum(owned.values()) == 0
    shown = opened("market", experiment=world.team).dataframe[0].value.set_index("agent")["balance (tokens)"]
    assert {agent: int(text.replace(",", "")) for agent, text in shown.items()} == {a: owned[a] for a in shown.index}


def test_a_simulated_market_tells_of_all_jobs_and_says_that_it_is_simulated(world: World) -> None:
    app = opened("market", experiment=world.simulated)
    assert "300," in said(app)
    assert "simulated" in said(app)
    assert "measured" not in said(app)
    assert set(app.dataframe[0].value["strategy"]) == set(MIX)


def test_postings_come_in_windows_that_cover_each_once(world: World) -> None:
    store = Store()
    total = recorded.count(store, world.simulated, 0)
    names = [
        s.posting for at in range(0, total, 25) for s in recorded.postings(store, world.simulated, 0, offset=at)[0]
    ]
    whole = recorded.read(store, world.simulated, 0)
    assert names == list(whole.stories)
    settled, _ = recorded.postings(store, world.simulated, 0, state="settled", limit=1000)
    assert {s.posting for s in settled} == {s.posting for s in whole.stories.values() if s.settled}
    assert len(settled) == recorded.count(store, world.simulated, 0, "settled")


def test_the_states_at_each_moment_add_up_to_what_was_posted(world: World) -> None:
    market = recorded.read(Store(), world.simulated, 0)
    sums: dict[float, int] = {}
    for moment, _, postings in recorded.over_time(market):
        sums[moment] = sums.get(moment, 0) + postings
    for moment, total in sums.items():
        assert total == sum(story.posted <= moment for story in market.stories.values())


def test_what_is_cut_is_said(world: World) -> None:
    cut = recorded.read(Store(), world.simulated, 0, most=100)
    assert len(cut.records) == 100 < cut.of


def test_reputation_has_an_interval_around_its_mean(world: World) -> None:
    market = recorded.read(Store(), world.team, recorded.runs(Store(), world.team)[0].run)
    found = recorded.standings(market.records)
    assert found
    assert all(0 < one.low < one.mean < one.high < 1 for one in found)


def test_earnings_and_shares_are_those_of_the_stories(world: World) -> None:
    market = recorded.read(Store(), world.simulated, 0)
    agents = recorded.dealers(market)
    assert sum(one.awards for one in agents) == sum(bool(s.holder) for s in market.stories.values())
    assert {a.agent: a.earned for a in agents} == measures.earnings(market.stories.values())
    assert all(0 <= one.idle <= 1 for one in agents)


def test_without_a_market_it_leads_to_those_that_have_one(world: World) -> None:
    app = opened("market", experiment=world.alone)
    assert "No team of this experiment trades on a market" in said(app)
