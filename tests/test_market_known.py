"""Results that the literature knows, done again on fewer markets than the command takes."""

from __future__ import annotations

import json

import pytest

import commands.cli
import headcount
from experiments.market import known
from traces.errors import InputError


@pytest.mark.parametrize(
    ("do", "markets"),
    [(known.revenue_equivalence, 2_000), (known.batch_matching, 30), (known.response_order, 600)],
)
def test_a_known_result_holds(do: known.Experiment, markets: int) -> None:
    found = do(1, markets)
    assert found.holds, found.rows
    assert found == do(1, markets)


def test_a_result_that_does_not_hold_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = known.Row("one", known.Interval(0.5, 0.4, 0.6), 0.9, holds=False)
    finding = known.Finding("wrong", "A claim.", 1, 1, "share", (wrong,))
    monkeypatch.setitem(known.EXPERIMENTS, "wrong", lambda seed: finding)
    with pytest.raises(SystemExit) as ended:
        headcount.main(["market", "experiment", "wrong"])
    assert ended.value.code == 1
    assert "Not all of it holds here" in capsys.readouterr().out


def test_the_experiments_and_mechanisms_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    commands.cli.cli(["market", "experiment", "--json"], standalone_mode=False)
    assert set(json.loads(capsys.readouterr().out)) == set(known.EXPERIMENTS)
    commands.cli.cli(["market", "mechanisms", "--json"], standalone_mode=False)
    assert "vickrey" in json.loads(capsys.readouterr().out)
    with pytest.raises(InputError, match="there are: revenue-equivalence, lowballing"):
        known.find("nope")
