"""Waiting times by queueing theory, to hold simulated ones against."""

from __future__ import annotations


def erlang_c(places: int, load: float) -> float:
    """The chance that a call must wait in M/M/c: calls come at random (Poisson), their work is exponential, `load` is
    arrivals a second times mean work (below `places`). By the recursion of Erlang's B formula, which does not overflow
    (Kleinrock 1975, Queueing Systems I, section 3.5; Cooper 1981, Introduction to Queueing Theory, section 3.3)."""
    blocked = 1.0
    for k in range(1, places + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked / (1 - load / places * (1 - blocked))


def mean_wait(places: int, arrivals_per_s: float, mean_work_s: float, squared_variation: float = 1.0) -> float:
    """Seconds that a call waits on average: Erlang C, times (1 + cv²) / 2 where the work's squared coefficient of
    variation is not the exponential's 1. That is exact for one place (Pollaczek & Khinchine), and Allen & Cunneen's
    approximation for more (Allen 1990, Probability, Statistics and Queueing Theory, section 5.3)."""
    load = arrivals_per_s * mean_work_s
    exponential = erlang_c(places, load) * mean_work_s / (places - load)
    return exponential * (1 + squared_variation) / 2
