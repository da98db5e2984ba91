"""Feeds mutated input of every kind to the product: nothing may crash, hang, or be taken for what it is not.

    python -m benchmarks.fuzz 100000                    # so many inputs for each target
    python -m benchmarks.fuzz 10000 --targets replies   # one of them
    python -m benchmarks.fuzz 1 --targets replies --seed 4711    # the input that a fault was reported with

Every input is made from its own seed, which a fault is reported with. The targets are the modules of
`benchmarks.fuzzing` that have a `prepare()`.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

from msgspec import Struct, field

import benchmarks.fuzzing

HANGS_AFTER_S = 30
SHOWN = 5

Try = Callable[[random.Random], str]


class Hang(BaseException):
    """An input took too long. Not an Exception, so that nothing in the product takes it for one of its own."""


class Fault(Struct, frozen=True):
    seed: int
    text: str


class Outcome(Struct):
    """Of one target: how inputs came out, by word, and what went wrong."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    words: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)


def targets() -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(benchmarks.fuzzing.__path__)]
    return [name for name in names if hasattr(_module(name), "prepare")]


def fuzz(target: str, inputs: int, seed: int = 0) -> Outcome:
    """Try `inputs` mutated inputs, with the seeds from `seed` on."""
    outcome, attempt = Outcome(target), _module(target).prepare()
    start = time.perf_counter()
    for number in range(seed, seed + inputs):
        _one(attempt, number, outcome)
    outcome.inputs, outcome.seconds = inputs, time.perf_counter() - start
    return outcome


def _module(target: str) -> Any:
    return importlib.import_module(f"benchmarks.fuzzing.{target}")


def _one(attempt: Try, seed: int, outcome: Outcome) -> None:
    watched = hasattr(signal, "SIGALRM")
    if watched:
        before = signal.signal(signal.SIGALRM, _hang)
        signal.alarm(HANGS_AFTER_S)
    try:
        outcome.words[attempt(random.Random(f"{outcome.target} {seed}"))] += 1
    except (Exception, Hang):  # any at all is what is looked for here
        outcome.words["FAULT"] += 1
        outcome.faults.append(Fault(seed, traceback.format_exc(limit=-12)))
    finally:
        if watched:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang(f"no end within {HANGS_AFTER_S} s")


def _show(outcome: Outcome) -> None:
    words = ", ".join(f"{count:,} {word}" for word, count in outcome.words.most_common())
    print(f"{outcome.target}: {outcome.inputs:,} inputs in {outcome.seconds:,.0f} s: {words}", flush=True)
    for fault in outcome.faults[:SHOWN]:
        print(f"--- {outcome.target}, seed {fault.seed}\n{fault.text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Mutated input of every kind: nothing may crash or hang.")
    parser.add_argument("inputs", type=int, help="inputs for each target")
    parser.add_argument("--targets", default="", help="names, with commas between them (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="the first input's seed")
    given = parser.parse_args(arguments)
    faults = 0
    for name in given.targets.split(",") if given.targets else targets():
        outcome = fuzz(name, given.inputs, given.seed)
        _show(outcome)
        faults += len(outcome.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
