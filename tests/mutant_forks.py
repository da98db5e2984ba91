"""Mutants, each tried in a fork of its own: of a process that has collected the tests already, which then takes over
the code of the functions that differ, or, where what runs at import differs, of one that has imported nothing of ours.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from tests.mutating import Mutant

ROOT = Path(__file__).parents[1]
SURVIVED, KILLED, BROKEN, COLD = 0, 1, 70, 71
"""How a fork ends: no test failed; one did; the runner itself failed; the code does not fit into the functions."""
OPTIONS = (
    *("-x", "-q", "-s", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--hypothesis-profile=mutants"),
    "-Wignore::pytest.PytestAssertRewriteWarning",
)


@dataclass
class Watch:
    """What watches over a module: its tests' files, and of each test the lines that it reaches and its seconds."""

    path: str
    files: list[str]
    reached: dict[int, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return str(ROOT / self.path)

    def tests(self, mutant: Mutant) -> list[str]:
        """Those that reach its lines, the quickest first; all, where they are reached at import."""
        found = {test for line in mutant.lines for test in self.reached.get(line, ())}
        chosen = self.seconds if "" in found else found
        return sorted(chosen, key=lambda test: self.seconds.get(test, 0.0))

    def at_import(self, mutant: Mutant) -> bool:
        return not mutant.in_body or any("" in self.reached.get(line, ()) for line in mutant.lines)


def measure(watch: Watch) -> None:
    """Run the tests once as they are: what each reaches, and how long it takes. Exits where one fails."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        into, output = Path(scratch) / "reached.json", Path(scratch) / "output.txt"
        reaching = _Reaching(watch.file)

        def run() -> int:
            code = _pytest(watch.files, Path(scratch), [reaching])
            into.write_text(json.dumps({"reached": reaching.reached(), "seconds": reaching.seconds}))
            return code

        if _wait(_forked(run, output), 1800) != 0:
            print(output.read_text()[-4000:])
            sys.exit(f"{watch.path}: its tests fail without any fault: {' '.join(watch.files)}")
        found = json.loads(into.read_text())
    watch.reached = {int(line): tests for line, tests in found["reached"].items()}
    watch.seconds = found["seconds"]


def survivors(made: Sequence[Mutant], watch: Watch, jobs: int) -> list[Mutant]:
    """The mutants that no test noticed. One that hangs was noticed."""
    codes: dict[int, int] = {}
    warm = [n for n, mutant in enumerate(made) if not watch.at_import(mutant) and watch.tests(mutant)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        into, output = Path(scratch) / "codes.json", Path(scratch) / "output.txt"
        session = _Warm(watch, {n: made[n] for n in warm}, jobs, into)
        if _wait(_forked(lambda: _pytest(watch.files, Path(scratch), [session]), output), 7200) != 0:
            sys.exit(f"{watch.path}: the runner failed\n{output.read_text()[-4000:]}")
        codes.update((int(n), code) for n, code in json.loads(into.read_text()).items())
    cold = {n: m for n, m in enumerate(made) if codes.get(n, COLD) == COLD and watch.tests(m)}
    codes.update(_tried(cold, watch, jobs, lambda mutant, scratch: _cold(mutant, watch, scratch)))
    if BROKEN in codes.values():
        sys.exit(f"{watch.path}: the runner failed")
    return [mutant for n, mutant in enumerate(made) if codes.get(n, SURVIVED) == SURVIVED]


def _tried(
    made: dict[int, Mutant], watch: Watch, jobs: int, start: Callable[[Mutant, Path], int]
) -> Iterator[tuple[int, int]]:
    """Each mutant's number with how its fork ended."""
    waiting, running = list(made)[::-1], {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number = waiting.pop()
            scratch = Path(tempfile.mkdtemp(prefix="mutants-"))
            usual = sum(watch.seconds.get(test, 1.0) for test in watch.tests(made[number]))
            running[start(made[number], scratch)] = (number, scratch, time.monotonic() + 30 + 10 * usual)
        for pid, (number, scratch, limit) in list(running.items()):
            ended = _ended(pid, time.monotonic() > limit)
            if ended is not None:
                del running[pid]
                shutil.rmtree(scratch, ignore_errors=True)
                yield number, ended
        time.sleep(0.005)


def _cold(mutant: Mutant, watch: Watch, scratch: Path) -> int:
    def run() -> int:
        sys.meta_path.insert(0, _Standin(mutant.path, mutant.source))
        return KILLED if _pytest(watch.tests(mutant), scratch, []) else SURVIVED

    return _forked(run)


def _pytest(tests: Sequence[str], scratch: Path, plugins: list[Any]) -> int:
    import hypothesis
    import pytest

    phases = [phase for phase in hypothesis.Phase if phase.name in ("explicit", "generate")]
    hypothesis.settings.register_profile("mutants", deadline=None, phases=phases, database=None)
    return int(pytest.main([*tests, *OPTIONS, f"--basetemp={scratch / 'tmp'}"], plugins=plugins))


def _forked(run: Callable[[], int], output: Path | None = None) -> int:
    """The id of a process that ends with what `run` gives, or with BROKEN."""
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        os.setsid()
        quiet = os.open(output or os.devnull, os.O_WRONLY | os.O_CREAT)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.chdir(ROOT)
        code = run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ended(pid: int, late: bool) -> int | None:
    """The exit code of a fork that has ended, None while it runs; one that is late is killed with its children."""
    if late:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return KILLED
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _wait(pid: int, seconds: float) -> int:
    limit = time.monotonic() + seconds
    while (ended := _ended(pid, time.monotonic() > limit)) is None:
        time.sleep(0.05)
    return ended


class _Warm:
    """A plugin of pytest's that tries mutants in place of running the tests that it has collected."""

    def __init__(self, watch: Watch, made: dict[int, Mutant], jobs: int, into: Path) -> None:
        self._watch, self._made, self._jobs, self._into = watch, made, jobs, into

    def pytest_runtestloop(self, session: Any) -> bool:
        items = {item.nodeid: item for item in session.items}
        functions = _functions(self._watch.file)
        gc.freeze()

        def start(mutant: Mutant, scratch: Path) -> int:
            chosen = [items[test] for test in self._watch.tests(mutant)]
            return _forked(lambda: _warm(session, chosen, functions, mutant, scratch))

        codes = dict(_tried(self._made, self._watch, self._jobs, start))
        self._into.write_text(json.dumps(codes))
        return True


def _warm(session: Any, items: list[Any], functions: dict[Any, list[FunctionType]], mutant: Mutant, at: Path) -> int:
    changed = _codes(compile(mutant.source, str(ROOT / mutant.path), "exec"))
    try:
        for key, found in functions.items():
            for function in found if key in changed else ():
                function.__code__ = changed[key]
    except ValueError:  # it uses other variables of the function around it
        return COLD
    session.config._tmp_path_factory._given_basetemp = at / "tmp"
    session.config._tmp_path_factory._basetemp = None
    try:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return KILLED
    except Exception:  # such as a file of pytest's own that the mutant has closed
        return KILLED
    return SURVIVED


def _functions(file: str) -> dict[tuple[str, int], list[FunctionType]]:
    """The functions of a module's file that there are now, by their names and which of that name."""
    keys = {code: key for key, code in _codes(compile(Path(file).read_text("utf-8"), file, "exec")).items()}
    found: dict[tuple[str, int], list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == file and one.__code__ in keys:
            found.setdefault(keys[one.__code__], []).append(one)
    return found


def _codes(code: CodeType) -> dict[tuple[str, int], CodeType]:
    """All code of functions in it, by qualified name and which of that name."""
    found: dict[tuple[str, int], CodeType] = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            number = sum(name == inner.co_qualname for name, _ in found)
            found[inner.co_qualname, number] = inner
            for (name, _), nested in _codes(inner).items():
                found[name, sum(other == name for other, _ in found)] = nested
    return found


class _Reaching:
    """A plugin of pytest's that notes which lines of a file each test reaches, and how long it takes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.seconds: dict[str, float] = {}

    def pytest_sessionstart(self) -> None:
        import coverage

        self.coverage = coverage.Coverage(data_file=None, include=[self.file], config_file=False)
        self.coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.coverage.switch_context(nodeid)
        self.seconds[nodeid] = -time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] += time.monotonic()

    def reached(self) -> dict[int, list[str]]:
        self.coverage.stop()
        return {line: list(tests) for line, tests in self.coverage.get_data().contexts_by_lineno(self.file).items()}


class _Standin:
    """Finds one module, with another source than its file's."""

    def __init__(self, path: str, source: str) -> None:
        self.name = path.removesuffix(".py").replace("/", ".")
        self.file, self.source = str(ROOT / path), source

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.name:
            return None
        return importlib.util.spec_from_loader(name, self, origin=self.file)

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        module.__file__ = self.file
        exec(compile(self.source, self.file, "exec"), module.__dict__)
