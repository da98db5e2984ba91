"""Asking a person in the terminal for what a running team waits for; the app shows the same requests, and whoever
answers first has answered."""

from __future__ import annotations

import getpass
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from experiments import words
from tools import approvals
from tools.approvals import Request
from traces.errors import InputError
from traces.home import ExperimentFolder

LONGEST = 600


@contextmanager
def asked_here(folder: ExperimentFolder) -> Iterator[None]:
    """While this is open, each request of the experiment is put to whoever sits at the terminal."""
    over = threading.Event()
    threading.Thread(target=_ask_all, args=(folder, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _ask_all(folder: ExperimentFolder, over: threading.Event) -> None:
    console, keyboard = Console(stderr=True), _Keyboard()
    while not over.wait(approvals.LOOK_S):
        for request in approvals.waiting(folder.path):
            try:
                _ask(folder, request, console, keyboard)
            except EOFError:
                console.print("The terminal gives no answers: answer in the app (headcount app), page Approvals.")
                return


def _ask(folder: ExperimentFolder, request: Request, console: Console, keyboard: _Keyboard) -> None:
    def open_still() -> bool:
        return any(other.id == request.id for other in approvals.waiting(folder.path))

    console.print("\n".join(described(request)), markup=False, highlight=False)
    try:
        if request.kind == "question":
            approved, text = True, keyboard.line("Your answer: ", open_still)
        else:
            approved = keyboard.line("Allow it? Type yes or no: ", open_still).lower() in ("y", "yes")
            text = "" if approved else keyboard.line("Why not? The agent is told (may be empty): ", open_still)
        approvals.answer(folder.path, request.id, approved=approved, by=getpass.getuser(), text=text)
    except _Over:
        console.print("\nIt was answered elsewhere, or its time is over.")
    except InputError as error:
        console.print(str(error), markup=False)


class _Over(Exception):
    pass


class _Keyboard:
    """Lines from stdin, straight from the system: a thread that waits in Python's own stdin cannot be left behind
    when the program ends."""

    def __init__(self) -> None:
        self._read = b""

    def line(self, prompt: str, wanted: Callable[[], bool]) -> str:
        """The next line. Raises _Over when it is no longer `wanted`, EOFError at the end of stdin."""
        print(prompt, end="", file=sys.stderr, flush=True)
        while b"\n" not in self._read:
            if select.select([0], [], [], approvals.LOOK_S)[0]:
                more = os.read(0, 4096)
                if not more:
                    raise EOFError
                self._read += more
            elif not wanted():
                raise _Over
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace").strip()


def described(request: Request) -> list[str]:
    """The request in lines: what will be done, and what text from outside the agent has seen."""
    left = words.seconds(max(0.0, request.until - request.asked))
    if request.kind == "question":
        return ["", f"{request.agent} (run {request.run}, {request.team}, {request.case}) asks:", request.question]
    lines = ["", f"{request.agent} (run {request.run}, {request.team}, {request.case}) wants to do this:"]
    lines += [f"  {request.tool}", *(f"    {name} = {value!r}" for name, value in request.arguments.items())]
    lines += [f"It was stopped because {request.reason}. No answer within {left} is a no."]
    for text in request.untrusted:
        cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} more characters)"
        lines += ["Untrusted text in its context:", *(f"  | {line}" for line in cut.splitlines())]
    return lines
