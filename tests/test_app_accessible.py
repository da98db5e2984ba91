"""Every page, light and dark, wide and narrow: no serious finding of axe, nothing wider than the screen, and the main
things can be reached with the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests.browser import SETTLED, app_server, browser_page, needs_browser

pytestmark = [needs_browser, pytest.mark.browser, pytest.mark.timeout(300)]

PAGES = [
    "home",
    "launch",
    "live",
    "compare",
    "replay",
    "market",
    "layers",
    "approvals",
    "models",
    "settings",
    "knowledge",
    "own_job",
]
# Streamlit's own, which no page can change: a tooltip's button inside a label, regions outside landmarks.
STREAMLITS = ("nested-interactive",)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("accessible") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(folder))
        conduct(prepare(Plan("market_brief", cases=3, trials=1, workers=1)))
        with app_server(folder) as url:
            yield url


# Colours on their way from one to another are not those of the page, nor is what is pale while it is drawn anew.
STILL = """document.getAnimations().every(
    one => one.playState !== 'running' || one.effect.getTiming().iterations === Infinity)
    && [...document.querySelectorAll('[data-testid=stElementContainer]')].every(
    one => getComputedStyle(one).opacity === '1')"""
PRIMARY = '[kind^="primary"]'
WIDTH = "document.querySelector('[data-testid=stMain]').scrollWidth"
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 800}


def _shown(page: Any, url: str) -> None:
    page.goto(url)
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(300)
    page.wait_for_function(STILL)


def _serious(page: Any, name: str, within: str | None = None) -> list[tuple[Any, ...]]:
    """What axe finds on the page, or within what a selector names: where, which rule, how often, in which elements."""
    found = [
        violation
        for violation in Axe().run(page, within).response["violations"]
        if violation["impact"] in ("serious", "critical") and violation["id"] not in STREAMLITS
    ]
    return [(name, one["id"], len(one["nodes"]), [node["html"][:200] for node in one["nodes"][:3]]) for one in found]


def _fits_a_phone(page: Any) -> None:
    page.set_viewport_size(PHONE)
    page.wait_for_function(f"{WIDTH} <= {PHONE['width']}")
    page.set_viewport_size(DESK)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_all_fits_a_phone(app: str, scheme: Any) -> None:
    found = []
    with browser_page(scheme=scheme) as (page, outside):
        for name in PAGES:
            _shown(page, f"{app}/{name}")
            found += _serious(page, name)
            if name in ("home", "models"):  # a button, and that of a form
                for act in (page.locator(PRIMARY).first.hover, page.locator(PRIMARY).first.focus):
                    act()
                    page.wait_for_function(STILL)
                    found += _serious(page, f"{name}, {act.__name__}", PRIMARY)
            if scheme == "light":
                _fits_a_phone(page)
        assert outside == []
    assert found == [], found


def test_the_demo_can_be_reached_with_the_keyboard(app: str) -> None:
    with browser_page() as (page, _):
        _shown(page, f"{app}/home")
        reached = []
        for _ in range(20):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.innerText"))
        assert "Run the demo" in reached
        assert any("Launch" in text for text in reached)
