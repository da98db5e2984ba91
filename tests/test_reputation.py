"""Reputation: evidence moves it, time lets it fade, newcomers are tried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.reputation import FORGET, PRIOR, Reputation, thompson
from traces.kernel import Event, ReputationChanged
from traces.streams import stream


@given(st.lists(st.booleans(), max_size=200))
def test_the_posterior_is_the_faded_sum_of_the_evidence(outcomes: list[bool]) -> None:
    reputation = Reputation()
    for outcome in outcomes:
        reputation.observe("ann", "coder", outcome)
    weights = [FORGET**age for age in range(len(outcomes))][::-1]
    good = sum(w for w, outcome in zip(weights, outcomes, strict=True) if outcome)
    bad = sum(w for w, outcome in zip(weights, outcomes, strict=True) if not outcome)
    assert reputation.posterior("ann", "coder") == pytest.approx((PRIOR[0] + good, PRIOR[1] + bad))
    low, high = reputation.interval("ann", "coder")
    assert 0 <= low < reputation.mean("ann", "coder") < high <= 1


def test_what_is_known_of_one_skill_says_nothing_of_another() -> None:
    reputation = Reputation()
    for _ in range(20):
        reputation.observe("ann", "coder", False)
    assert reputation.mean("ann", "coder") < 0.25
    assert reputation.mean("ann", "writer") == 0.8
    assert reputation.deviation("ann", "coder") < reputation.deviation("ann", "writer")


def test_an_agent_that_has_changed_is_seen_anew() -> None:
    faded, kept = Reputation(), Reputation(forget=1.0)
    for reputation in (faded, kept):
        for outcome in [True] * 200 + [False] * 40:
            reputation.observe("ann", "coder", outcome)
    assert faded.mean("ann", "coder") < 0.5 < kept.mean("ann", "coder")


def test_a_change_is_an_event_with_its_uncertainty() -> None:
    events: list[Event] = []
    Reputation(events.append).observe("ann", "coder", True)
    assert events == [ReputationChanged("ann", "coder", True, 0.833333, 0.140859)]


def test_sampling_tries_newcomers_where_means_starve_them() -> None:
    """An old hand at 0.85 against a newcomer of whom 0.8 is expected: by the mean it never gets anything."""
    reputation, draw = Reputation(), stream(1, "explore")
    for n in range(300):
        reputation.observe("old", "coder", n % 20 < 17)
    assert reputation.mean("old", "coder") > reputation.mean("new", "coder")
    tried = 0
    for _ in range(400):
        of = thompson(reputation, draw)
        tried += of("new", "coder") > of("old", "coder")
        assert of("new", "coder") == of("new", "coder")
    assert 100 < tried < 300
