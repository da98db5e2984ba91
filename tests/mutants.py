"""Which faults would the tests not notice? `python -m tests.mutants` puts one small fault after the other into the
modules that everything rests on, runs the tests that reach it, and lists the faults that none of them saw.

Each mutant is tried in a fork of this process, which has imported what the tests need from elsewhere and nothing of
ours; the mutated source stands in for the module's file there. `tests/mutants.toml` says which tests watch over which
module, and which surviving mutants are equivalent, with the reason.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SETTINGS = Path(__file__).with_suffix(".toml")
ENOUGH = 0.90  # of the mutants that are not equivalent
PRELOADED = ("pytest", "hypothesis", "numpy", "scipy.special", "msgspec", "pydantic", "jsonschema", "coverage", "httpx",
             "starlette", "networkx", "yaml", "typer", "rich")  # fmt: skip


@dataclass
class Watch:
    """What watches over a module: its tests' files, and of each test the lines that it reaches and its seconds."""

    path: str
    files: list[str]
    reached: dict[int, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def tests(self, lines: range) -> list[str]:
        """Those that reach a line, the quickest first; all, where it is reached at import."""
        found = {test for line in lines for test in self.reached.get(line, ())}
        chosen = self.seconds if "" in found else found
        return sorted(chosen, key=lambda test: self.seconds.get(test, 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="paths, such as tools/rules.py; all of mutants.toml without any")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=1, help="only every N-th mutant: a quick look")
    asked = parser.parse_args()
    settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    for name in PRELOADED:
        importlib.import_module(name)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    done = [
        _report(Watch(path, files), settings.get("equivalent", []), asked.jobs, asked.every)
        for path, files in settings["modules"].items()
        if not asked.modules or path in asked.modules
    ]
    sys.exit(0 if all(done) else 1)


def _report(watch: Watch, equivalent: list[dict[str, str]], jobs: int, every: int) -> bool:
    from tests.mutating import mutants

    known = {(e["before"], e["after"]): e["why"] for e in equivalent if e["path"] == watch.path}
    _measure(watch)
    made = list(mutants(watch.path, ROOT))[::every]
    started = time.monotonic()
    survived = [mutant for mutant, killed in _tried(made, watch, jobs) if not killed]
    listed = [m for m in survived if (m.before, m.after) in known]
    share = (len(made) - len(survived)) / max(1, len(made) - len(listed))
    print(
        f"{watch.path}: {len(made)} mutants, {len(made) - len(survived)} killed, {len(listed)} equivalent: "
        f"{share:.1%} of the others, in {time.monotonic() - started:.0f} s",
        flush=True,
    )
    for mutant in survived:
        if mutant not in listed:
            print(f"  {watch.path}:{mutant.lines[0]} {mutant.operator}\n    - {mutant.before}\n    + {mutant.after}")
    return share >= ENOUGH


def _measure(watch: Watch) -> None:
    """Run the tests once as they are: what each reaches, and how long it takes. Exits where one fails."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        into = Path(scratch) / "reached.json"
        if _wait(_fork(watch.path, None, watch.files, Path(scratch), into), 1800) != 0:
            print((Path(scratch) / "output.txt").read_text()[-4000:])
            sys.exit(f"{watch.path}: its tests fail without any fault: {' '.join(watch.files)}")
        found = json.loads(into.read_text())
    watch.reached = {int(line): tests for line, tests in found["reached"].items()}
    watch.seconds = found["seconds"]


def _tried(made: Iterable[Any], watch: Watch, jobs: int) -> Iterator[tuple[Any, bool]]:
    """Each mutant with whether a test noticed it. A mutant that hangs was noticed."""
    waiting, running = list(made)[::-1], {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            tests = watch.tests(mutant.lines)
            if not tests:
                yield mutant, False
                continue
            scratch = Path(tempfile.mkdtemp(prefix="mutants-"))
            limit = time.monotonic() + 30 + 10 * sum(watch.seconds.get(test, 1.0) for test in tests)
            running[_fork(watch.path, mutant.source, tests, scratch)] = (mutant, scratch, limit)
        for pid, (mutant, scratch, limit) in list(running.items()):
            ended = _ended(pid, time.monotonic() > limit)
            if ended is not None:
                del running[pid]
                shutil.rmtree(scratch, ignore_errors=True)
                yield mutant, ended != 0
        time.sleep(0.01)


def _ended(pid: int, late: bool) -> int | None:
    """The exit code of a fork that has ended, None while it runs; one that is late is killed with its children."""
    if late:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return -1
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _wait(pid: int, seconds: float) -> int:
    limit = time.monotonic() + seconds
    while (ended := _ended(pid, time.monotonic() > limit)) is None:
        time.sleep(0.05)
    return ended


def _fork(path: str, source: str | None, tests: list[str], scratch: Path, into: Path | None = None) -> int:
    """The id of a process that runs the tests, with this source in the module's place. With `into`, it writes there
    what they reach."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        quiet = os.open(os.devnull if into is None else scratch / "output.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.chdir(ROOT)
        if source is not None:
            sys.meta_path.insert(0, _Standin(path, source))
        code = _pytest(path, tests, scratch, into)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _pytest(path: str, tests: list[str], scratch: Path, into: Path | None) -> int:
    import pytest

    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--hypothesis-seed=0",
        "-Wignore::pytest.PytestAssertRewriteWarning",
        f"--basetemp={scratch / 'tmp'}",
    ]
    if into is None:
        return int(pytest.main([*tests, *options]))
    reaching = _Reaching(path)
    code = int(pytest.main([*tests, *options], plugins=[reaching]))
    into.write_text(json.dumps({"reached": reaching.reached(), "seconds": reaching.seconds}))
    return code


class _Reaching:
    """A plugin of pytest's that notes which lines of a module each test reaches, and how long it takes."""

    def __init__(self, path: str) -> None:
        import coverage

        self.file = str(ROOT / path)
        self.seconds: dict[str, float] = {}
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


if __name__ == "__main__":
    main()
