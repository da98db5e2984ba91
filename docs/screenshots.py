"""The pictures of the pages: in docs/images, and every page as it looks in light and dark, wide and narrow.

    python -m docs.screenshots            # the pictures that the docs show
    python -m docs.screenshots FOLDER     # every page, four times, to look at

They are of one simulated experiment, made for them in a folder of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from experiments.conduct import conduct, prepare
from experiments.plan import Plan
from tests.browser import SETTLED, app_server, browser_page
from traces import home

IMAGES = Path(__file__).with_name("images")
PAGES = {
    "home": "",
    "launch": "",
    "live": "?experiment={id}",
    "compare": "?experiment={id}",
    "replay": "?experiment={id}&run=2&step=40",
    "market": "?experiment={id}",
    "layers": "?experiment={id}",
    "approvals": "",
    "own_job": "",
    "knowledge": "?documents=market_brief&query=capacity",
    "models": "",
    "settings": "",
}
SHOWN = ("home", "launch", "live", "compare", "replay", "market", "layers", "approvals")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@contextmanager
def _app() -> Iterator[tuple[str, str]]:
    """The app over a fresh experiment: its address, and the experiment's id."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["HEADCOUNT_HOME"] = str(Path(place) / "runs")
        folder = prepare(Plan("market_brief", ("solo", "supervisor", "market"), trials=4))
        conduct(folder)
        with app_server(home.home()) as url:
            yield url, folder.id


def _take(page: Any, address: str, to: Path) -> None:
    page.goto(address)
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(1500)  # charts and the player draw themselves after the page
    page.screenshot(path=to)


def for_the_docs() -> None:
    with _app() as (url, experiment):
        with browser_page() as (page, _):
            for name in SHOWN:
                _take(page, f"{url}/{name}{PAGES[name].format(id=experiment)}", IMAGES / f"{name}.png")
        with browser_page(width=390, height=800) as (page, _):
            _take(page, f"{url}/replay{PAGES['replay'].format(id=experiment)}", IMAGES / "phone.png")


def to_look_at(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with _app() as (url, experiment):
        for scheme in SCHEMES:
            for width, height in ((1280, 900), (390, 800)):
                with browser_page(width=width, height=height, scheme=scheme) as (page, _):
                    for name, query in PAGES.items():
                        to = folder / f"{name}-{scheme}-{width}.png"
                        _take(page, f"{url}/{name}{query.format(id=experiment)}", to)


if __name__ == "__main__":
    to_look_at(Path(sys.argv[1])) if len(sys.argv) > 1 else for_the_docs()
