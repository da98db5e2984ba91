"""What a simulated model's trials share, beside what is published of real ones (simulated).

python -m benchmarks.clones [SEEDS]     (default 12; about a quarter of an hour on two cores)

For each seed, which draws new difficulties, one agent does every case of the shipped scenarios four times: sim:medium
as it is, and a model whose error rates are scaled until as many trials are right as in a published row. A majority of
three is reckoned from the same trials: 3 pass^2 - 2 pass^3; independent trials would give 3 p^2 - 2 p^3.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from statistics import fmean

from msgspec import Struct

from agents.models.simulated import profile as profiles
from agents.models.simulated.model import SimulatedModel
from agents.models.simulated.profile import Profile
from experiments import plan
from experiments.plan import Plan
from experiments.running.trial import Bench, run_trial
from traces import clock
from traces.recorder import Recorder

SCENARIOS, TRIALS = ("billing_support", "market_brief"), 4
# tau-bench (Yao et al. 2024), its repository's README: cases, pass^1 to pass^4.
PUBLISHED = {
    "gpt-4o tools, airline": (50, (0.420, 0.273, 0.220, 0.200)),
    "gpt-4o-mini tools, airline": (50, (0.225, 0.140, 0.110, 0.100)),
    "gpt-4o Act, airline": (50, (0.365, 0.217, 0.160, 0.140)),
    "gpt-4o ReAct, airline": (50, (0.325, 0.233, 0.185, 0.160)),
    "gpt-4o tools, retail": (115, (0.604, 0.491, 0.430, 0.383)),
}


class Row(Struct, frozen=True):
    """pass^k: the chance that k trials of a case are all right; `none`: that none of four is."""

    passed: tuple[float, ...]
    none: float

    @classmethod
    def of(cls, cases: Sequence[Sequence[bool]]) -> Row:
        def chance(k: int) -> float:
            return fmean(math.comb(sum(case), k) / math.comb(len(case), k) for case in cases)

        return cls(tuple(map(chance, (1, 2, 3, 4))), fmean(not any(case) for case in cases))

    @classmethod
    def published(cls, passed: tuple[float, ...]) -> Row:
        one, two, three, four = passed
        return cls(passed, 1 - 4 * one + 6 * two - 4 * three + four)

    @property
    def icc(self) -> float:
        """The intraclass correlation of trials in cases."""
        p = self.passed[0]
        return (self.passed[1] - p * p) / (p - p * p)

    @property
    def vote(self) -> tuple[float, float]:
        """What a majority of three gains, and would gain if trials were independent."""
        p, two, three, _ = self.passed
        return 3 * two - 2 * three - p, 3 * p * p - 2 * p**3 - p

    def line(self, name: str) -> str:
        gain, independent = self.vote
        rates = "".join(f"{100 * rate:7.1f}" for rate in (*self.passed, self.none))
        return f"{name:42}{rates}{self.icc:7.2f}{100 * gain:+9.1f}{100 * independent:+9.1f}"


def scaled(profile: Profile, by: float) -> Profile:
    data = profile.model_dump()
    return Profile.model_validate({**data, "error": {skill: min(0.9, by * e) for skill, e in data["error"].items()}})


def row(scenario: str, profile: Profile, seeds: Sequence[int], pool: ProcessPoolExecutor) -> Row:
    made = pool.map(partial(_cases, scenario, profile), seeds)
    return Row.of([case for cases in made for case in cases])


def _cases(scenario: str, profile: Profile, seed: int) -> list[list[bool]]:
    given = Plan(scenario, ("solo",), trials=TRIALS, seed=seed)
    bench = Bench(given)
    bench.model_for = partial(SimulatedModel, profile)
    found: dict[str, list[bool]] = {}
    for trial in plan.trials(given, bench.scenario):
        outcome = clock.run(run_trial(trial, bench, Recorder(trial.run)), virtual=True)
        found.setdefault(trial.case, []).append(bool(outcome.success))
    return list(found.values())


def like(scenario: str, right: float, seeds: Sequence[int], pool: ProcessPoolExecutor) -> Row:
    """The row of a small model with its errors scaled until about this share of its trials is right."""
    base, low, high = profiles.load("small"), 0.5, 8.0
    for _ in range(5):
        middle = math.sqrt(low * high)
        found = row(scenario, scaled(base, middle), seeds, pool)
        low, high = (middle, high) if found.passed[0] > right else (low, middle)
    return found


def main(seeds: int) -> Iterator[str]:
    yield f"{'':42}pass^1 pass^2 pass^3 pass^4   none    ICC  of three if indep."
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        many = range(1, seeds + 1)
        for scenario in SCENARIOS:
            yield row(scenario, profiles.load("medium"), many, pool).line(f"sim:medium, {scenario}")
        for name, (_, passed) in PUBLISHED.items():
            yield Row.published(passed).line(name)
            yield like(SCENARIOS[0], passed[0], many[: max(2, seeds // 2)], pool).line("  simulated, billing_support")


if __name__ == "__main__":
    for text in main(int(sys.argv[1]) if len(sys.argv) > 1 else 12):
        print(text, flush=True)
