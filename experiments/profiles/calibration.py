"""A simulated model that is like a real one: a profile fitted to the traces of single-agent runs.

Error rates by skill, the mix of errors, their growth and the length of replies are fitted by indirect inference
(Gouriéroux, Monfort & Renault 1993, "Indirect Inference", Journal of Applied Econometrics 8): what `attempts` reads
from the traces is also read from runs of the simulated model on the same cases, and the profile is changed until both
agree. So what the rules cannot see biases neither. Speed and price are fitted to the calls directly.

Kept from the base profile, and said so: growth where the traces do not tell it (`growth`), errors in plans, and how
well errors are found in the work of others (moved as far as those in its own are).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from msgspec import Struct, field

from agents.models.simulated.index import index_of
from agents.models.simulated.model import SimulatedModel
from agents.models.simulated.profile import Profile
from experiments import plan as plans
from experiments.failures.attempts import Attempt, Kind, Reading, read_run
from experiments.judging.statistics import wilson
from experiments.outcome import Outcome
from experiments.plan import Plan
from experiments.profiles import callfits, growth
from experiments.profiles.callfits import FEWEST, Estimate, kept
from experiments.running.trial import Bench, run_trial
from tasks.case import Skill
from tasks.scenario import Scenario
from traces import clock
from traces.errors import InputError
from traces.kernel import AgentCreated, Record
from traces.recorder import Recorder
from traces.store import Store

SIMULATED_RUNS = 800
STEPS = (0.25, 0.25, 0.25, 0.5, 1.0, 1.0)
"""The share of SIMULATED_RUNS that each step simulates: the first are far off anyway."""
GROWTH_FROM = 4
"""The step from which on growth is fitted: the error rates are about right by then."""
PRIOR = 1.0
"""The weight, in errors, with which it is held that the rules see each error, beside what the simulations say."""
SINGLE = "one agent's runs do not show it"
RESAMPLES = 400

MODES: dict[Kind, tuple[str, ...]] = {
    "careless": ("disobeys_task", "doesnt_ask", "derails", "ignores", "says_not_does", "withholds", "unaware_of_end"),
    "repeats": ("repeats_step", "loses_history", "resets"),
    "role": ("disobeys_role",),
    "early": ("ends_early",),
}


class Calibration(Struct):
    """The fitted profile, each number in it, and the runs that it rests on. `success` is observed, and as the fitted
    profile would."""

    profile: Profile
    estimates: list[Estimate]
    runs: int
    cases: int
    success: tuple[float, float]
    sparse: list[str] = field(default_factory=list)


class Evidence(Struct):
    """The runs of an experiment's single agent: the scenario, the team's name, its cases, what was read of each run,
    and which succeeded."""

    scenario: Scenario
    team: str
    cases: list[str]
    readings: list[Reading]
    successes: list[bool]


def evidence(store: Store, experiment: str, scenario: Scenario) -> Evidence:
    """Raises InputError where no run of the experiment had a single agent."""
    rows = [row for row in store.runs(experiment) if row.success is not None]
    firsts = {row.team: row for row in reversed(rows)}
    alone = [row.run for row in firsts.values() if _agents(store.events(experiment, row.run)) == 1]
    if not alone:
        raise InputError(
            f"experiment {experiment} has no run of a single agent that gave an answer: include the team solo, and do "
            "runs that broke off again (headcount resume --retry-broken)"
        )
    by_run = {row.run: row for row in rows}
    team = by_run[min(alone)].team
    found = Evidence(scenario, team, [], [], [])
    for run, records in store.each_run(experiment, [row.run for row in rows if row.team == team]):
        if _agents(records) == 1:
            add(found, by_run[run].case_id, records, bool(by_run[run].success))
    return found


def add(found: Evidence, case: str, records: Sequence[Record], success: bool) -> None:
    """A run more."""
    scenario = found.scenario
    reading = read_run(records, case, index_of(scenario.case(case)))
    reading.case = f"{scenario.name}/{case}"
    found.readings.append(reading)
    found.successes.append(success)
    if case not in found.cases:
        found.cases = sorted([*found.cases, case])


def _agents(records: Sequence[Record]) -> int:
    return sum(isinstance(record.event, AgentCreated) for record in records)


def calibrate(found: Sequence[Evidence], base: Profile, name: str, runs: int = SIMULATED_RUNS) -> Calibration:
    """Fit to the runs of one or several experiments. `base` gives what cannot be fitted; `name` is the new profile's.
    `runs`: how many are simulated in the last steps; with fewer the intervals are wider."""
    readings = [reading for part in found for reading in part.readings]
    data = base.model_dump()
    estimates = [*callfits.speed(readings, data), *callfits.prices(readings, data), callfits.refusals(readings, data)]
    seen, why = growth.slopes(readings), dict.fromkeys(growth.FIELDS, "")
    profile, success = base, 0.0
    steps: list[_Step] = []
    for step, share in enumerate(STEPS):
        if step:
            made = growth.slopes(steps[-1].readings)
            why = growth.told(seen, made, data) if step == GROWTH_FROM else why
            growth.towards(data, seen, made, why)
            _towards(data, readings, steps)
        profile = Profile.model_validate({**data, "name": name})
        simulated, success = _simulate(profile, found, round(share * runs))
        steps.append(_Step(simulated, profile))
    estimates += [
        *(_error(skill, data, readings, steps) for skill in data["error"]),
        *growth.estimates(data, seen, growth.slopes(simulated), why),
        *_look_estimates(data, readings),
        *_mix_estimates(data, readings, steps),
        _verbosity(data, readings),
        *_unseen(data),
    ]
    won = [success for part in found for success in part.successes]
    observed = sum(won) / len(won)
    cases = len({reading.case for reading in readings})
    return Calibration(profile, estimates, len(readings), cases, (observed, success), _sparse(readings))


def _unseen(data: dict[str, Any]) -> list[Estimate]:
    return [
        kept("plan_error", data["plan_error"], 0, SINGLE),
        kept("commission", data["commission"], 0, "not fitted"),
        kept("looks_right", data["looks_right"], 0, "not fitted"),
        kept("check.other", data["check"]["other"], 0, f"{SINGLE}; moved as far as check.own"),
        kept("check.blind", data["check"]["blind"], 0, SINGLE),
        kept("yields.one", data["yields"]["one"], 0, SINGLE),
        kept("yields.more", data["yields"]["more"], 0, SINGLE),
        kept("handover.loss", data["handover"]["loss"], 0, SINGLE),
        kept("handover.unaided", data["handover"]["unaided"], 0, SINGLE),
        kept("correlation.clones", data["correlation"]["clones"], 0, "not fitted; try sim:FILE,clones="),
    ]


def _sparse(readings: list[Reading]) -> list[str]:
    """Steps that were tried less than three times: what is said of them rests on the others."""
    tried = Counter((r.case, a.step) for r in readings for a in r.attempts)
    return sorted(f"{case}/{step}" for (case, step), n in tried.items() if n < 3)


def _simulate(profile: Profile, found: Sequence[Evidence], runs: int) -> tuple[list[Reading], float]:
    """About so many runs of the profile on the same cases, as many of each experiment as there are real ones, read by
    the same rules; and their share of success."""
    total = sum(len(part.readings) for part in found)
    readings: list[Reading] = []
    success = 0.0
    for part in found:
        made = Evidence(part.scenario, part.team, [], [], [])
        share = len(part.readings) / total
        for recorder, outcome in simulate(
            profile, part.scenario, part.cases, part.team, "native", max(1, round(share * runs))
        ):
            if not outcome.lost:
                add(made, outcome.case, recorder.records, outcome.success)
        readings += made.readings
        success += share * sum(made.successes) / len(made.successes)
    return readings, success


def simulate(
    profile: Profile, scenario: Scenario, cases: list[str], team: str, engine: str, runs: int
) -> Iterator[tuple[Recorder, Outcome]]:
    """About so many runs of a team with this profile, spread evenly over the cases. Each trial has difficulties of its
    own, so that what is read of them does not hang on one draw."""
    trials = max(1, math.ceil(runs / len(cases)))
    plan = Plan(str(scenario.folder), (team,), (engine,), cases=tuple(cases), trials=trials, seed=1993)
    bench = Bench(plan)
    bench.model_for = lambda case, seed, trial: SimulatedModel(profile, case, seed + trial, trial)
    for trial in plans.trials(plan, scenario):
        yield clock.run(_one(trial, bench), virtual=True)


async def _one(trial: plans.Trial, bench: Bench) -> tuple[Recorder, Outcome]:
    recorder = Recorder(trial.run, keep=True)
    return recorder, await run_trial(trial, bench, recorder)


# --- errors, mix, length: by indirect inference ------------------------------------------------------------------


def _towards(data: dict[str, Any], readings: list[Reading], steps: Sequence[_Step]) -> None:
    """One step: each number is scaled by how far the simulation is off."""
    simulated = steps[-1].readings
    for skill in data["error"]:
        seen, response = _rate(readings, skill, data), _Response.of(steps, skill, data)
        if seen is None:
            continue
        before = data["error"][skill] or seen
        data["error"][skill] = min(0.95, before * _bounded(response.inverse(seen) / before)) if before else 0.0
    _towards_mix(data["mix"], readings, steps)
    _towards_looks(data["check"], readings, simulated)
    seen_length, made_length = _length(readings), _length(simulated)
    if seen_length and made_length:
        data["verbosity"] *= seen_length / made_length


def _towards_looks(check: dict[str, float], readings: list[Reading], simulated: list[Reading]) -> None:
    """How often wrong work is found, and right work sent back. Work of others is found out in the same proportion."""
    for right, names in ((False, ("own", "other")), (True, ("false_alarm",))):
        seen, made = _flagged(readings, right), _flagged(simulated, right)
        if seen is not None and made:
            for name in names:
                check[name] = min(1.0, check[name] * _bounded(seen / made))


def _flagged(readings: Sequence[Reading], right: bool) -> float | None:
    looks = [look for reading in readings for look in reading.looks if look.right == right]
    return sum(not look.passed for look in looks) / len(looks) if len(looks) >= FEWEST else None


def _look_estimates(data: dict[str, Any], readings: list[Reading]) -> list[Estimate]:
    found = []
    for name, right in (("own", False), ("false_alarm", True)):
        value, n = float(data["check"][name]), sum(look.right == right for r in readings for look in r.looks)
        rate = _flagged(readings, right)
        if rate is None:
            found.append(kept(f"check.{name}", value, n))
            continue
        logs = _bootstrap(readings, partial(_log_flagged, right=right, least=1 / n, otherwise=rate))
        spread = math.sqrt(float(np.var(logs)) + 1 / n)
        low, high = value * math.exp(-1.96 * spread), min(1.0, value * math.exp(1.96 * spread))
        found.append(Estimate(f"check.{name}", value, low, high, n))
    return found


def _log_flagged(readings: Sequence[Reading], *, right: bool, least: float, otherwise: float) -> float:
    rate = _flagged(readings, right)
    return math.log(max(otherwise if rate is None else rate, least))


def _bounded(ratio: float) -> float:
    return min(4.0, max(0.25, ratio))


def _rate(readings: Sequence[Reading], skill: str, data: dict[str, Any]) -> float | None:
    """Failures an attempt, taken back to a short context with few tools; None for too few."""
    attempts = _of_skill(readings, skill)
    if len(attempts) < FEWEST:
        return None
    return _failures(attempts) / sum(_growth(a, data) for a in attempts)


def _of_skill(readings: Sequence[Reading], skill: str) -> list[Attempt]:
    return [a for reading in readings for a in reading.attempts if a.skill == skill]


def _failures(attempts: Sequence[Attempt]) -> int:
    return sum(a.kind != "right" for a in attempts)


def _growth(attempt: Attempt, data: dict[str, Any]) -> float:
    many = max(0, attempt.tools - 4)
    return float(1 + data["per_1k_context"] * attempt.context / 1000 + data["per_extra_tool"] * many)


class _Step(Struct, frozen=True):
    """What the rules read of the simulation of a profile."""

    readings: list[Reading]
    profile: Profile

    def errors(self, skill: Skill, attempts: Sequence[Attempt]) -> float:
        """How many of the attempts should go wrong."""
        return sum(self.profile.error_rate(skill, a.context, a.tools) for a in attempts)

    def share(self, kind: Kind) -> float:
        mix: dict[str, float] = dict(self.profile.mix)  # type: ignore[arg-type]
        return sum(mix.get(mode, 0.0) for mode in MODES[kind]) / (sum(mix.values()) or 1.0)


class _Response(Struct, frozen=True):
    """What the rules read of the simulations, as a line: rate = aside + slope * number. `aside` is what comes of other
    errors; the simulation's labels tell them apart. The slope, which is much the same in each step, is that of all."""

    aside: float
    slope: float

    @classmethod
    def of(cls, steps: Sequence[_Step], skill: Skill, data: dict[str, Any]) -> _Response:
        own, due = 0, 0.0
        for step in steps:
            attempts = _of_skill(step.readings, skill)
            labelled = _labelled(attempts)
            own, due = own + labelled, due + step.errors(skill, attempts)
        total = sum(_growth(a, data) for a in attempts) or 1.0
        return cls((_failures(attempts) - labelled) / total, (own + PRIOR) / (due + PRIOR))

    @classmethod
    def of_mix(cls, steps: Sequence[_Step], kind: Kind) -> _Response:
        """A kind's share of the failures that the rules see, as a line over its share of the mix."""
        own, due = 0, 0.0
        for step in steps:
            wrong = [a for reading in step.readings for a in reading.attempts if a.kind != "right"]
            alike = [a for a in wrong if a.kind == kind]
            labelled = _labelled(alike)
            own, due = own + labelled, due + step.share(kind) * len(wrong)
        return cls((len(alike) - labelled) / (len(wrong) or 1), (own + PRIOR) / (due + PRIOR))

    def inverse(self, rate: float) -> float:
        return max(0.0, (rate - self.aside) / self.slope)


