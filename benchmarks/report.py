"""How a benchmark reports: one line for each figure, with the peer that was measured in the same run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """A measured value, and in the same unit the peer's, None where there is no peer; `ratio` is value by baseline."""

    name: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if not self.baseline else self.value / self.baseline


def main(measure: Callable[[], Iterable[Figure]], description: str) -> None:
    """Run a benchmark from the command line: a table, or with --json one JSON object a line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    as_json = parser.parse_args().json
    for figure in measure():
        print(_json(figure) if as_json else _line(figure), flush=True)


def _json(figure: Figure) -> str:
    return msgspec.json.encode({**msgspec.structs.asdict(figure), "ratio": figure.ratio}).decode()


def _line(figure: Figure) -> str:
    beside = "" if figure.ratio is None else f"  peer {figure.baseline:>12,.2f}  ratio {figure.ratio:.2f}"
    return f"{figure.name:<44} {figure.value:>12,.2f} {figure.unit:<10}{beside}"
