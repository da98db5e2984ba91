"""Model-written Python: what it may do to whoever runs it. Nothing."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tools import guard, sandbox
from tools.tool import ToolError

GROWTH = 50 << 20


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("['A' * 1000] * 1_000_000", "['AAA"),
        ("x = 'A' * 5_000_000\n[x] * 2000", "['AAA"),
        ("('A' * 1000,) * 100_000", "('AAA"),
        ("x = 'A' * 100_000\n{'a': [x] * 100, 'b': {'c': x}}", "{'a': ['AAA"),
        ("{n: 'y' * 100 for n in range(100_000)}", "{0: 'yyy"),
        ("d = []\nfor i in range(100_000): d = [d]\nd", "[[[["),
        ("x = [1]\nx.append(x)\nx", "[1, [1, "),
        ("b'x' * 50_000_000", "b'xxx"),
        ("'x' * 50_000_000", "'xxx"),
        ("set(range(100_000))", "{"),
    ],
)
def test_a_large_value_comes_back_as_a_short_text(code: str, shown: str) -> None:
    before = guard.resident()
    found = sandbox.run(code)
    assert found.startswith(shown)
    assert len(found) <= 8000
    assert guard.resident() - before < GROWTH


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('x' * 10_000_000)", "ValueError: xxx"),
        ("raise ValueError('x' * 100_000_000)", "memory"),
        ("print('x' * 50_000_000)", "prints too much"),
        ("10 ** 10 ** 6", "4300 digits"),
        ("x = []\nwhile True: x.append('a' * 1000)", "memory"),
        ("def f(): return f()\nf()", "recursion"),
        ("#" * 200_000, "at most 100,000 are run"),
        ("__value__ = [1] * 10**8", "memory"),
        ("\ud800", ""),
    ],
)
def test_what_goes_wrong_is_said_in_few_words(code: str, said: str) -> None:
    before = guard.resident()
    with pytest.raises(ToolError) as wrong:
        sandbox.run(code)
    assert said in str(wrong.value)
    assert len(str(wrong.value)) < 5000
    assert guard.resident() - before < GROWTH


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("(1 +\n 2)", "3"),
        ("(y := 5)", "5"),
        ("a = 1; b = 2; a + b", "3"),
        ("'ünï'; ('é',\n 'b')  # end", "('é', 'b')"),
        ("x = '€' * 3;  x  ;", "'€€€'"),
        (
            "list = 3; len = 4; str = 5\n[1, (2,), {'a': {1}}, set(), frozenset([1]), None]",
            "[1, (2,), {'a': {1}}, set(), frozenset({1}), None]",
        ),
        ("1.5, None, True", "(1.5, None, True)"),
        ("print('a'); 5", "a"),
        ("if True: 5", "(nothing was printed)"),
        ("# only a comment", "(nothing was printed)"),
        ("", "(nothing was printed)"),
        ("{}", "{}"),
        ("def f():\n    return {'a': [1]}\nf()", "{'a': [1]}"),
    ],
)
def test_the_value_of_the_last_expression_is_shown_as_python_shows_it(code: str, shown: str) -> None:
    assert sandbox.run(code) == shown


def test_printing_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sandbox.LIMITS, "max_feed_duration_secs", 1.0)
    before = guard.resident()
    with pytest.raises(ToolError, match="prints too much"):
        sandbox.run("while True: print('x' * 100_000)")
    assert guard.resident() - before < GROWTH


def test_what_is_printed_is_cut_and_says_by_how_much() -> None:
    found = sandbox.run("print('x' * 20_000)")
    assert len(found) <= 8000
    assert "more characters are not shown" in found


def test_code_that_hangs_does_not_hold_up_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sandbox.LIMITS, "max_feed_duration_secs", 1.5)
    ended: list[str] = []

    def hang() -> None:
        with pytest.raises(ToolError, match="time limit"):
            sandbox.run("while True: pass")
        ended.append("hung")

    thread = threading.Thread(target=hang)
    thread.start()
    ended.append(sandbox.run("6 * 7"))
    thread.join()
    assert ended == ["42", "hung"]


def test_a_worker_that_is_killed_is_replaced() -> None:
    with sandbox._pool().checkout() as session:
        pid = session.worker_pid
    os.kill(pid, signal.SIGKILL)
    for attempt in range(3):
        try:
            assert sandbox.run(f"{attempt} + 40") == str(attempt + 40)
            return
        except ToolError:
            continue
    pytest.fail("no worker came back")
