"""What clones share: the difficulty of a case and its steps, the same for every try, agent and trial of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import correlation, fmean

import pytest
from scipy.integrate import quad
from scipy.stats import norm

from agents.models.simulated import profile as profiles
from agents.models.simulated.difficulty import Difficulty, spread
from agents.models.simulated.profile import Profile
from experiments.plan import Plan
from tests.trials import do, profile, puzzle
from traces.errors import InputError, ScenarioError

DRAWS = 4000
SHARED = {"clones": 0.7, "others": 0.5, "family": 0.7, "case": 0.5}


def _medium(**over: object) -> Profile:
    data = profiles.load("medium").model_dump()
    return Profile.model_validate({**data, **over})


@cache
def _difficulties(name: str, family: str, step: str) -> list[float]:
    model = _medium(name=name, family=family)
    return [Difficulty(model, seed, "case").at(step) for seed in range(DRAWS)]


@pytest.mark.parametrize("rate", [0.004, 0.03, 0.2, 0.7])
def test_the_mean_error_rate_stays_the_profiles(rate: float) -> None:
    """By quadrature over the difficulty, not by draws."""
    one = Difficulty(_medium(), 1, "case")
    sd = spread(0.7)

    def weighted(z: float) -> float:
        one._known["step"] = sd * z
        return float(norm.pdf(z) * one.error(rate, "step"))

    assert quad(weighted, -9, 9)[0] == pytest.approx(rate, rel=0.005)


@pytest.mark.parametrize(("chance", "rate"), [(0.45, 0.05), (0.6, 0.2), (0.2, 0.01)])
def test_of_the_errors_made_the_profiles_share_is_seen_and_least_where_it_is_hard(chance: float, rate: float) -> None:
    one = Difficulty(_medium(), 1, "case")
    sd = spread(0.7)

    def made(z: float) -> float:
        one._known["step"] = sd * z
        return float(norm.pdf(z) * one.error(rate, "step"))

    def seen(z: float) -> float:
        return made(z) * one.notices(chance, "step", rate)

    assert quad(seen, -9, 9)[0] / quad(made, -9, 9)[0] == pytest.approx(chance, rel=0.02)
    one._known |= {"easy": 0.0, "hard": 2 * sd}
    assert one.notices(chance, "hard", rate) < one.notices(chance, "easy", rate)


def test_difficulties_are_spread_as_the_correlation_says_and_shared_as_the_kinship_says() -> None:
    """0.7 on the logit scale; half of a step's is the case's; .5 is any other model's, .7 one's of the family."""
    medium = _difficulties("a", "kin", "s1")
    assert fmean(d * d for d in medium) == pytest.approx(spread(0.7) ** 2, rel=0.08)
    for other, expected in (
        (_difficulties("a", "kin", "s2"), 0.5),
        (_difficulties("b", "kin", "s1"), 0.7),
        (_difficulties("c", "another", "s1"), 0.5),
    ):
        assert correlation(medium, other) == pytest.approx(expected, abs=0.05)


def test_settings_change_no_blind_spot_and_other_sizes_have_others() -> None:
    """The same weights on more servers, or more willing to talk, are the same model."""

    def at(spec: str) -> float:
        return Difficulty(profiles.load(spec), 7, "case").at("s1")

    assert at("medium") == at("medium,replicas=2,verbosity=3") != at("small")
    assert at("params=8e9,tokens=1e12") == at("tokens=1e12,params=8e9,slots=2") != at("params=9e9,tokens=1e12")


def test_without_correlation_every_try_is_as_likely_to_fail() -> None:
    one = Difficulty(profiles.load("medium,clones=0"), 7, "case")
    assert (one.at("s1"), one.error(0.05, "s1"), one.notices(0.4, "s1", 0.05)) == (0, 0.05, 0.4)


def test_a_correlation_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="clones: Input should be less than 1"):
        profiles.load("medium,clones=1")
    wrong = profile(tmp_path / "wrong.yaml", correlation={**SHARED, "family": 0.2})
    with pytest.raises(ScenarioError, match=r"family .0.2. should not be below others"):
        profiles.load(wrong.removeprefix("sim:"))


def test_a_profile_that_does_not_give_it_has_the_published_one(tmp_path: Path) -> None:
    bare = profile(tmp_path / "bare.yaml")
    text = (tmp_path / "bare.yaml").read_text()
    (tmp_path / "old.yaml").write_text(text[: text.index("correlation:")] + text[text.index("error:") :])
    assert profiles.load(bare.removeprefix("sim:")).correlation.clones == 0
    old = profiles.load(str(tmp_path / "old.yaml"))
    assert old.correlation == profiles.load("medium").correlation


# --- runs -------------------------------------------------------------------------------------------------------


def _runs(folder: Path, team: str, model: str, seeds: int = 300, trials: int = 4) -> list[list[bool]]:
    """Successes of a team on one puzzle, a list for each seed: each has a difficulty of its own."""
    plans = (Plan(str(folder), (team,), model=model, trials=trials, seed=seed) for seed in range(seeds))
    return [[outcome.success for outcome, _ in do(plan)] for plan in plans]


def _mean(value: Callable[[float], float], error: float) -> float:
    """Over difficulties, of a function of the chance to be right; a logistic model with mean error `error`."""
    sd = spread(SHARED["clones"])

    def rate(level: float) -> float:
        return quad(lambda z: norm.pdf(z) / (1 + math.exp(level - sd * z)), -9, 9)[0]

    low, high = -30.0, 30.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) > error else (low, middle)
    return float(quad(lambda z: norm.pdf(z) * value(1 - 1 / (1 + math.exp(low - sd * z))), -9, 9)[0])


def _agrees(successes: Sequence[float], expected: float) -> bool:
    """Within 3.3 standard errors over the seeds."""
    mean = fmean(successes)
    spread = math.sqrt(fmean((x - mean) ** 2 for x in successes) / len(successes))
    return abs(mean - expected) < 3.3 * spread


def test_trials_of_a_case_correlate_and_clones_votes_gain_less(tmp_path: Path) -> None:
    """One conclusion, error .3: trials are right together, and three clones vote as the same difficulty lets them."""
    folder, error = puzzle(tmp_path / "puzzle"), 0.3
    model = profile(tmp_path / "model.yaml", error=error, correlation=SHARED)
    jury = tmp_path / "jury.yaml"
    jury.write_text("shape: ensemble\nmembers: [{role: solo, count: 3}]\n")
    team = tmp_path / "one.yaml"
    team.write_text("shape: solo\nagent: {check: none}\n")
    alone = _runs(folder, str(team), model)
    assert _agrees([fmean(one) for one in alone], 1 - error)
    assert _agrees([one[0] and one[1] for one in alone], _mean(lambda p: p * p, error))
    assert _agrees([not any(one) for one in alone], _mean(lambda p: (1 - p) ** 4, error))
    votes = [one[0] for one in _runs(folder, str(jury), model, trials=1)]
    majority = _mean(lambda p: p * p * (3 - 2 * p), error)
    assert _agrees(votes, majority)
    independent = 0.7 * 0.7 * (3 - 2 * 0.7)
    assert 0.15 < (majority - 0.7) / (independent - 0.7) < 0.45
