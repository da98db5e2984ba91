"""Random streams: every draw comes from one that is named by what it is for, so that draws never depend on the
order in which other things happen."""

from __future__ import annotations

import random


def stream(seed: int, *names: object) -> random.Random:
    """A generator for (seed, names), e.g. `stream(7, case, trial, agent, "latency")`. Equal names, equal draws."""
    return random.Random(f"{seed}/" + "/".join(map(str, names)))
