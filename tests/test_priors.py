"""Plausible profiles: drawn around a profile from what was fitted to runs, or else from wide published ranges."""

from __future__ import annotations

from itertools import pairwise
from statistics import correlation, median

import pytest
from pydantic import ValidationError

from agents.models.simulated import profile as profiles
from agents.models.simulated.profile import Profile
from experiments.profiles import priors
from experiments.profiles.priors import KNOWN, draws


def _medium(**over: object) -> Profile:
    return Profile.model_validate({**profiles.load("medium").model_dump(), **over})


def test_every_prior_holds_the_shipped_mediums_number_and_says_where_it_is_from() -> None:
    data = profiles.load("medium").model_dump()
    for prior in KNOWN.values():
        own = 1 if prior.factor else priors._get(data, prior.name)
        assert prior.low < prior.default == own < prior.high
        assert "arXiv" in prior.source or "repository" in prior.source or "ASSUMPTION" in prior.source


@pytest.mark.parametrize("base", ["small", "medium", "large"])
def test_draws_fill_the_ranges_around_the_profiles_own_numbers(base: str) -> None:
    profile = profiles.load(base)
    drawn = draws(profile, 200, 1)
    assert drawn == draws(profile, 200, 1)
    assert drawn != draws(profile, 200, 2)
    for name, prior in KNOWN.items():
        own = 1.0 if name == "error" else priors._get(profile.model_dump(), name)
        low, high = (own * prior.low, own * prior.high) if prior.factor else (prior.low, prior.high)
        values = [one.numbers[name] for one in drawn]
        assert median(values) == pytest.approx(own, rel=0.02)
        assert sum(low <= value <= high for value in values) >= (170 if base == "medium" else 120)
        assert min(values) < (low + own) / 2 < (own + high) / 2 < max(values)
        assert len(set(values)) == 200
    names = sorted(KNOWN)
    for a, b in pairwise(names):
        assert abs(correlation([d.numbers[a] for d in drawn], [d.numbers[b] for d in drawn])) < 0.25


def test_a_drawn_profile_has_the_drawn_numbers() -> None:
    for one in draws(_medium(), 20, 3):
        data = one.profile.model_dump()
        for name, value in one.numbers.items():
            if name not in ("error", "correlation.family"):
                assert priors._get(data, name) == value
        assert one.profile.error["decide"] == pytest.approx(min(0.95, 0.05 * one.numbers["error"]))
        assert one.profile.weights == "medium"


def test_what_was_fitted_is_drawn_from_its_own_interval() -> None:
    intervals = {"error.retrieve": (0.03, 0.035), "correlation.clones": (0.65, 0.72)}
    for one in draws(_medium(intervals=intervals), 100, 1):
        assert 0.025 < one.profile.error["retrieve"] < 0.04
        assert 0.6 < one.profile.correlation.clones < 0.78
        assert one.profile.error["decide"] == pytest.approx(min(0.95, 0.05 * one.numbers["error"]))


def test_a_number_that_is_none_or_all_stays() -> None:
    oracle = profiles.load("oracle")
    assert all(one.profile == oracle for one in draws(oracle, 5, 1))
    for one in draws(profiles.load("medium,clones=0"), 5, 1):
        assert one.profile.correlation.clones == 0


def test_intervals_are_of_a_profiles_own_numbers() -> None:
    for intervals in ({"error.retrieve": (0.1, 0.2)}, {"error.cook": (0, 1)}, {"note": (0, 1)}):
        with pytest.raises(ValidationError, match="intervals"):
            _medium(intervals=intervals)
