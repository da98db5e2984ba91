"""Calibration's round trip over many seeds: how often each interval holds the number of the profile that made the runs.

python -m benchmarks.calibration [SEEDS] [KNOWN] [BASE]     (default 10, medium, small; about two minutes a seed)

For each seed the known profile does both shipped scenarios 12 times, and is then fitted to them from the base.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

from agents.models.simulated import profile as profiles
from agents.models.simulated.profile import Profile
from experiments import plan
from experiments.plan import Plan
from experiments.profiles import calibration
from experiments.profiles.calibration import Evidence
from experiments.running.trial import Bench, run_trial
from traces import clock
from traces.recorder import Recorder

SCENARIOS, TRIALS = ("billing_support", "market_brief"), 12


def evidence(model: str, scenario: str, seed: int) -> Evidence:
    given = Plan(scenario, ("solo",), model=model, trials=TRIALS, seed=seed)
    bench = Bench(given)
    found = Evidence(bench.scenario, "solo", [], [], [])
    for trial in plan.trials(given, bench.scenario):
        recorder = Recorder(trial.run, keep=True)
        outcome = clock.run(run_trial(trial, bench, recorder), virtual=True)
        calibration.add(found, trial.case, recorder.records, outcome.success)
    return found


def true(known: Profile, name: str) -> float:
    if name.startswith("mix."):
        kinds: dict[str, tuple[str, ...]] = dict(calibration.MODES)  # type: ignore[arg-type]
        mix: dict[str, float] = dict(known.mix)  # type: ignore[arg-type]
        return sum(mix.get(mode, 0.0) for mode in kinds[name[4:]]) / sum(mix.values())
    data: Any = known.model_dump()
    for part in name.split("."):
        data = data[part]
    return float(data)


def main(seeds: int, known: str, base: str) -> None:
    profile = profiles.load(known)
    for scenario in SCENARIOS:
        held: dict[str, list[bool]] = defaultdict(list)
        values: dict[str, list[float]] = defaultdict(list)
        for seed in range(1, seeds + 1):
            found = evidence(f"sim:{known}", scenario, seed)
            for one in calibration.calibrate([found], profiles.load(base), "fitted").estimates:
                if not one.kept:
                    held[one.name].append(one.low * 0.999 <= true(profile, one.name) <= one.high * 1.001)
                    values[one.name].append(one.value)
        print(f"\n{scenario}, sim:{known} fitted from sim:{base}: {seeds} seeds of {TRIALS} runs a case")
        print(f"{'':24}{'true':>10}{'mean fit':>10}  intervals that hold it")
        for name, kept in held.items():
            mean = sum(values[name]) / len(values[name])
            print(f"{name:24}{true(profile, name):>10.4g}{mean:>10.4g}  {sum(kept)} of {len(kept)}")
        every = [one for kept in held.values() for one in kept]
        print(f"all: {sum(every)} of {len(every)} ({sum(every) / len(every):.1%})", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, *(sys.argv[2:4] or ("medium", "small")))
