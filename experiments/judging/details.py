"""A comparison in detail: where a team helps and where it hurts, how its runs ended, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import numpy as np
from msgspec import Struct

from experiments import plan as plans
from experiments import words
from experiments.judging.comparing import on_these
from experiments.judging.missing import answered
from experiments.judging.statistics import Difference
from experiments.judging.summaries import groups
from experiments.outcome import Outcome, ending, named
from traces.errors import HeadcountError
from traces.home import ExperimentFolder, state
from traces.kernel import Budget
from traces.rows import RunRow
from traces.store import Store

FEWEST = 3  # cases of a kind, for a difference on it to be shown


class OnKind(Struct, frozen=True):
    """A team on one kind of case (`difficulty: hard`, `feature: parallel`), and against one agent there, on these cases
    and with no correction for the number of kinds looked at: a single one is a hint and no verdict. `difference` is
    None for one agent, and where fewer than three cases are of the kind."""

    kind: str
    team: str
    runs: int
    success: float
    difference: Difference | None


class Endings(Struct, frozen=True):
    """How a team's runs ended, as shares: what ended them (the team was done, a budget or a stop rule by its name)."""

    team: str
    shares: dict[str, float]


class Times(Struct, frozen=True):
    """Seconds a run that gave an answer took: on its own clock (simulated for a simulated model), and here, by the
    clock on the wall (from a run's first event to its last; None where that is not known)."""

    team: str
    p50: float
    p95: float
    wall_p50: float | None
    wall_p95: float | None


class Details(Struct, frozen=True):
    """`budget`: what every run of every team may use, in words."""

    budget: str
    simulated: bool
    kinds: tuple[OnKind, ...]
    endings: tuple[Endings, ...]
    times: tuple[Times, ...]


def of(
    folder: ExperimentFolder, store: Store, rows: Sequence[RunRow], outcomes: Sequence[Outcome], baseline: str
) -> Details:
    """Of an experiment's runs (`rows`), and of what they came to (`outcomes`)."""
    return Details(
        budget_of(folder),
        any(outcome.simulated for outcome in outcomes),
        tuple(kinds(outcomes, baseline)),
        tuple(endings(rows)),
        tuple(times(outcomes, {} if state(folder, time.time()) == "running" else _walls(folder.id, store))),
    )


def budget_of(folder: ExperimentFolder) -> str:
    """What each run of an experiment could use; every team's the same, or the comparison would not be fair."""
    try:
        plan = plans.read(folder)
    except (HeadcountError, KeyError, msgspec.ValidationError):  # another tool's, or damaged
        return "unknown"
    scenario = plans.scenario_of(folder)
    return in_words(plans.budget_of(plan, scenario) if scenario is not None else plan.budget)


def in_words(budget: Budget) -> str:
    parts = [
        f"{budget.tokens:,} tokens" if budget.tokens is not None else "",
        words.money(budget.cost_usd) if budget.cost_usd is not None else "",
        words.seconds(budget.seconds) if budget.seconds is not None else "",
        f"{budget.calls:,} model calls" if budget.calls is not None else "",
    ]
    return ", ".join(filter(None, parts)) or "no limit"


def kinds(outcomes: Sequence[Outcome], baseline: str) -> list[OnKind]:
    """Every team on every kind of case that there is, in the order of the kinds."""
    by_group = groups(outcomes)
    base = next((key for key in by_group if key[0] == baseline), None)
    found = []
    for kind, fits in kinds_of(outcomes):
        alone = [o for o in by_group[base] if fits(o)] if base is not None else []
        for key, group in by_group.items():
            chosen = [o for o in group if fits(o)]
            if chosen:
                against = on_these(chosen, alone) if key != base and alone else None
                against = against if against is not None and against.cases >= FEWEST else None
                known = answered(chosen)
                if known:
                    rate = sum(o.success for o in known) / len(known)
                    found.append(OnKind(kind, named(*key), len(known), rate, against))
    return found


def kinds_of(outcomes: Sequence[Outcome]) -> list[tuple[str, Callable[[Outcome], bool]]]:
    """Kinds of case with what fits each; a kind's name is what a table of runs can be narrowed by."""
    levels = [level for level in ("easy", "medium", "hard") if any(o.difficulty == level for o in outcomes)]
    features = sorted({feature for o in outcomes for feature in o.features})
    return [
        *((f"difficulty: {level}", partial(_has_difficulty, level)) for level in levels),
        *((f"feature: {name}", partial(_has_feature, name)) for name in features),
    ]


def _has_difficulty(level: str, outcome: Outcome) -> bool:
    return outcome.difficulty == level


def _has_feature(name: str, outcome: Outcome) -> bool:
    return name in outcome.features


def endings(rows: Sequence[RunRow]) -> list[Endings]:
    by_team: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = by_team.setdefault(named(row.team, row.engine), {})
        how = ending(row.status, row.ended_by)
        counts[how] = counts.get(how, 0) + 1
    return [
        Endings(team, {how: count / sum(counts.values()) for how, count in sorted(counts.items(), key=lambda c: -c[1])})
        for team, counts in by_team.items()
    ]


def times(outcomes: Sequence[Outcome], walls: dict[int, float]) -> list[Times]:
    found = []
    for key, group in groups(answered(outcomes)).items():
        own = np.percentile([o.latency_s for o in group], (50, 95))
        known = [walls[o.run] for o in group if o.run in walls]
        wall = np.percentile(known, (50, 95)) if known else (None, None)
        found.append(Times(named(*key), float(own[0]), float(own[1]), *(None if w is None else float(w) for w in wall)))
    return found


def _walls(experiment: str, store: Store) -> dict[int, float]:
    """Run → seconds from its first event to its last."""
    query = "SELECT run, max(wall) - min(wall) AS wall FROM events WHERE part = $part GROUP BY run"
    rows = store.ask(experiment, query)
    return {row["run"]: row["wall"] for row in rows if row["wall"] is not None}
