"""Model-written Python, run in pydantic-monty: an interpreter of its own with no files, network or environment.

The sandbox's clock stands still at `NOW`, its sleeps return at once and its random numbers are seeded, so equal code
gives equal output, and results can be kept.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import datetime
import shutil
from functools import cache, lru_cache
from typing import Any

from msgspec import Struct

from tools.making import LONGEST
from tools.tool import Effect, Tool, ToolError, World, from_function
from traces.strict import writable

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LIMITS = {"max_feed_duration_secs": 5.0, "max_memory": 128 << 20, "max_recursion_depth": 400}
POLICY = {"datetime": NOW, "sleep": "zero", "random_start": {"seed": 0}}
HARD_S = 8.0
"""Seconds after which a worker that does not keep its own limits is killed."""
HARD_MEMORY = 1 << 30
"""Bytes of address space that a worker has, whatever it makes of its own limit."""
WAIT_S = 30.0
WORKERS = 4
LONGEST_CODE = 100_000
LONGEST_KEPT = 20_000
"""Characters of code that is run, and of code whose result is kept."""
PRINTED = 1 << 20
"""Bytes that code may print: what is printed beyond is an error."""
LONGEST_ERROR = 2000
_SHOWN = LONGEST - 100  # the note that it was cut has its place

# Shows a value in at most `left` characters or so, without making all of its text. The names that it needs are its own,
# since code may give `list` and `len` another meaning.
_SHOW = """
def __show__(value, left, deep=0, str=str, repr=repr, len=len, list=list, tuple=tuple, dict=dict, set=set,
             frozenset=frozenset, bytes=bytes, type=type):
    kind = type(value)
    if kind is str or kind is bytes:
        return repr(value[:left])
    if kind is not list and kind is not tuple and kind is not dict and kind is not set and kind is not frozenset:
        return repr(value)[:left]
    if deep > 50:
        return '...'
    parts = []
    for one in value:
        if left <= 0:
            break
        text = __show__(one, left, deep + 1)
        if kind is dict:
            text = text + ': ' + __show__(value[one], left - len(text), deep + 1)
        parts.append(text)
        left = left - len(text) - 2
    inside = ', '.join(parts)
    if kind is list:
        return '[' + inside + ']'
    if kind is tuple:
        return '(' + inside + (',)' if len(parts) == 1 else ')')
    if kind is frozenset:
        return 'frozenset({' + inside + '})' if parts else 'frozenset()'
    return '{' + inside + '}' if parts or kind is dict else 'set()'

def __tell__(value, print=print, show=__show__):
    if value is not None:
        print(show(value, LEFT))
"""


def run_python(world: World, code: str) -> str:
    """Run Python in a sandbox and get back what it prints. Standard library only in part (math, json, datetime, re);
    no classes, files or network. Print the results that you need."""
    return run(code)


def run(code: str) -> str:
    """What the code prints, cut; the value of its last expression where it prints nothing. Raises ToolError with the
    sandbox's message for code that fails, takes too long or takes too much memory."""
    if len(code) > LONGEST_CODE:
        raise ToolError(f"the code has {len(code):,} characters; at most {LONGEST_CODE:,} are run")
    return _kept(code) if len(code) <= LONGEST_KEPT else _run(code)


def _run(code: str) -> str:
    """Only printed text crosses the border, as far as PRINTED: the value of the last expression is made into text
    inside."""
    import pydantic_monty as monty

    printed, shown = monty.CollectString(max_bytes=PRINTED), monty.CollectString(max_bytes=PRINTED)
    try:
        with _pool().checkout(limits=LIMITS, os_policy=POLICY) as session:
            _bound(session.worker_pid)
            session.feed_run(_SHOW.replace("LEFT", str(LONGEST)))
            session.feed_run(_with_value_kept(code), print_callback=printed)
            if not printed.output:
                session.feed_run("__tell__(__value__)\nNone", print_callback=shown)
    except (monty.MontyError, TimeoutError) as error:
        raise ToolError(_explained(error, str(printed.output))) from None
    if printed.output:
        return _cut(str(printed.output).rstrip("\n"))
    return _cut(str(shown.output).rstrip("\n"), whole=False) or "(nothing was printed)"


_kept = lru_cache(maxsize=1024)(_run)


def _with_value_kept(code: str) -> str:
    """The code with the value of its last expression in `__value__`, and without a value of its own. Code that cannot
    be read here is left to the sandbox, which says what is wrong with it."""
    code = writable(code)
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        last = ast.parse(code).body[-1:]
        if last and isinstance(last[0], ast.Expr) and last[0].end_lineno and last[0].end_col_offset is not None:
            begin = _place(code, last[0].lineno, last[0].col_offset)
            end = _place(code, last[0].end_lineno, last[0].end_col_offset)
            data = code.encode()
            before, value, after = data[:begin].decode(), data[begin:end].decode(), data[end:].decode()
            return f"__value__ = None\n{before}__value__ = ({value}){after}\nNone"
    return f"__value__ = None\n{code}\nNone"


def _place(code: str, line: int, column: int) -> int:
    """Where a line and a column of the syntax tree are, in bytes."""
    return sum(len(text) for text in code.encode().splitlines(keepends=True)[: line - 1]) + column


def _explained(error: Exception, printed: str) -> str:
    if isinstance(error, TimeoutError):
        return "the sandbox is busy: try again"
    said = str(error)
    if "memory limit exceeded" in said and len(printed) >= PRINTED // 2:
        return f"the code prints too much: print the results that you need. It began with: {printed[:LONGEST_ERROR]}"
    return writable(said[:LONGEST_ERROR]) + (" (cut)" if len(said) > LONGEST_ERROR else "")


def _cut(text: str, *, whole: bool = True) -> str:
    """`whole`: that nothing of it was cut before, so that it is known how much is."""
    if len(text) <= _SHOWN:
        return writable(text)
    more = f"{len(text) - _SHOWN:,} more characters are not shown" if whole else "the value is longer"
    return f"{writable(text[:_SHOWN])}\n(cut: {more})"


def _bound(worker: int | None) -> None:
    """Have the system itself bound a worker's memory, where it can."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import resource

        if worker is not None:
            resource.prlimit(worker, resource.RLIMIT_AS, (HARD_MEMORY, HARD_MEMORY))


@cache
def _pool() -> Any:
    import pydantic_monty as monty

    pool = monty.Monty(min_processes=1, max_processes=WORKERS, checkout_timeout=WAIT_S, request_timeout=HARD_S)
    atexit.register(pool.__enter__().__exit__, None, None, None)
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
    return from_function(run_python, effect=Effect.READ, latency_s=0.1, ours=True)
