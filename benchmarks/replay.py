"""How quick a step in Replay is, in headless Chromium: from the press of a key, or the move of the pointer on the
timeline, until it is painted, for a run of 200 events and one of 200,000.

    python -m benchmarks.replay [--json]

p95 over 100 key presses and 100 moves, taken in the page from the time of the input event. The peer is the goal:
100 ms. The content of a step is read from the store once the reader has settled on it (150 ms); its time counts from
the press.
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

from benchmarks.report import Figure, main
from experiments.conduct import conduct, prepare
from experiments.plan import Plan
from tests.browser import SETTLED, app_server, browser_page
from traces import home
from traces.home import Status
from traces.journal import Journal
from traces.kernel import Record
from traces.store import Store

SIZES = (200, 200_000)
TIMES, SETTLED_TIMES = 100, 20
GOAL_MS = 100.0
NAME = "20260101-000000-long"
PAINTED = """type => {
  window.painted = [];
  document.addEventListener(type, (event) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => window.painted.push(performance.now() - event.timeStamp);
    port2.postMessage(0);
  }), true);
}"""
"""Notes, for each event of a type, the time until the frame after it has been drawn."""


def fill() -> None:
    """For each size a run: a simulated one of a market, its middle recorded again and again."""
    recorded = prepare(Plan("market_brief", teams=("market",), cases=1, trials=1, workers=1))
    conduct(recorded)
    records = Store().events(recorded.id, 0)
    folder = home.experiment_folder(NAME).create()
    with Journal(folder.journal_file()) as journal:
        for run, size in enumerate(SIZES):
            for record in _lengthened(records, run, size):
                journal.append(record)
    folder.write_plan({**recorded.read_plan(), "id": NAME, "total": len(SIZES), "created": time.time()})
    folder.write_status(Status(1, 0.0, "finished", len(SIZES), len(SIZES), time.time()))
    Store().refresh()


def _lengthened(records: list[Record], run: int, size: int) -> Iterator[Record]:
    first, middle, last = records[0], records[1:-2], records[-2:]
    span = middle[-1].t - first.t
    yield msgspec.structs.replace(first, run=run, event=_of_trial(first.event, run))
    for seq in range(1, size - len(last)):
        lap, place = divmod(seq - 1, len(middle))
        yield msgspec.structs.replace(middle[place], run=run, seq=seq, t=middle[place].t + lap * span)
    end = (size // len(middle) + 1) * span
    for seq, record in enumerate(last, size - len(last)):
        yield msgspec.structs.replace(record, run=run, seq=seq, t=record.t + end)


def _of_trial(event: Any, trial: int) -> Any:
    return msgspec.structs.replace(event, run=msgspec.structs.replace(event.run, trial=trial))


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as place:
        os.environ["HEADCOUNT_HOME"] = str(Path(place) / "runs")
        fill()
        with app_server(home.home()) as url:
            for run, size in enumerate(SIZES):
                yield from _measured(url, run, size)


def _measured(url: str, run: int, size: int) -> Iterator[Figure]:
    with browser_page() as (page, _):
        started = time.perf_counter()
        _open(page, url, run, size // 2)
        yield Figure(f"{size:,} events: opened, first time", 1000 * (time.perf_counter() - started), "ms", None)
        for part, done in (("key press", _pressed(page)), ("scrub", _scrubbed(page))):
            yield Figure(f"{size:,} events: {part} to paint, p50", statistics.median(done), "ms", None)
            yield Figure(f"{size:,} events: {part} to paint, p95", _p95(done), "ms", GOAL_MS)
        yield Figure(f"{size:,} events: key press to its content, p50", statistics.median(_settled(page)), "ms", None)


def _open(page: Any, url: str, run: int, step: int) -> None:
    page.goto(f"{url}/replay?experiment={NAME}&run={run}&step={step}")
    page.wait_for_selector(f".replay[data-step='{step}']")
    page.get_by_role("heading", name=f"Step {step} ·").wait_for()
    page.wait_for_function(SETTLED)


def _step(page: Any) -> int:
    return int(page.locator(".replay").get_attribute("data-step"))


def _pressed(page: Any) -> list[float]:
    before = _step(page)
    page.evaluate(PAINTED, "keydown")
    for number in range(TIMES):
        page.keyboard.press("ArrowRight" if number % 3 else "ArrowLeft")
    page.wait_for_function(f"window.painted.length === {TIMES}")
    back = len(range(0, TIMES, 3))
    assert _step(page) == before + TIMES - 2 * back
    return list(page.evaluate("window.painted"))


def _scrubbed(page: Any) -> list[float]:
    page.locator("[data-is=line]").scroll_into_view_if_needed()
    box = page.locator("[data-is=line]").bounding_box()
    page.mouse.move(box["x"] + 130, box["y"] + 8)
    page.mouse.down()
    page.evaluate(PAINTED, "pointermove")
    for number in range(TIMES):
        page.mouse.move(box["x"] + 130 + (number * 37) % (box["width"] - 150), box["y"] + 8 + number % 30)
    page.wait_for_function(f"window.painted.length >= {TIMES - 1}")
    page.mouse.up()
    return list(page.evaluate("window.painted"))


def _settled(page: Any) -> list[float]:
    found = []
    for _ in range(SETTLED_TIMES):
        started = time.perf_counter()
        page.keyboard.press("ArrowRight")
        page.get_by_role("heading", name=f"Step {_step(page)} ·").wait_for()
        found.append(1000 * (time.perf_counter() - started))
    return found


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main(measure, __doc__ or "")
