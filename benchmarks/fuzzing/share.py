"""Mutated share files, brought in. Where a member was changed the manifest mostly says what it is now, so that what is
behind the checksums is reached too."""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.fuzzing import mutating
from traces import journal
from traces.errors import HeadcountError
from traces.home import ExperimentFolder
from traces.journal import Journal
from traces.kernel import (
    BidMade,
    Budget,
    Chat,
    ChatMessage,
    Evaluated,
    Event,
    Record,
    Run,
    RunFinished,
    RunStarted,
    Usage,
)
from traces.share import reading, writing
from traces.share.manifest import EVENTS
from traces.withheld import Withheld


def prepare() -> Callable[[random.Random], str]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-share-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    members = _members(folder)
    target = folder / "journal-0.jsonl"

    def attempt(draw: random.Random) -> str:
        content = _file(members, draw)
        for path in target.parent.glob("journal-*.jsonl"):
            path.unlink()
        try:
            with reading.opened(io.BytesIO(content), "fuzzed") as shared:
                shared.plan()
                shared.teams()
                shared.write_journal(EVENTS, target)
        except HeadcountError:
            return "refused"
        for line, _ in journal.lines(target):
            assert not journal.fault(line)
        return "read"

    return attempt


def _file(members: dict[str, bytes], draw: random.Random) -> bytes:
    members = dict(members)
    name = draw.choice(list(members))
    if name.endswith(".json") and draw.random() < 0.8:
        value = mutating.changed(json.loads(members[name]), draw)
        members[name] = json.dumps(value).encode("utf-8", "surrogatepass")
    else:
        members[name] = mutating.damaged(members[name], draw)
    if name != "manifest.json" and draw.random() < 0.9:
        members["manifest.json"] = _manifest(members)
    content = zipped(members)
    return mutating.damaged(content, draw) if draw.random() < 0.2 else content


def zipped(members: dict[str, bytes]) -> bytes:
    """A file of these members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


def _manifest(members: dict[str, bytes]) -> bytes:
    data = json.loads(members["manifest.json"])
    for name, content in members.items():
        if name != "manifest.json":
            data["members"][name] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return json.dumps(data).encode()


def _members(folder: Path) -> dict[str, bytes]:
    experiment = ExperimentFolder(folder / "made").create()
    run = Run("s", "c", "solo", "native", "m", 0, 1, Budget(), "virtual", True)
    events: list[Event] = [
        RunStarted(run, "How much?"),
        Chat("solo", "act", "m", 0, (ChatMessage("user", "How much?"),), "7.50", Usage(10, 2, calls=1)),
        BidMade("p", "solo", 12.0, 0.9),
        Evaluated(True, 1.0, ()),
        RunFinished("completed", "done", "7.50", Usage(10, 2, calls=1), 1.0, 0),
    ]
    with Journal(experiment.journal_file()) as into:
        for number in range(3):
            for seq, event in enumerate(events):
                into.append(Record(number, seq, float(seq), 1.7e9, event))
    writing.write(folder / "whole.zip", experiment, {"scenario": "s", "plan": {"scenario": "s"}}, Withheld())
    with zipfile.ZipFile(folder / "whole.zip") as file:
        return {name: file.read(name) for name in file.namelist()}
