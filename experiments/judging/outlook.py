"""What it would take to decide: with how many cases, or trials of each, a verdict comes about, and with what chance.

Reckoned with the rules that decide. For cases like these: new experiments are drawn from the cases that there are, each
with a weight that is itself drawn, so that how little these say of others counts too (the Bayesian bootstrap: Rubin
1981, Annals of Statistics 9; expected over it, the chance is an assurance: O'Hagan, Stevens & Campbell 2005). For these
cases: the difference is where it may be after what was seen, and more trials shrink its error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from experiments.judging import answering, like_these, these_cases
from experiments.judging.missing import bounded
from experiments.judging.paired import Paired
from experiments.judging.statistics import ALPHA
from experiments.judging.summaries import groups
from experiments.outcome import Outcome

CHANCE = 0.8
"""So sure a number has to be to be named."""
MOST_CASES = 2_000
MOST_TRIALS = 10_000
_DRAWS = 400
_GROWTH = 1.25

Against = Mapping[str, Paired]
"""Team → its trials beside one agent's."""


def in_words(outcomes: Sequence[Outcome], baseline: str, margin: float, questions: Sequence[str]) -> str:
    """What the open `questions` take, in a sentence each; "" where nothing can be said."""
    against = _against(outcomes, baseline)
    if not against:
        return ""
    said = []
    if "these" in questions:
        said.append(_for_these(against, margin))
    if "like_these" in questions:
        said.append(_for_like_these(against, margin))
    return " ".join(filter(None, said))


def _for_like_these(against: Against, margin: float) -> str:
    means = _means(against)
    cases, trials = means.shape[1], _trials(against)
    if cases < like_these.FEWEST:
        return ""
    found = cases_needed(means, margin)
    each = f", {_count(trials, 'trial')} each," if trials else ""
    if found is None:
        return f"If others are like these cases, not even {MOST_CASES:,} of them{each} are sure enough to decide."
    return f"If others are like these, {found[0]:,} cases in all{each} decide with a chance of {found[1]:.0%}."


def _for_these(against: Against, margin: float) -> str:
    trials = _trials(against)
    found = trials_needed(against, margin)
    cases = max(len(cases) for cases in against.values())
    where = "this case" if cases == 1 else f"these {cases:,} cases"
    if found is None:
        return f"Not even {MOST_TRIALS:,} trials of each are sure enough to decide for {where}."
    instead = f" instead of {trials:,}" if trials else ""
    return f"{_count(found[0], 'trial')} of each{instead} decide for {where} with a chance of {found[1]:.0%}."


def cases_needed(means: np.ndarray, margin: float) -> tuple[int, float] | None:
    """How many cases in all decide with CHANCE for cases like these, and their chance. `means`: a row for each team,
    with its mean difference in each case. None where MOST_CASES do not."""
    return _first(_steps(means.shape[1] + 1, MOST_CASES), lambda cases: _chance(means, cases, margin))


def _chance(means: np.ndarray, cases: int, margin: float) -> float:
    rng = np.random.default_rng([means.shape[1], cases])
    weights = rng.dirichlet(np.ones(means.shape[1]), _DRAWS)
    drawn = np.stack([rng.choice(means.shape[1], cases, p=weight) for weight in weights])
    alpha = answering.OVERALL * ALPHA / len(means)
    worth, enough = np.zeros(_DRAWS, bool), np.ones(_DRAWS, bool)
    for team in means:
        worth |= like_these.worth_in_rows(team[drawn], alpha)
        enough &= like_these.rules_out_in_rows(team[drawn], margin)
    return float((worth | enough).mean())


def trials_needed(against: Against, margin: float) -> tuple[int, float] | None:
    """How many trials of each case decide with CHANCE for these cases, and their chance. None where MOST_TRIALS do
    not."""
    now = max(1, _trials(against) or 1)
    return _first(_steps(now + 1, MOST_TRIALS), lambda trials: _chance_on_these(against, trials, margin))


def _chance_on_these(against: Against, trials: int, margin: float) -> float:
    rng = np.random.default_rng(trials)
    worth, enough = np.zeros(5 * _DRAWS, bool), np.ones(5 * _DRAWS, bool)
    alpha = answering.OVERALL * ALPHA / len(against)
    for cases in against.values():
        now = these_cases.estimate(list(cases.values()))
        if now is None:
            return 0.0
        error = these_cases.error_with(_variance(cases), len(cases), trials)
        freedom = max(1, 2 * len(cases) * (trials - 1))
        drawn = now.value + math.hypot(now.error, error) * rng.standard_normal(5 * _DRAWS)
        worth |= drawn > error * these_cases.student(freedom, 1 - alpha / 2)
        enough &= drawn < margin - error * these_cases.student(freedom, 1 - ALPHA / 2)
    return float((worth | enough).mean())


def _variance(cases: Paired) -> float:
    """Of one trial's difference, summed over the cases. What few trials cannot show is not taken to be nothing: half a
    success and half a failure are added to either side (Jeffreys)."""
    rates = [(sum(won) + 0.5) / (len(won) + 1) for case in cases.values() for won in (case.team, case.base)]
    return sum(rate * (1 - rate) for rate in rates)


def _first(numbers: Iterator[int], chance: Callable[[int], float]) -> tuple[int, float] | None:
    for number in numbers:
        found = chance(number)
        if found >= CHANCE:
            return number, found
    return None


def _steps(start: int, most: int) -> Iterator[int]:
    """Round numbers from `start` on, each about a quarter more than the last."""
    number = float(start)
    while number <= most:
        yield (rounded := _round(number))
        number = max(rounded + 1, rounded * _GROWTH)


def _round(number: float) -> int:
    """Up to the next number of two figures."""
    unit = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return math.ceil(number / unit) * unit


def _against(outcomes: Sequence[Outcome], baseline: str) -> dict[str, Paired]:
    by_group = groups(outcomes)
    base = next((key for key in by_group if key[0] == baseline), None)
    if base is None:
        return {}
    found = {}
    for key, group in by_group.items():
        if key[0] != baseline:
            cases = bounded(group, by_group.get((baseline, key[1]), by_group[base])).answered
            if cases:
                found[group[0].name] = cases
    return found


def _means(against: Against) -> np.ndarray:
    """A row for each team: its mean difference in each of the cases that all did."""
    shared = [name for name in next(iter(against.values())) if all(name in cases for cases in against.values())]
    return np.array([[cases[name].mean for name in shared] for cases in against.values()]).reshape(len(against), -1)


def _trials(against: Against) -> int:
    """Of each case, where it is the same number for all; 0 where it is not."""
    numbers = {len(case.team) for cases in against.values() for case in cases.values()}
    return numbers.pop() if len(numbers) == 1 else 0


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
