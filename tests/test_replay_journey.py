"""From a step of a run to a fork of it, and to both side by side, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe

from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tests.browser import app_server, browser_page, needs_browser
from traces import home
from traces.kernel import Chat, RunStarted
from traces.labels import Labels
from traces.store import Store

pytestmark = [needs_browser, pytest.mark.browser]


class World(NamedTuple):
    url: str
    experiment: str
    step: int
    """The first model call of run 0."""
    home: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("journey") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(folder))
        made = prepare(Plan("market_brief", teams=("solo", "market"), cases=1, trials=1, workers=1))
        conduct(made)
        step = next(r.seq for r in Store().events(made.id, 0) if isinstance(r.event, Chat))
        with app_server(folder) as url:
            yield World(url, made.id, step, folder)


@pytest.fixture(autouse=True)
def _home(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(world.home))


@pytest.fixture
def page() -> Iterator[Any]:
    with browser_page(height=1600) as (page, outside):
        page.set_default_timeout(30_000)
        yield page
        assert outside == []


def _open(page: Any, world: World, rest: str = "") -> None:
    page.goto(f"{world.url}/replay?experiment={world.experiment}&run=0&step={world.step}{rest}")
    page.get_by_role("heading", name=re.compile(rf"^Step {world.step} ·")).wait_for()
    page.locator(f".replay[data-step='{world.step}']").wait_for()  # drawn: nothing moves under a click any more


def test_a_step_is_forked_and_the_fork_stands_beside_its_parent(world: World, page: Any) -> None:
    _open(page, world)
    page.get_by_text("Fork from here", exact=True).click()
    box = page.get_by_role("textbox", name="Prompt: its last message")
    box.fill("Say only: I do not know.")
    box.press("Control+Enter")
    command = f"headcount fork {world.experiment} 0 --at {world.step} --set 'prompt=Say only: I do not know.'"
    page.get_by_test_id("stCode").filter(has_text=command).wait_for()
    page.get_by_role("button", name="Start the fork").click()
    page.get_by_role("button", name="Compare with this run").wait_for()
    made = next(f.id for f in home.list_experiments() if f.id != world.experiment)
    started = Store().events(made, 0)[0].event
    assert isinstance(started, RunStarted)
    assert started.run.parent is not None
    assert started.run.parent.changes == {"prompt": "Say only: I do not know."}

    page.get_by_role("button", name="Compare with this run").click()
    page.wait_for_url(re.compile(f"experiment={made}.*against={world.experiment}"))
    page.get_by_text("They part where the mark").wait_for()
    page.get_by_text(f"changed at step {world.step}").wait_for()
    page.get_by_role("link", name=f"Run 0 of {world.experiment}, step {world.step}").click()
    page.get_by_text("Forks of this run: 1").wait_for()


def test_an_address_opens_two_runs_side_by_side(world: World, page: Any) -> None:
    _open(page, world, f"&panel=Diff&against={world.experiment}:1")
    page.get_by_text("They part where the mark").wait_for()
    page.get_by_role("combobox", name=re.compile("Compare with")).wait_for()
    _open(page, world, "&panel=Diff&against=nothing:7")
    page.get_by_test_id("stAlert").filter(has_text="nothing").wait_for()


def test_what_is_said_about_a_step_is_there_in_a_new_session(world: World, page: Any) -> None:
    _open(page, world, "&panel=Labels")
    page.get_by_text("thumb up", exact=True).click()
    page.get_by_text("1 of 1 shown").wait_for()
    page.get_by_label("Label", exact=True).fill("wrong price")
    page.get_by_role("button", name="Add label").click()
    page.get_by_text("2 of 2 shown").wait_for()
    assert {(one.step, one.value) for one in Labels().of(world.experiment, 0)} == {
        (world.step, "up"),
        (world.step, "wrong price"),
    }
    phone = page.context.browser.new_context(viewport={"width": 390, "height": 1600}, color_scheme="dark").new_page()
    _open(phone, world, "&panel=Labels")
    phone.get_by_text("2 of 2 shown").wait_for()
    assert phone.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    # The menu is Streamlit's own: no page can change its markup.
    found = Axe().run(phone, context={"exclude": [["[data-testid=stSidebarNav]"]]}).response["violations"]
    wrong = [v for v in found if v["impact"] in ("serious", "critical") or v["id"] == "heading-order"]
    serious = [(v["id"], [n["html"] for n in v["nodes"]]) for v in wrong]
    assert [one for one in serious if one[0] != "nested-interactive"] == []