def _labelled(attempts: Sequence[Attempt]) -> int:
    """Failures that come of the model's own error at the step, not of an earlier one."""
    return sum(a.kind != "right" and a.labelled for a in attempts)


def _towards_mix(mix: dict[str, float], readings: list[Reading], steps: Sequence[_Step]) -> None:
    kinds = _kinds(readings)
    n, total = sum(kinds.values()), sum(mix.values())
    if n < FEWEST or not total:
        return
    for kind, modes in MODES.items():
        share = sum(mix.get(mode, 0.0) for mode in modes) / total
        response = _Response.of_mix(steps, kind)
        for mode in modes:
            if share and mode in mix:
                mix[mode] *= _bounded(response.inverse((kinds[kind] + 0.5) / (n + 2)) / share)


def _kinds(readings: Sequence[Reading]) -> Counter[Kind]:
    found: Counter[Kind] = Counter()
    for reading in readings:
        found.update(a.kind for a in reading.attempts if a.kind != "right")
    return found


def _mix_estimates(data: dict[str, Any], readings: Sequence[Reading], steps: Sequence[_Step]) -> list[Estimate]:
    """Each kind's share of the mix, with the interval (Wilson) that its observed share stands for; the simulation's own
    chance makes it as wide as so many fewer failures would."""
    kinds = _kinds(readings)
    n, total = sum(kinds.values()), sum(data["mix"].values()) or 1.0
    made = sum(_kinds(steps[-1].readings).values()) or 1
    found = []
    for kind, modes in MODES.items():
        value = sum(data["mix"].get(mode, 0.0) for mode in modes) / total
        if n < FEWEST:
            found.append(kept(f"mix.{kind}", value, n))
            continue
        response = _Response.of_mix(steps, kind)
        low, high = map(response.inverse, wilson(kinds[kind] / n, n * made / (n + made)))
        found.append(Estimate(f"mix.{kind}", value, min(low, value), max(min(1.0, high), value), n))
    return found


