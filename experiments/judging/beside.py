"""What is said beside a verdict: which limits ended whose runs, and how long a person was waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from experiments import words
from experiments.judging.summaries import groups
from experiments.outcome import Outcome, ending


def in_words(outcomes: Sequence[Outcome]) -> str:
    """How many runs of each team a budget or another limit ended, in a sentence; "" for none."""
    parts = [found for group in groups(outcomes).values() if (found := _of_team(group))]
    return f"Ended by a limit: {'; '.join(parts)}." if parts else ""


def waiting_in_words(outcomes: Sequence[Outcome]) -> str:
    """How long each team's runs only waited for a person, in a sentence; "" for not at all."""
    means = {g[0].name: sum(one.waited_s for one in g) / len(g) for g in groups(outcomes).values()}
    parts = [f"{words.seconds(mean)} per run of {name}" for name, mean in means.items() if mean > 0]
    return f"Not in the time is the waiting for a person: {', '.join(parts)}." if parts else ""


def _of_team(group: Sequence[Outcome]) -> str:
    kinds = Counter(ending(one.status, one.ended_by) for one in group if one.status == "limited")
    if not kinds:
        return ""
    each = ", ".join(f"{kind} {count:,}" if len(kinds) > 1 else kind for kind, count in kinds.most_common())
    return f"{kinds.total():,} of {len(group):,} runs of {group[0].name} ({each})"
