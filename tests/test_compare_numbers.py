"""What the Compare page shows is what others calculate from the rows of the index: statsmodels, scipy and SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.api import OLS
from statsmodels.stats.multitest import multipletests
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
    by_case = runs.astype({"success": float}).pivot_table("success", "case_id", "team")
    p_values = []
    for team in TEAMS[1:]:
        low, high = stats.ttest_rel(by_case[team], by_case["solo"]).confidence_interval(0.95)
        row = drawn[team]
        difference = (by_case[team] - by_case["solo"]).to_numpy()
        assert (row["difference"], row["low"], row["high"]) == pytest.approx((difference.mean(), low, high), abs=1e-9)
        assert (row["cases"], row["pairs"]) == (CASES, CASES * TRIALS)
        flips = {"permutation_type": "samples", "n_resamples": np.inf, "vectorized": True}
        p_values.append(stats.permutation_test((difference,), np.mean, **flips).pvalue)
        points = f"{team} {100 * difference.mean():+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
        assert points in said(page[0])
    adjusted = multipletests(p_values, method="holm")[1]
    assert [drawn[team]["p (Holm)"] for team in TEAMS[1:]] == [f"{p:.3f}" for p in adjusted]


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