def _length(readings: Sequence[Reading]) -> float:
    lengths = [chat.usage.output_tokens for reading in readings for chat in reading.calls]
    return float(np.mean(lengths)) if lengths else 0.0


def _error(skill: Skill, data: dict[str, Any], readings: list[Reading], steps: Sequence[_Step]) -> Estimate:
    """The interval has the cases' differences (bootstrap, on the logarithm) and the simulation's own chance in it."""
    value = float(data["error"][skill])
    attempts = _of_skill(readings, skill)
    n, failed = len(attempts), _failures(attempts)
    if n < FEWEST:
        return kept(f"error.{skill}", value, n)
    if not failed:
        return Estimate(f"error.{skill}", value, 0.0, 3 / n, n)  # the rule of three
    logs = _bootstrap(readings, lambda some: math.log(_smooth_rate(some, skill, data)))
    made = _failures(_of_skill(steps[-1].readings, skill))
    spread = math.sqrt(float(np.var(logs)) + 1 / max(1, made))
    rate, response = _smooth_rate(readings, skill, data), _Response.of(steps, skill, data)
    low, high = (response.inverse(rate * math.exp(side * 1.96 * spread)) for side in (-1, 1))
    return Estimate(f"error.{skill}", value, min(low, value), min(1.0, max(high, value)), n)


