"""Runs that a limit ended: which limit, and whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from experiments.judging.verdict import groups
from experiments.outcome import Outcome, ending


def in_words(outcomes: Sequence[Outcome]) -> str:
    """How many runs of each team a budget or another limit ended, in a sentence; "" for none."""
    parts = [found for group in groups(outcomes).values() if (found := _of_team(group))]
    return f"Ended by a limit: {'; '.join(parts)}." if parts else ""


def _of_team(group: Sequence[Outcome]) -> str:
    kinds = Counter(ending(one.status, one.ended_by) for one in group if one.status == "limited")
    if not kinds:
        return ""
    each = ", ".join(f"{kind} {count:,}" if len(kinds) > 1 else kind for kind, count in kinds.most_common())
    return f"{kinds.total():,} of {len(group):,} runs of {group[0].name} ({each})"
