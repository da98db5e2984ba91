"""How quick Replay is, in headless Chromium, for a run of 200 events and one of 200,000: to open, to step, and to show
what is in a step.

    python -m benchmarks.replay [--json]

Opening: from the start of the navigation until the player is drawn with the lines in sight and the step's content is
there, first with an app that has not seen the run, then again; and what the app sends for it. Stepping: p95 over 100
key presses and 100 moves on the timeline, from the time of the input event until it is painted. Content: from a single
key press until the step's heading is on the page, which is read from the store. All times are taken in the page. The
peers are the goals.
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
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests.browser import SETTLED, app_server, browser_page
from traces import home
from traces.home import Status
from traces.journal import Journal
from traces.kernel import Record
from traces.store import Store

SIZES = (200, 200_000)
TIMES, SETTLED_TIMES = 100, 20
GOAL_MS, CONTENT_GOAL_MS, OPEN_GOAL_MS = 100.0, 350.0, 2500.0
SENT_GOAL_MB = 3.0
REST_MS = 600  # between single presses
NAME = "20260101-000000-long"
PAINTED = """type => {
  window.painted = [];
  document.addEventListener(type, (event) => requestAnimationFrame(() => requestAnimationFrame(() => {
    window.painted.push(performance.now() - event.timeStamp);
  })), true);
}"""
"""Notes, for each event of a type, the time until the frame after the one that it was drawn in begins: at most a frame
too much. A message or a timer would do with less, but waits behind presses that come faster than anybody's."""
OPENED = """
const look = () => {
  const roots = [...document.querySelectorAll("*")].map((one) => one.shadowRoot).filter(Boolean);
  const replay = [document, ...roots].map((one) => one.querySelector(".replay[data-step]")).find(Boolean);
  const heading = [...document.querySelectorAll("h2")].some((one) => one.textContent.startsWith("Step "));
  const now = replay?.querySelector(".now")?.textContent || "…";
  if (heading && !now.endsWith("…")) window.opened ??= performance.now();
  else setTimeout(look, 15);
};
addEventListener("DOMContentLoaded", look);
"""
"""Notes when the player is drawn with its lines, and the step's content is there."""
CONTENT = """() => {
  window.pressed = 0; window.shown = [];
  const steps = () => [...document.querySelectorAll("h2")].map((one) => /^Step (\\d+)/.exec(one.textContent)?.[1]);
  const heading = () => Number(steps().find(Boolean));
  let before = heading();
  document.addEventListener("keydown", (event) => { window.pressed = event.timeStamp; before = heading(); }, true);
  new MutationObserver(() => {
    if (!window.pressed || heading() === before || Number.isNaN(heading())) return;
    window.shown.push(performance.now() - window.pressed);
    window.pressed = 0;
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
"""Notes, for each single key press, the time until the heading of the next step stands on the page."""


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
    folder.write_plan({**recorded.read_plan(), "id": NAME, "total": len(SIZES), "created": 1.0})
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
            _warm(url)
            for run, size in enumerate(SIZES):
                yield from _measured(url, run, size)


def _warm(url: str) -> None:
    """Open Replay of another run: what an app imports at first is no part of opening a run."""
    with browser_page() as (page, _):
        page.goto(f"{url}/replay")
        page.locator(".replay[data-step]").wait_for()
        page.wait_for_function(SETTLED)


def _measured(url: str, run: int, size: int) -> Iterator[Figure]:
    for when in ("first time", "again"):
        with browser_page() as (page, _):
            sent = _sent(page)
            goal = OPEN_GOAL_MS if size == max(SIZES) else None
            yield Figure(f"{size:,} events: opened, {when}", _opened(page, url, run, size // 2), "ms", goal)
            if when == "first time":
                yield Figure(f"{size:,} events: sent to open it", sum(sent) / 1e6, "MB", goal and SENT_GOAL_MB)
                continue
            for part, done in (("key press", _pressed(page)), ("scrub", _scrubbed(page))):
                yield Figure(f"{size:,} events: {part} to paint, p50", statistics.median(done), "ms", None)
                yield Figure(f"{size:,} events: {part} to paint, p95", _p95(done), "ms", GOAL_MS)
            told = _told(page)
            yield Figure(f"{size:,} events: key press to content, p50", statistics.median(told), "ms", CONTENT_GOAL_MS)
            yield Figure(f"{size:,} events: key press to content, p95", _p95(told), "ms", None)


def _sent(page: Any) -> list[int]:
    """The sizes of all that the app sends to the page by its socket, in bytes."""
    sizes: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: sizes.append(len(data))))
    return sizes


def _opened(page: Any, url: str, run: int, step: int) -> float:
    page.add_init_script(OPENED)
    page.goto(f"{url}/replay?experiment={NAME}&run={run}&step={step}")
    page.wait_for_function("window.opened > 0")
    page.wait_for_function(SETTLED)
    return float(page.evaluate("window.opened"))


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


def _told(page: Any) -> list[float]:
    page.wait_for_function(SETTLED)
    page.locator(".where").click()
    page.evaluate(CONTENT)
    key = "ArrowLeft" if _step(page) > SETTLED_TIMES else "ArrowRight"
    for number in range(1, SETTLED_TIMES + 1):
        page.wait_for_timeout(REST_MS)
        page.keyboard.press(key)
        page.wait_for_function(f"window.shown.length === {number}")
    return list(page.evaluate("window.shown"))


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main(measure, __doc__ or "")
