"""What the Compare page shows is what others calculate from the rows of the index: statsmodels, scipy and SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from statsmodels.api import OLS
from statsmodels.stats.proportion import proportion_confint
from streamlit.testing.v1 import AppTest

from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests.test_app_pages import charts_of, said

CASES, TRIALS = 8, 3
TEAMS = ("solo", "supervisor", "market")

Page = tuple[AppTest, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("numbers") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(folder))
        conduct(prepare(Plan("market_brief", cases=CASES, trials=TRIALS, model="sim:small", workers=1)))
        yield folder


@pytest.fixture(autouse=True)
def _home(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(data))


@pytest.fixture(scope="module")
def page(data: Path) -> Iterator[Page]:
    """The page, and its charts as Vega-Lite has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(data))
        yield charts_of("compare", patch)


@pytest.fixture(scope="module")
def runs(data: Path, page: Page) -> pd.DataFrame:
    """What the page rests on, straight from the index."""
    with duckdb.connect(str(data / "traces.duckdb"), read_only=True) as connection:
        return connection.sql("SELECT *, input_tokens + output_tokens AS tokens FROM runs ORDER BY run").df()


def _rows(charts: list[dict[str, Any]], *fields: str) -> list[dict[str, Any]]:
    """The rows of the chart that draws these."""
    tables = [rows for chart in charts for rows in chart["datasets"].values()]
    return next(rows for rows in tables if set(fields) <= set(rows[0]))


def _wilson(won: pd.DataFrame) -> tuple[float, float]:
    """Wilson's interval for the trials that so many in clusters are worth: the variance is that of a regression on
    nothing but a constant, robust to clusters; Student's quantile pays for few clusters (Korn & Graubard 1998)."""
    success, cases = won["success"].to_numpy(float), won["case_id"].to_numpy()
    fit = OLS(success, np.ones_like(success)).fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(cases)[0]})
    rate, variance = success.mean(), fit.cov_params().item()
    worth = min(len(success), rate * (1 - rate) / variance)
    worth *= (stats.norm.ppf(0.975) / stats.t.ppf(0.975, len(set(cases)) - 1)) ** 2
    low, high = proportion_confint(rate * worth, worth, 0.05, "wilson")
    return float(low), float(high)


def test_success_rates_and_their_intervals(page: Page, runs: pd.DataFrame) -> None:
    app, charts = page
    table = next(frame.value for frame in app.dataframe if "95 % interval" in frame.value).set_index("team")
    drawn = {row["team"]: row for row in _rows(charts, "success", "low", "high")}
    assert set(drawn) == set(TEAMS) == set(table.index)
    for team in TEAMS:
        own = runs[runs["team"] == team]
        rate, (low, high) = own["success"].mean(), _wilson(own)
        assert 0 < rate < 1
        row = drawn[team]
        assert (row["success"], row["low"], row["high"]) == pytest.approx((rate, low, high), abs=1e-9)
        assert row["runs"] == len(own) == CASES * TRIALS
        assert table.loc[team, "success"] == f"{rate:.1%}"
        assert table.loc[team, "95 % interval"] == f"{low:.1%} to {high:.1%}"


def test_tokens_cost_and_latency(page: Page, runs: pd.DataFrame) -> None:
    drawn = {row["team"]: row for row in _rows(page[1], "tokens", "cost", "latency")}
    for team, own in runs.groupby("team"):
        means = (own["tokens"].mean(), own["cost_nano_usd"].mean() / 1e9, own["latency_s"].mean())
        assert (drawn[team]["tokens"], drawn[team]["cost"], drawn[team]["latency"]) == pytest.approx(means)


def test_paired_differences_and_their_p_values(page: Page, runs: pd.DataFrame) -> None:
    drawn = {row["team"]: row for row in _rows(page[1], "difference", "p (Holm)")}
    rates = runs.astype({"success": float}).pivot_table("success", "case_id", "team")
    for team in TEAMS[1:]:
        row, difference = drawn[team], (rates[team] - rates["solo"]).to_numpy()
        low, high = _stratified(rates, team)
        likely_low, likely_high = _likelihood(difference)
        found = (row["difference"], row["low"], row["high"])
        assert found == pytest.approx((difference.mean(), low, high), abs=1e-9)
        assert (row["likely low"], row["likely high"]) == pytest.approx((likely_low, likely_high), abs=1e-5)
        assert (row["cases"], row["pairs"]) == (CASES, CASES * TRIALS)
        points = f"{team} {100 * difference.mean():+.1f} points ({100 * low:+.1f} to {100 * high:+.1f} on these cases, "
        assert points in said(page[0])


def _stratified(rates: pd.DataFrame, team: str) -> tuple[float, float]:
    """The stratified t interval over the cases, with its floor (experiments/judging/these_cases.py)."""
    each = sum((rates[name] * (1 - rates[name])).sum() for name in (team, "solo")) * TRIALS / (TRIALS - 1)
    error = np.sqrt(max(each / TRIALS, (3 / 1.96) ** 2 / TRIALS**2)) / CASES
    half = stats.t.ppf(0.975, 2 * CASES * (TRIALS - 1)) * error
    mean = (rates[team] - rates["solo"]).mean()
    return max(-1.0, mean - half), min(1.0, mean + half)


def _likelihood(difference: np.ndarray) -> tuple[float, float]:
    """Bounded empirical likelihood with scipy's optimiser: where half of chi-square's quantile is reached."""

    def against(c: float, x: np.ndarray) -> float:
        gains = (c - x) / (1 - c)
        best = optimize.minimize_scalar(
            lambda s: -np.log1p(s * gains).sum(), bounds=(0, 1 - 1e-12), method="bounded", options={"xatol": 1e-10}
        )
        return float(max(0.0, -best.fun)) - stats.chi2.ppf(0.95, 1) / 2

    high = optimize.brentq(against, difference.mean(), 1 - 1e-9, (difference,))
    low = -optimize.brentq(against, -difference.mean(), 1 - 1e-9, (-difference,))
    return low, high


def test_success_by_kind_of_case(page: Page, runs: pd.DataFrame) -> None:
    cells = _rows(page[1], "class", "team", "said")
    assert len({cell["class"] for cell in cells}) > 3
    for cell in cells:
        what, _, value = cell["class"].partition(": ")
        fits = runs["difficulty"] == value if what == "difficulty" else runs["features"].map(set) >= {value}
        own = runs[fits & (runs["team"] == cell["team"])]
        assert (cell["runs"], cell["success"]) == (len(own), pytest.approx(own["success"].mean()))


@pytest.mark.parametrize("team", TEAMS)
def test_each_team_leads_to_its_runs(page: Page, team: str) -> None:
    app = page[0]
    app.selectbox(key="runs_team").select(team).run()
    assert f"{CASES * TRIALS} of {CASES * TRIALS} runs shown" in said(app)
    shown = next(frame.value for frame in app.dataframe if "replay" in frame.value)
    assert set(shown["team"]) == {team}
