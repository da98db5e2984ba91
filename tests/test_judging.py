"""A verdict once more: margins, limits, consistency, and intervals that hold at any time."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import commands.cli
from experiments.judging import judging
from experiments.judging.betting import confidence_sequence, p_value
from experiments.judging.comparing import equivalent
from experiments.judging.recommending import Limits
from experiments.judging.statistics import mcnemar, pass_hat_k
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests import cli
from tests.test_statistics import grid, outcome
from traces.errors import InputError


def test_the_interval_holds_at_every_look() -> None:
    """Looked at after every case, either end loses the true mean in at most 5 % of experiments."""
    rng, lost = np.random.default_rng(7), [0, 0]
    for _ in range(100):
        found = rng.choice([-0.4, 0.0, 0.4, 1.0], size=60, p=[0.3, 0.3, 0.2, 0.2])  # the mean is 0.16
        looks = [confidence_sequence(found[:n].tolist()) for n in range(2, 61, 2)]
        lost[0] += any(low > 0.16 for low, _ in looks)
        lost[1] += any(high < 0.16 for _, high in looks)
    assert max(lost) <= stats.binom.ppf(0.999, 100, 0.05)


def test_the_interval_closes_in_on_a_plain_difference() -> None:
    rng = random.Random(1)
    low, high = confidence_sequence([rng.choice([0.4, 0.6]) for _ in range(400)])
    assert 0.4 < low < 0.5 < high < 0.6
    assert confidence_sequence([]) == (-1.0, 1.0)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=40), st.floats(0.5, 0.999))
def test_interval_and_p_value_say_the_same(differences: list[float], level: float) -> None:
    low, high = confidence_sequence(differences, level)
    p = p_value(differences)
    if abs(p - (1 - level)) > 1e-4:
        assert (low > 0 if sum(differences) >= 0 else high < 0) == (p < 1 - level)


def test_cases_that_all_came_out_alike_do_not_prove_that_all_will() -> None:
    low, high = confidence_sequence([0.0] * 12)
    assert low < -0.05
    assert high > 0.05


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 7))
def test_pass_hat_k_is_the_share_of_draws_that_all_succeed(won: list[bool], k: int) -> None:
    found = pass_hat_k(grid({"case": won}), k)
    if k > len(won):
        assert found is None
        return
    draws = list(itertools.combinations(won, k))
    assert found == pytest.approx(sum(map(all, draws)) / len(draws))


def test_mcnemar_counts_only_where_the_two_part() -> None:
    a = [outcome(f"c{i}", 0, i < 15) for i in range(30)]
    b = [outcome(f"c{i}", 0, 10 <= i < 17) for i in range(30)]  # only a: 10, only b: 2
    assert mcnemar(a, b) == pytest.approx(stats.binomtest(2, 12).pvalue)
    assert mcnemar(a, []) is None


def test_equivalence_needs_the_whole_interval_within_the_margin() -> None:
    a = grid({f"c{i}": [(i + t) % 4 != 0 for t in range(8)] for i in range(40)}, "a")
    b = grid({f"c{i}": [(i + t) % 4 != 1 for t in range(8)] for i in range(40)}, "b")
    assert equivalent(a, b, 0.08)
    assert not equivalent(a, b, 0.05)
    assert not equivalent(a[:1], b[:1], 0.9)  # one trial of one case


def test_an_experiment_is_judged_again_under_other_terms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(Plan("billing_support", ("solo", "supervisor"), cases=4, trials=3))
    conduct(folder)
    found = judging.again(folder.id, 0.1, Limits())
    assert [len(found.consistency[team]) for team in ("solo", "supervisor")] == [3, 3]
    assert found.consistency["solo"][0] == pytest.approx(found.teams[0].success)
    assert {m.team: m.runs for m in found.measures} == {"solo": 12, "supervisor": 12}
    (pair,) = found.pairs
    assert found.verdict.differences[0].shown is not None
    assert pair.at_any_time[0] <= found.verdict.differences[0].shown.value <= pair.at_any_time[1]
    assert pair.mcnemar_p is None
    commands.cli.cli(["verdict", folder.id, "--max-latency", "0.001", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["advice"]["team"] == ""
    commands.cli.cli(["report", folder.id, "--into", str(tmp_path / "r.html")], standalone_mode=False)
    page = (tmp_path / "r.html").read_text()
    assert found.verdict.text.partition(":")[0] in page
    assert "src=" not in page


def test_a_margin_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="--margin: 3 should be between 0 and 1"):
        judging.again("latest", 3, Limits())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--min-success", "95", "between 0 and 1"),
        ("--max-cost", "0", "more than 0"),
        ("--max-latency", "-1", "more than 0"),
    ],
)
def test_limits_that_nothing_keeps_are_refused(
    option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = cli.said(capsys, "verdict", option, value)
    assert (code, out) == (2, "")
    assert message in err
