"""Random streams: every draw comes from one that is named by what it is for, so that draws never depend on the
order in which other things happen."""

from __future__ import annotations

import random


def stream(seed: int, *names: object) -> random.Random:
    """A generator for (seed, names), e.g. `stream(7, case, trial, agent, "latency")`. Equal names, equal draws."""
    return random.Random(_name(seed, names))


def restart(rng: random.Random, seed: int, *names: object) -> random.Random:
    """A generator that is no longer needed, as `stream(seed, *names)`: much faster than a new one."""
    rng.seed(_name(seed, names))
    return rng


def _name(seed: int, names: tuple[object, ...]) -> str:
    return f"{seed}/" + "/".join(map(str, names))
