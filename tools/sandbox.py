"""Model-written Python, run in pydantic-monty: an interpreter of its own with no files, network or environment.

The sandbox's clock stands still at `NOW`, its sleeps return at once and its random numbers are seeded, so equal code
gives equal output, and results can be kept.
"""

from __future__ import annotations

import atexit
import datetime
import shutil
import threading
from functools import cache, lru_cache
from typing import Any

from msgspec import Struct

from tools.tool import Effect, Tool, ToolError, World, from_function

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LIMITS = {"max_feed_duration_secs": 5.0, "max_memory": 128 << 20, "max_recursion_depth": 400}
POLICY = {"datetime": NOW, "sleep": "zero", "random_start": {"seed": 0}}

_LOCK = threading.Lock()


def run_python(world: World, code: str) -> str:
    """Run Python in a sandbox and get back what it prints. Standard library only in part (math, json, datetime, re);
    no classes, files or network. Print the results that you need."""
    return run(code)


@lru_cache(maxsize=4096)
def run(code: str) -> str:
    """What the code prints; the value of its last expression where it prints nothing. Raises ToolError with the
    sandbox's message for code that fails, takes too long or takes too much memory."""
    import pydantic_monty as monty

    printed = monty.CollectString()
    try:
        with _LOCK, _pool().checkout(limits=LIMITS, os_policy=POLICY) as session:
            value = session.feed_run(code, print_callback=printed)
    except monty.MontyError as error:
        raise ToolError(str(error)) from None
    if printed.output:
        return str(printed.output).rstrip("\n")
    return "(nothing was printed)" if value is None else repr(value)


@cache
def _pool() -> Any:
    import pydantic_monty as monty

    pool = monty.Monty(min_processes=1, max_processes=1).__enter__()
    atexit.register(pool.__exit__, None, None, None)
    return pool


class Sandbox(Struct, frozen=True):
    """A way of running model-written Python. `state`: ok, missing or off."""

    name: str
    state: str
    detail: str
    how: str = ""


def sandboxes() -> list[Sandbox]:
    """Which sandboxes work here, for `headcount doctor`. Without one, run_python fails; it never runs code bare."""
    try:
        found = run("1 + 1") == "2"
        monty = Sandbox("sandbox: monty", "ok" if found else "missing", "Python subset, no files or network")
    except Exception as error:  # whatever stops the sandbox, the doctor says so
        monty = Sandbox("sandbox: monty", "missing", str(error), "pip install pydantic-monty==1.4.0")
    there = shutil.which("bwrap") is not None
    bubblewrap = Sandbox("sandbox: bubblewrap", "off", "there, not used yet" if there else "not there, not used yet")
    return [monty, bubblewrap]


def tool() -> Tool:
    return from_function(run_python, effect=Effect.READ, latency_s=0.1)
