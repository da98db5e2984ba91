"""The team `market`: money, reputation, quality control, deadlines and second tries, on a shipped scenario."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import pytest
from typer.testing import CliRunner

from agents.settings import load
from agents.teams.quality import agree
from commands.market import market as cli
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from marketplace.reputation import Reputation
from tests.trials import Done, do
from traces import kernel as k

E = TypeVar("E")
DOCS = Path(__file__).parent.parent / "docs" / "market.md"


@pytest.fixture(scope="module")
def knowledge_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def market(tmp_path: Path, knowledge_home: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    def run(rules: str, model: str = "sim:small", cases: int = 4) -> list[Done]:
        monkeypatch.setenv("HEADCOUNT_HOME", str(knowledge_home))
        team = tmp_path / "mine.yaml"
        team.write_text(f"shape: market\n{rules}\n")
        return do(Plan("billing_support", (str(team),), model=model, cases=cases, trials=1, seed=3))

    return run


def _events(done: Done, kind: type[E]) -> list[E]:
    return [r.event for r in done[1].records if isinstance(r.event, kind)]


@pytest.mark.parametrize("quality", ["reviewer", "grader", "redundancy"])
def test_the_oracle_solves_all_with_every_way_of_quality_control(market, quality: str) -> None:  # type: ignore[no-untyped-def]
    done = market(f"trade: {{quality: {quality}, reposts: 1}}", "sim:oracle", 30)
    assert [outcome.case for outcome, _ in done if not outcome.success] == []
    for one in done:
        assert {e.state for e in _events(one, k.TaskClosed)} == {"settled"}
        assert not _events(one, k.TaskReposted)


@pytest.mark.parametrize("mechanism", ["scored", "vickrey", "assignment", "bundles", "posted_price", "first_claim"])
def test_every_mechanism_trades_to_the_end(market, mechanism: str) -> None:  # type: ignore[no-untyped-def]
    for one in market(f"mechanism: {mechanism}", "sim:oracle", 2):
        assert one[0].success
        assert {e.mechanism for e in _events(one, k.TaskAwarded)} == {mechanism}


def test_the_money_of_a_run_adds_up_and_is_paid_for_what_was_accepted(market) -> None:  # type: ignore[no-untyped-def]
    for one in market("trade: {reposts: 2, penalty_percent: 50, fee_percent: 10}"):
        balances: dict[str, int] = {}
        entries = _events(one, k.MoneyMoved)
        for entry in entries:
            balances[entry.payer] = balances.get(entry.payer, 0) - entry.amount
            balances[entry.payee] = balances.get(entry.payee, 0) + entry.amount
        assert sum(balances.values()) == 0
        assert all(balance >= 0 for name, balance in balances.items() if name != "mint")
        assert all(balance == 0 for name, balance in balances.items() if name.startswith("escrow:"))
        settled = {e.posting for e in _events(one, k.TaskClosed) if e.state == "settled"}
        assert {e.posting for e in entries if e.kind == "payment"} == settled


def test_what_failed_goes_to_somebody_else_and_costs_its_holder(market) -> None:  # type: ignore[no-untyped-def]
    done = market("stop: {max_rounds: 1}\ntrade: {reposts: 1}", cases=12)
    reposted = [(one, e) for one in done for e in _events(one, k.TaskReposted)]
    assert reposted
    for one, again in reposted:
        awards = [e.agent for e in _events(one, k.TaskAwarded) if e.posting == again.posting]
        assert awards[0] == again.agent != awards[1]
        fines = [e for e in _events(one, k.MoneyMoved) if e.kind == "penalty" and e.posting == again.posting]
        assert fines[0].payer == again.agent
        assert False in [e.accepted for e in _events(one, k.ReputationChanged) if e.agent == again.agent]


def test_a_missed_deadline_ends_the_posting_and_what_needs_it(market) -> None:  # type: ignore[no-untyped-def]
    (one,) = market("trade: {reposts: 1, deadline_s: 0.5}", cases=1)
    assert {e.reason.split(" within ")[1] for e in _events(one, k.TaskReposted)} == {"0.5 s"}
    assert {e.state for e in _events(one, k.TaskClosed)} == {"expired", "withdrawn"}
    assert any(e.reason == "the reply came too late" for e in _events(one, k.DeadLetter))
    assert one[0].status == "completed"


def test_exploring_is_the_same_again_for_one_seed(market) -> None:  # type: ignore[no-untyped-def]
    rules = "mechanism: scored\ntrade: {explore: true}"
    assert [r.digest for _, r in market(rules)] == [r.digest for _, r in market(rules)]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("- net: 5 [a#1]", "- net: 5\n- since: may", True),
        ("- net: 5", "- net: 6", False),
        ("Dear customer", "dear  Customer", True),
        ("Dear customer", "Dear all", False),
    ],
)
def test_two_reports_agree_where_they_note_the_same(one: str, other: str, same: bool) -> None:
    assert agree(one, other) is same


def test_the_teams_of_the_docs_are_teams(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(shape: market\n.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for text in blocks:
        team = tmp_path / "team.yaml"
        team.write_text(text)
        assert load(team).trade.reposts == 1


def test_what_was_earned_in_one_experiment_is_known_in_the_next(
    tmp_path: Path, knowledge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(knowledge_home))
    told = []
    for workers in (1, 2):
        folder = prepare(Plan("billing_support", ("market",), model="sim:small", cases=3, trials=1, workers=workers))
        conduct(folder)
        told.append(CliRunner().invoke(cli, ["reputations", folder.id]).output)
    assert told[0] == told[1]
    team = tmp_path / "team.yaml"
    team.write_text("shape: market\n" + told[0])
    known = load(team).trade.known
    assert known["researcher-1"]["researcher"][0] > 0
    earned = Reputation(known=known)
    assert earned.known == known
    assert earned.deviation("researcher-1", "researcher") < earned.deviation("nobody", "researcher")
