"""Every error that Headcount raises on purpose, as one tree.

HeadcountError                  something a user can act on; the command line prints it and exits with `exit_code`
├── InputError                  what the user gave is wrong: it names the place and what would be right
│   ├── ScenarioError           a file of a scenario: path, line, field
│   ├── Malformed               what came from outside cannot be read
│   │   └── OutOfBounds         it is larger, deeper or further out than anything that is read here
│   ├── Damaged                 a share file cannot be opened
│   ├── IllegalTransition       a posting was asked to do what its state does not allow
│   └── Overdrawn               a payment would take its payer below its limit
├── Unavailable                 an optional part is not here; says how to get it
├── LimitReached                a budget or a stop rule ended the work (kind, value, limit)
├── ModelError                  a model call failed for good, after its retries
│   └── MalformedOutput         a model's reply could not be read, after its repairs
├── TraceError                  a journal or an index cannot be read
│   ├── Unwritable              an event could not be read again, so it is not written
│   ├── NotWritten              a file of the home cannot be written
│   ├── Unreadable              the index is missing, damaged or of another version
│   └── NotLoaded               the journals of one experiment cannot be loaded into the index
├── Difference                  something else happened than was recorded
├── Undelivered                 a message to one agent could not be delivered; it is kept as a dead letter
│   └── Blocked                 an interceptor did not let it pass
├── NoReply                     a question was not answered in time
├── Refused                     what an outside agent asked for is refused (status: HTTP's)
├── NotSent                     a collector does not take what is sent
├── WorkerLost                  a worker ended before its share was done
│   └── WorkerKilled            it was killed, or its machine went away
└── Stopped                     the experiment was asked to stop; what is done is kept
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST, LONGEST_FIELD = 1000, 200
"""Characters of a message about a file, and of a field's name in it."""


class HeadcountError(Exception):
    """Something a user can act on. `exit_code` is what the command line ends with."""

    exit_code = 1


class InputError(HeadcountError):
    """What the user gave is wrong."""

    exit_code = 2


class ScenarioError(InputError):
    """A scenario file is wrong: `path:line: field: message`, in one line that can be printed, whatever the file holds.
    `more`: what else is wrong, which the message counts."""

    def __init__(self, path: str, message: str, *, line: int | None = None, field: str = "") -> None:
        self.path, self.line = path, line
        self.field, self.message = one_line(field, LONGEST_FIELD), one_line(message)
        self.more: tuple[ScenarioError, ...] = ()
        place = path if line is None else f"{path}:{line}"
        super().__init__(f"{place}: {self.field}: {self.message}" if field else f"{place}: {self.message}")

    def __str__(self) -> str:
        return f"{self.args[0]} (and {len(self.more)} more)" if self.more else str(self.args[0])

    @property
    def all(self) -> tuple[ScenarioError, ...]:
        """This one and the rest, each as an error of its own."""
        alone = ScenarioError(self.path, self.message, line=self.line, field=self.field)
        return (alone, *(one for error in self.more for one in error.all))

    @staticmethod
    def first_of(errors: Sequence[ScenarioError]) -> ScenarioError:
        """The first of several, with the rest as `more`."""
        first, *rest = [one for error in errors for one in error.all]
        first.more = tuple(rest)
        return first


class Unavailable(HeadcountError):
    """An optional part is not installed or not reachable; the message says how to get it."""

    exit_code = 3


class LimitReached(HeadcountError):
    """A limit ended the work: `kind` (tokens, cost_usd, seconds, calls, ...), the value reached, the limit set."""

    def __init__(self, kind: str, value: float, limit: float) -> None:
        self.kind, self.value, self.limit = kind, value, limit
        super().__init__(f"{kind}: {value:g} of {limit:g} used")


class ModelError(HeadcountError):
    """A model call failed for good, after its `retries`, `seconds` after it was asked for. `passing`: it may work at
    another time."""

    exit_code = 4

    def __init__(self, message: str, *, retries: int = 0, seconds: float = 0.0, passing: bool = False) -> None:
        self.retries, self.seconds, self.passing = retries, seconds, passing
        super().__init__(message)


class MalformedOutput(ModelError):
    """A model's reply could not be read, after a bounded number of repairs."""


class TraceError(HeadcountError):
    """A journal or an index cannot be read."""

    exit_code = 5


def one_line(text: str, longest: int = LONGEST) -> str:
    """The text as it can be printed in one line: what is longer is cut, line ends become blanks, and other signs that
    cannot be printed their escapes."""
    if len(text) > longest:
        text = f"{text[:longest]}..."
    if text.isprintable():
        return text
    text = re.sub(r"\s*[\n\r]\s*", " ", text)
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else ascii(sign)[1:-1] for sign in text)


def reason(error: Exception) -> str:
    """What an error of the operating system says, without its number and the file, which stand before it; any other's
    words."""
    return getattr(error, "strerror", None) or str(error)
