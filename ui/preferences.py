"""What the reader has set in the app, in <home>/settings.json: defaults of the Launch page and a name. No keys."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from traces import home
from traces.errors import TraceError


class Preferences(Struct, frozen=True, omit_defaults=True):
    """`tokens` and `cost_usd`: the budget of each run (None: the scenario's). `name`: who approves."""

    model: str = "sim:medium"
    api_base: str = ""
    tokens: int | None = None
    cost_usd: float | None = None
    trials: int = 5
    name: str = ""


def read() -> Preferences:
    """What was set; the defaults where nothing was, or where the file cannot be read."""
    try:
        return home.read_json(_file(), Preferences, "settings")
    except TraceError:
        return Preferences()


def write(preferences: Preferences) -> None:
    _file().parent.mkdir(parents=True, exist_ok=True)
    home.write_atomically(_file(), msgspec.json.format(msgspec.json.encode(preferences), indent=2))


def _file() -> Path:
    return home.home() / "settings.json"
