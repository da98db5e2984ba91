"""Names loaded by their import path, in several threads at a time."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from traces import imports


class Gate:
    """Lets the test say when a module's import goes on."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.open.wait(20)


def test_shares_that_load_at_a_time_leave_what_the_command_says_on_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second begins while the first is under way, and ends after it."""
    gates = {name: Gate() for name in ("slow_one", "slow_two")}
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "gates_of_slow_modules", gates, raising=False)
    for name in gates:
        (tmp_path / f"{name}.py").write_text(f"import sys\nsys.gates_of_slow_modules['{name}'].wait()\nfound = 1\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    threads = [threading.Thread(target=imports.load, args=(f"{name}:found", "team")) for name in gates]
    for thread, gate in zip(threads, gates.values(), strict=True):
        thread.start()
        assert gate.reached.wait(20)
    for thread, gate in zip(threads, gates.values(), strict=True):
        gate.open.set()
        thread.join(20)
    print("the table")
    assert capsys.readouterr().out == "the table\n"


def test_what_a_module_prints_while_it_is_loaded_is_not_what_the_command_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "talks_when_loaded.py").write_text("print('hello')\nfound = 1\n")
    assert imports.load("talks_when_loaded:found", "team") == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\n")
