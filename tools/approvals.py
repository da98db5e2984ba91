"""A person's yes or no: requests of running teams as files of their experiment, and answers beside them.

<experiment>/approvals/<id>.json          what is asked, written before the agent waits
<experiment>/approvals/<id>.answer.json   what a person said; the first answer stands
<experiment>/approvals/<id>.used.json     the same, once the run has taken it

Each file is written whole and synced, so a crash loses neither question nor answer. The id is that of the call (run,
agent, tool, arguments, how many-th such call), so a run that is resumed finds the answer that came meanwhile. Taking an
answer is renaming it, which succeeds once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from tools.policy import Ask, Decision
from traces.clock import is_virtual
from traces.errors import InputError, TraceError
from traces.home import write_atomically

FOLDER = "approvals"
WAIT_S = 900.0
LOOK_S = 0.25  # how often a waiting run looks for its answer: another process writes it, and no file system tells
NOBODY = "nobody"
GO_ON = "No person answered. Go on with what you know, and say in the answer what is left open."
_ID = 16

T = TypeVar("T")


class Request(Struct, frozen=True):
    """What is asked: to allow a call of `tool` with `arguments`, or (`kind` question) a `question`. `untrusted` are
    the texts from outside that the agent had in its context, `step` the number of the run's next event; `asked` and
    `until` are Unix time."""

    id: str
    run: int
    kind: Literal["effect", "question"]
    agent: str
    asked: float
    until: float
    tool: str = ""
    arguments: dict[str, Any] = {}
    question: str = ""
    reason: str = ""
    untrusted: tuple[str, ...] = ()
    step: int = 0
    case: str = ""
    team: str = ""


class Answer(Struct, frozen=True):
    """What a person (or, after the time is over, nobody) said. `text`: the reason, or the answer to a question."""

    approved: bool
    by: str
    text: str
    at: float


def waiting(folder: Path) -> list[Request]:
    """The requests of an experiment (its folder) that nobody has answered, oldest first."""
    return [request for request, answer in all_of(folder) if answer is None]


def all_of(folder: Path) -> list[tuple[Request, Answer | None]]:
    """Every request of an experiment with its answer, oldest first. Raises TraceError for a file that is damaged."""
    place = folder / FOLDER
    names = sorted(os.listdir(place)) if place.is_dir() else []
    found = [
        (_read(place / name, Request), _answer_to(place, name.removesuffix(".json")))
        for name in names
        if name.endswith(".json") and name.count(".") == 1
    ]
    return sorted(found, key=lambda pair: pair[0].asked)


def answer(folder: Path, request: str, *, approved: bool, by: str, text: str = "") -> Answer:
    """A person's answer. Raises InputError where there is no such request, it has an answer, or no name is given."""
    place = folder / FOLDER
    if not by.strip():
        raise InputError("an answer needs the name of who gives it: it is recorded in the trace")
    if not _is_id(request) or not (place / f"{request}.json").is_file():
        raise InputError(f"there is no request {request!r} in {folder.name}")
    given = Answer(approved, by.strip(), text.strip(), time.time())
    if (place / f"{request}.used.json").exists() or not _write_once(place / f"{request}.answer.json", given):
        before = _answer_to(place, request)
        who = f" by {before.by}" if before else ""
        raise InputError(f"this request was answered already{who}")
    return given


class Inbox:
    """The approver, and the person to ask, of one run: whoever answers in the app or in the terminal.

    A call that nobody answers within `wait_s` seconds is refused, a question is answered with GO_ON. `step` gives the
    number of the run's next event."""

    def __init__(
        self, folder: Path, run: int, wait_s: float = WAIT_S, *, step: Callable[[], int], case: str = "", team: str = ""
    ) -> None:
        self._place, self._run, self._wait_s, self._step = folder / FOLDER, run, wait_s, step
        self._case, self._team = case, team
        self._asked: Counter[str] = Counter()

    async def decide(self, ask: Ask, reason: str) -> Decision:
        given = await self._ask(
            "effect", ask.agent, tool=ask.tool, arguments=ask.arguments, reason=reason, untrusted=ask.untrusted
        )
        if given is None:
            return Decision(False, NOBODY, f"nobody answered within {self._wait_s:g} s")
        return Decision(given.approved, given.by, given.text or ("approved" if given.approved else "refused"))

    async def answer(self, agent: str, question: str) -> tuple[str, str]:
        given = await self._ask("question", agent, question=question)
        return (GO_ON, NOBODY) if given is None else (given.text, given.by)

    async def _ask(self, kind: Literal["effect", "question"], agent: str, **more: Any) -> Answer | None:
        """Ask, and wait for the answer; None where nobody gave one in time."""
        if is_virtual():
            raise InputError("a person's answer cannot be waited for in simulated time: use the simulated approver")
        now = time.time()
        request = Request(
            self._unused(kind, agent, more),
            self._run,
            kind,
            agent,
            now,
            now + self._wait_s,
            step=self._step(),
            case=self._case,
            team=self._team,
            **more,
        )
        self._place.mkdir(parents=True, exist_ok=True)
        write_atomically(self._place / f"{request.id}.json", msgspec.json.encode(request))
        while (given := self._take(request.id)) is None:
            if time.time() >= request.until:
                _write_once(self._place / f"{request.id}.answer.json", Answer(False, NOBODY, "", time.time()))
                continue  # a person may have been a moment faster
            await asyncio.sleep(LOOK_S)
        return None if given.by == NOBODY else given

    def _unused(self, kind: str, agent: str, more: dict[str, Any]) -> str:
        """The id of the next such request of this run that has not been used: where a run begins anew after its
        answer was taken, a person is asked again."""
        whole = msgspec.json.encode(
            [self._run, kind, agent, *(more.get(name) for name in ("tool", "arguments", "question"))], order="sorted"
        )
        call = hashlib.blake2b(whole, digest_size=_ID // 2).hexdigest()
        while True:
            self._asked[call] += 1
            found = hashlib.blake2b(f"{call} {self._asked[call]}".encode(), digest_size=_ID // 2).hexdigest()
            if not (self._place / f"{found}.used.json").exists():
                return found

    def _take(self, request: str) -> Answer | None:
        used = self._place / f"{request}.used.json"
        try:
            os.rename(self._place / f"{request}.answer.json", used)
        except FileNotFoundError:
            return None
        return _read(used, Answer)


def _write_once(path: Path, given: Answer) -> bool:
    """Write the file if there is none; False where there is. Nobody meets a part of it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_atomically(temporary, msgspec.json.encode(given))
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _answer_to(place: Path, request: str) -> Answer | None:
    for name in (f"{request}.used.json", f"{request}.answer.json", f"{request}.used.json"):  # it may be taken just now
        with contextlib.suppress(FileNotFoundError):
            return _read(place / name, Answer)
    return None


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise TraceError(f"{path}: cannot be read: {error}") from None


def _is_id(name: str) -> bool:
    return len(name) == _ID and name.isalnum()
