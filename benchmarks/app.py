"""How quick the app is, in headless Chromium: first paint, and changing pages with 10,000 runs in the store.

    python -m benchmarks.app [--json]

Medians over the rounds. The peer is the goal: 2 s to the first paint, 1 s to another page.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil

from benchmarks.report import Figure, main
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests.browser import SETTLED, app_server, browser_page
from traces import home
from traces.clock import VirtualLoop
from traces.home import ExperimentFolder, Status
from traces.journal import Journal
from traces.kernel import RunStarted
from traces.recorder import Recorder
from traces.store import Store

PAGES = {
    "home": "How many agents does this job need?",
    "launch": "Launch",
    "live": "Live",
    "compare": "Compare",
    "replay": "Replay",
    "approvals": "Approvals",
    "market": "Market",
    "layers": "Layers",
    "own_job": "Your own job",
    "knowledge": "Knowledge",
    "models": "Models",
    "settings": "Settings",
}
SECTIONS = {"market": "Understand", "layers": "Understand", "own_job": "Prepare", "knowledge": "Prepare"}
RUNS, ROUNDS = 10_000, 5
SMALL, OF = 50, 100
READING_S = 5
PAINT_MS, CHANGE_MS = 2000.0, 1000.0


def fill(runs: int) -> None:
    """Half of the runs in one experiment, the newest, which pages open by themselves; the others in small ones. Real
    simulated runs, recorded again and again."""
    folder = prepare(Plan("market_brief", cases=6, trials=4))
    conduct(folder)
    store = Store()
    recorded = [[r.event for r in store.events(folder.id, row.run)] for row in store.runs(folder.id)]
    for number in range(SMALL):
        _again(folder, recorded, OF, f"20260101-{number:06d}-copy")
    _again(folder, recorded, runs - SMALL * OF, f"{home.new_id()}-large")
    store.refresh()


def _again(model: ExperimentFolder, recorded: list[list[Any]], size: int, name: str) -> None:
    folder = home.experiment_folder(name).create()
    with Journal(folder.journal_file()) as journal:
        for run in range(size):
            recorder = Recorder(run, journal)
            recorder._loop, recorder._start = VirtualLoop(), 0.0
            for event in recorded[run % len(recorded)]:
                recorder.record(_of_trial(event, run // 18))
            recorder._loop.close()
    folder.write_plan({**model.read_plan(), "id": name, "total": size, "created": time.time()})
    me = psutil.Process()
    folder.write_status(Status(me.pid, me.create_time(), "finished", size, size, time.time()))


def _of_trial(event: Any, trial: int) -> Any:
    if not isinstance(event, RunStarted):
        return event
    return msgspec.structs.replace(event, run=msgspec.structs.replace(event.run, trial=trial))


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as place:
        os.environ["HEADCOUNT_HOME"] = str(Path(place) / "runs")
        fill(RUNS)
        with app_server(home.home()) as url, browser_page() as (page, _):
            yield _figure("first paint, first visitor of a new server", [_open(page, url)], PAINT_MS)
            page.wait_for_timeout(1000 * READING_S)
            yield _figure(
                f"to live, {READING_S} s later, nobody was there before", [_change(page, url, "live")[1]], CHANGE_MS
            )
            yield _figure("first paint, later", [_open(page, url) for _ in range(ROUNDS)], PAINT_MS)
            for name in PAGES:
                page.goto(f"{url}/{name}")
                page.wait_for_function(SETTLED, timeout=120_000)
            for name in list(PAGES)[1:]:
                times = [_change(page, url, name) for _ in range(ROUNDS)]
                yield _figure(f"to {name}: its heading", [t[0] for t in times], CHANGE_MS)
                yield _figure(f"to {name}: all of it", [t[1] for t in times], CHANGE_MS)


def _figure(name: str, seconds: list[float], goal_ms: float) -> Figure:
    return Figure(name, 1000 * statistics.median(seconds), "ms", goal_ms)


def _open(page: Any, url: str) -> float:
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_role("heading", level=1).first.wait_for()
    return time.perf_counter() - started


def _change(page: Any, url: str, name: str) -> tuple[float, float]:
    """From Home, by the menu: to the heading, and until the page is at rest."""
    page.goto(f"{url}/home")
    page.get_by_role("heading", name=PAGES["home"]).wait_for()
    page.wait_for_function(SETTLED, timeout=120_000)
    title = "Home" if name == "home" else PAGES[name]
    link = page.get_by_role("link", name=title, exact=True).or_(page.get_by_role("menuitem", name=title, exact=True))
    if link.count() == 0:
        page.get_by_text(SECTIONS.get(name, "More"), exact=True).first.click()
    started = time.perf_counter()
    link.last.click()
    page.get_by_role("heading", level=1, name=PAGES[name]).wait_for()
    heading = time.perf_counter() - started
    page.wait_for_timeout(100)
    page.wait_for_function(SETTLED, timeout=120_000)
    return heading, time.perf_counter() - started


if __name__ == "__main__":
    main(measure, __doc__ or "")
