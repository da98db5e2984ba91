"""What validating has found, on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from experiments.documents.validating import Mistake, Validated
from experiments.terminal.report import as_json


def show(found: Validated, *, json: bool) -> None:
    """Each mistake on a line of its own, and the sum."""
    if json:
        print(as_json(found))
        return
    for mistake in found.mistakes:
        print(mistake)
    done = f", done by the oracle in {_count(found.runs, 'run')}" if found.runs else ""
    print(f"{found.scenario}: {_count(found.cases, 'case')}{done}: {_sum(found.mistakes)}")


def show_file(path: str, kind: str, mistakes: Sequence[Mistake], *, json: bool) -> None:
    """The same for a file alone."""
    if json:
        data: dict[str, Any] = {"file": path, "kind": kind, "mistakes": msgspec.to_builtins(list(mistakes))}
        print(as_json(data))
        return
    for mistake in mistakes:
        print(mistake)
    print(f"{path}{f' ({kind})' if kind else ''}: {_sum(mistakes)}")


def _sum(mistakes: Sequence[Mistake]) -> str:
    return _count(len(mistakes), "mistake") if mistakes else "no mistakes"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
