"""Names that resolve to code by their import path, `module:name`, loaded when used."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import traceback
from typing import Any

from traces import beside
from traces.errors import InputError

LONGEST = 2000


def load(path: str, what: str) -> Any:
    """What stands at an import path; `what` is what a user would call it, e.g. "team 'mine:pair'". Raises InputError,
    with the reason, where there is no such thing."""
    module, _, attribute = path.partition(":")
    try:
        with _aside():
            return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        why = beside.hidden(module.partition(".")[0]) or f"{_place(module, error)}{error}"
        raise InputError(f"{what} cannot be loaded from {path}: {why}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a user's module raises, sys.exit included, is told with its place
        words = f"{type(error).__name__}: {str(error)[:LONGEST]}"
        raise InputError(f"{what} cannot be loaded from {path}: {_place(module, error)}{words}") from error


def _aside() -> contextlib.AbstractContextManager[object]:
    """Send what a module prints to stderr: it is not what the command says. sys.stdout belongs to the whole process, so
    only the main thread may exchange it: two threads that do so at a time can leave it exchanged for good. What other
    threads print, the command sends to stderr anyway."""
    if threading.current_thread() is threading.main_thread():
        return contextlib.redirect_stdout(sys.stderr)
    return contextlib.nullcontext()


def _place(module: str, error: BaseException) -> str:
    """The file and line of the module in which it was raised, where it was in one of its own."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    file = module.replace(".", "/")
    own = [f for f in frames if f.filename.endswith((f"{file}.py", f"{file}/__init__.py"))]
    return f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
