"""Names that resolve to code by their import path, `module:name`, loaded when used."""

from __future__ import annotations

import importlib
from typing import Any

from traces.errors import InputError


def load(path: str, what: str) -> Any:
    """What stands at an import path; `what` is what a user would call it, e.g. "team 'mine:pair'". Raises InputError,
    with the reason, where there is no such thing."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{what} cannot be loaded from {path}: {error}") from error
