"""Damaged journals, said to the user: where experiments are listed or opened, and by the doctor."""

from __future__ import annotations

import contextlib
import sys
import time

from traces import home
from traces.errors import TraceError
from traces.home import ExperimentFolder
from traces.stretches import survey

QUICK_S = 0.7  # what a look in passing may take
SHOWN = 5


def tell(folder: ExperimentFolder) -> None:
    """Say on stderr what of an experiment's journals cannot be read, if anything."""
    found = folder.damage()
    if not found:
        return
    print(f"headcount: the journals of {folder.id} have parts that cannot be read:", file=sys.stderr)
    for words in found[:SHOWN]:
        print(f"  {words}", file=sys.stderr)
    if len(found) > SHOWN:
        print(f"  and {len(found) - SHOWN} more", file=sys.stderr)


def look(*, thorough: bool) -> tuple[dict[str, tuple[str, ...]], int, int]:
    """Read the journals of all experiments that do not run, newest first; as many as can be read quickly, unless
    `thorough`. Gives what is damaged by experiment, how many were read, and how many there are."""
    end = time.monotonic() + QUICK_S
    folders = [folder for folder in home.list_experiments() if home.state(folder, time.time()) != "running"]
    damaged = {}
    read = 0
    for folder in folders:
        if not thorough and time.monotonic() > end:
            break
        places = survey(folder.journals()).damaged
        with contextlib.suppress(TraceError):  # a home that can only be read
            folder.write_damage(places)
        if found := folder.damage():
            damaged[folder.id] = found
        read += 1
    return damaged, read, len(folders)