def _smooth_rate(readings: Sequence[Reading], skill: str, data: dict[str, Any]) -> float:
    attempts = _of_skill(readings, skill)
    return (_failures(attempts) + 0.5) / (sum(_growth(a, data) for a in attempts) + 1)


def _verbosity(data: dict[str, Any], readings: list[Reading]) -> Estimate:
    value, n = float(data["verbosity"]), sum(len(reading.calls) for reading in readings)
    logs = _bootstrap(readings, lambda some: math.log(max(_length(some), 1e-9)))
    spread = math.sqrt(float(np.var(logs)))
    return Estimate("verbosity", value, value * math.exp(-1.96 * spread), value * math.exp(1.96 * spread), n)


def _bootstrap(readings: Sequence[Reading], statistic: Callable[[Sequence[Reading]], float]) -> list[float]:
    """The statistic over resamples of the cases; of the runs, where there are too few cases to tell."""
    clusters: dict[Any, list[Reading]] = defaultdict(list)
    whole = len({reading.case for reading in readings}) >= 5
    for number, reading in enumerate(readings):
        clusters[reading.case if whole else number].append(reading)
    groups, rng = list(clusters.values()), np.random.default_rng(1)
    picks = rng.integers(0, len(groups), (RESAMPLES, len(groups)))
    return [statistic([reading for i in pick for reading in groups[i]]) for pick in picks]
