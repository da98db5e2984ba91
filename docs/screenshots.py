"""The pictures of the pages: in docs/images, and every page as it looks in light and dark, wide and narrow.

    python -m docs.screenshots            # the pictures that the docs show
    python -m docs.screenshots FOLDER     # every page, four times, to look at

They are of simulated experiments, made for them in a folder of their own. The run that waits under Approvals is of a
model whose replies are written here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from experiments.plan import Plan
from experiments.running import launch
from experiments.running.conduct import conduct, prepare
from tests.browser import SETTLED, app_server, browser_page
from tests.standin import Standin, call, text
from tools import approvals
from traces import home

IMAGES = Path(__file__).with_name("images")
PAGES = {
    "home": "",
    "launch": "",
    "compare": "?experiment={id}",
    "replay": "?experiment={id}&run=2&step=40",
    "market": "?experiment={id}",
    "layers": "?experiment={id}",
    "own_job": "",
    "knowledge": "?documents=market_brief&query=capacity",
    "models": "",
    "settings": "",
}
SHOWN = ("home", "launch", "live", "compare", "replay", "market", "layers", "approvals")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
INVOICES = "SELECT id AS invoice, period, net, status FROM invoices WHERE period = '2026-03' AND net = '290.00'"
NOTE = {"invoice_id": "INV-2602", "amount": 290, "reason": "duplicate"}
WHOLE = "document.querySelector('[data-testid=stMain]').scrollHeight"
TALLEST = 6000


@contextmanager
def _app() -> Iterator[tuple[str, str]]:
    """The app over two fresh experiments: its address, and the id of the first of them."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["HEADCOUNT_HOME"] = str(Path(place) / "runs")
        folders = [
            prepare(Plan("market_brief", ("solo", "supervisor", "market"), trials=4)),
            prepare(Plan("billing_support", trials=2, model="sim:small")),
        ]
        for folder in folders:
            conduct(folder)
        with app_server(home.home()) as url:
            yield url, folders[0].id


def _scenes(url: str, experiment: str) -> Iterator[tuple[str, str]]:
    """Each page and its address, at a time when it has something to show."""
    for name, query in PAGES.items():
        yield name, f"{url}/{name}{query.format(id=experiment)}"
    with _running() as running:
        yield "live", f"{url}/live?experiment={running}"
    with _waiting():
        yield "approvals", f"{url}/approvals"


@contextmanager
def _running() -> Iterator[str]:
    """An experiment on its way."""
    experiment = launch.start(Plan("billing_support", trials=30, workers=1))
    folder = home.find_experiment(experiment)
    _until(lambda: (status := folder.read_status()) is not None and status.done > 300)
    yield experiment
    launch.stop(experiment)


@contextmanager
def _waiting() -> Iterator[None]:
    """A real run that asks a person: the replies of its model are written here, the rest is as always."""
    team = home.home() / "careless.yaml"
    team.write_text("shape: solo\nagent: {check: none}\n", encoding="utf-8")
    script = [
        call("query_database", json.dumps({"sql": INVOICES})),
        call("create_credit_note", json.dumps(NOTE)),
        text(""),
    ]
    with Standin(script) as server:
        plan = Plan(
            "billing_support", (str(team),), model="hosted_vllm/standin", api_base=server.url, approver="person"
        )
        folder = home.find_experiment(launch.start(replace(plan, cases=("duplicate_charge",), trials=1)))
        _until(lambda: bool(approvals.waiting(folder.path)))
        yield
        folder.request_stop()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("nothing to take a picture of")
        time.sleep(0.1)


def _take(page: Any, address: str, to: Path, *, whole: bool = False) -> None:
    page.goto(address)
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(1500)  # charts and the player draw themselves after the page
    window = page.viewport_size
    if whole:
        page.set_viewport_size({**window, "height": min(TALLEST, max(window["height"], page.evaluate(WHOLE)))})
        page.wait_for_timeout(1000)
    page.screenshot(path=to)
    page.set_viewport_size(window)


def for_the_docs() -> None:
    with _app() as (url, experiment):
        with browser_page() as (page, _):
            for name, address in _scenes(url, experiment):
                if name in SHOWN:
                    _take(page, address, IMAGES / f"{name}.png")
        with browser_page(width=390, height=800) as (page, _):
            _take(page, f"{url}/replay{PAGES['replay'].format(id=experiment)}", IMAGES / "phone.png")


def to_look_at(folder: Path) -> None:
    """Each page from top to bottom."""
    folder.mkdir(parents=True, exist_ok=True)
    with _app() as (url, experiment):
        for scheme in SCHEMES:
            for width, height in ((1280, 900), (390, 800)):
                with browser_page(width=width, height=height, scheme=scheme) as (page, _):
                    for name, address in _scenes(url, experiment):
                        _take(page, address, folder / f"{name}-{scheme}-{width}.png", whole=True)


if __name__ == "__main__":
    to_look_at(Path(sys.argv[1])) if len(sys.argv) > 1 else for_the_docs()
