"""Sharing a large experiment: seconds, peak memory and size of export and import, beside zipping its journal.

python -m benchmarks.share [EVENTS]
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from traces.home import ExperimentFolder, Status, experiment_folder
from traces.journal import Journal
from traces.kernel import Budget, Chat, ChatMessage, Event, Record, Run, RunFinished, RunStarted, ToolExecuted, Usage

EVENTS = 200_000
PER_RUN = 2_000
_TALK = "You are a careful billing agent. Look up the account, the invoice and the policy before you answer. "


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        there, here = Path(scratch, "there"), Path(scratch, "here")
        folder = _experiment(there, events)
        size = sum(path.stat().st_size for path in folder.journals())
        print(f"{events:,} events, {size / 1e6:,.0f} MB of journal")
        for name, home, arguments in (
            ("export", there, ["export", "latest", f"{scratch}/shared.zip"]),
            ("export, 1,000 names marked", there, ["export", "latest", f"{scratch}/marked.zip", *_hidden()]),
            ("import", here, ["import", f"{scratch}/shared.zip"]),
            ("zip of the journal", there, ["zip", str(folder.path), f"{scratch}/journal.zip"]),
        ):
            print(f"{name:28} {_measured(home, arguments)}")
        for file in ("shared.zip", "journal.zip"):
            print(f"{file:28} {Path(scratch, file).stat().st_size / 1e6:8.1f} MB")


def _hidden() -> list[str]:
    return [word for n in range(1_000) for word in ("--hide", f"Customer Number{n}")]


def _measured(home: Path, arguments: list[str]) -> str:
    command = [sys.executable, "-m", "benchmarks.share", "--", *arguments]
    done = subprocess.run(
        command, env={**os.environ, "HEADCOUNT_HOME": str(home)}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1]


def _experiment(home: Path, events: int) -> ExperimentFolder:
    folder = experiment_folder("20260101-000000-share", home).create()
    with Journal(folder.journal_file()) as log:
        for run in range(events // PER_RUN):
            for seq in range(PER_RUN):
                log.append(Record(run, seq, seq * 0.25, 1e9 + run + seq * 0.001, _event(run, seq)))
    runs = events // PER_RUN
    folder.write_plan(
        {"created": 1.0, "scenario": "billing_support", "total": runs, "plan": {"scenario": "billing_support"}}
    )
    folder.write_status(Status(0, 0.0, "finished", runs, runs, time.time()))
    return folder


def _event(run: int, seq: int) -> Event:
    if seq == 0:
        trial = Run(
            "billing_support", f"case{run % 24}", "solo", "native", "sim:medium", run, 1, Budget(), "virtual", True
        )
        return RunStarted(trial, f"please {run}")
    if seq == PER_RUN - 1:
        return RunFinished("completed", "done", "ok", Usage(), PER_RUN * 0.25, 0)
    if seq % 2:
        told = ChatMessage("tool", f"account A-{seq % 1000}: {seq * 31 % 997}.00. {_TALK * 2}", trusted=False)
        return Chat(
            "solo", "act", "sim:medium", seq, (told,), f"I will look up INV-{seq * 17 % 9973}", Usage(100 + seq, 20)
        )
    sql = {"sql": f"SELECT * FROM invoices WHERE id = 'INV-{seq * 17 % 9973}'"}
    return ToolExecuted("solo", "query_database", f"c{seq}", "read", sql, True, f"1 row\nnet={seq * 31 % 997}.00")


def _alone(arguments: list[str]) -> None:
    """One of the things measured, in a process of its own."""
    from headcount import main as headcount

    start = time.perf_counter()
    if arguments[0] == "zip":
        with zipfile.ZipFile(arguments[2], "w", zipfile.ZIP_DEFLATED) as file:
            for path in Path(arguments[1]).glob("journal-*.jsonl"):
                file.write(path, path.name)
    else:
        with contextlib.suppress(SystemExit):
            headcount(arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - start:8.1f} s, {peak:5.0f} MB at most")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--"]:
        _alone(sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
