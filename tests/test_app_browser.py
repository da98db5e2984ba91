"""The real app in a real browser: every page, and the way from a click to a verdict."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from experiments import launch
from experiments.conduct import conduct, prepare
from experiments.plan import Plan
from tests.browser import app_server, browser_page, needs_browser
from traces import home
from traces.home import ExperimentFolder

pytestmark = [needs_browser, pytest.mark.browser]

PAGES = ["home", "launch", "live", "compare", "replay"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with one finished experiment."""
    folder = tmp_path_factory.mktemp("app") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(folder))
        conduct(prepare(Plan("market_brief", cases=4, trials=2, model="sim:small")))
        yield folder


@pytest.fixture(scope="module")
def app(data: Path) -> Iterator[str]:
    with app_server(data) as url:
        yield url


@pytest.fixture(autouse=True)
def _home(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(data))


def _open(page: Any, url: str, heading: str) -> None:
    page.goto(url)
    page.get_by_role("heading", level=1, name=heading).wait_for()
    page.wait_for_timeout(300)
    _no_trouble(page)


def _no_trouble(page: Any) -> None:
    assert page.locator('[data-testid="stException"]').count() == 0
    assert page.get_by_text("This page failed").count() == 0


HEADINGS = {"home": "How many agents does this job need?"}


def test_every_page_opens_by_its_address_and_reaches_nothing_outside(app: str) -> None:
    with browser_page() as (page, outside):
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for name in PAGES:
            _open(page, f"{app}/{name}", HEADINGS.get(name, name.capitalize()))
            page.wait_for_timeout(1000)
            _no_trouble(page)
        assert outside == []
        assert complaints == []


def test_every_page_opens_from_the_menu(app: str) -> None:
    with browser_page() as (page, outside):
        _open(page, app, HEADINGS["home"])
        for name in [*PAGES[1:], "home"]:
            page.get_by_role("link", name=name.capitalize(), exact=True).first.click()
            page.get_by_role("heading", level=1, name=HEADINGS.get(name, name.capitalize())).wait_for()
            _no_trouble(page)
        assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_compare_shows_the_verdict_and_what_it_rests_on(app: str, scheme: Any) -> None:
    with browser_page(scheme=scheme) as (page, _):
        _open(page, f"{app}/compare", "Compare")
        page.get_by_text("24 of 24 runs shown").wait_for()
        text = page.locator('[data-testid="stMain"]').inner_text()
        assert re.search(r"One agent is enough|The team is worth it|It depends|Not enough trials", text)
        assert "simulated" in text
        page.locator("canvas, .vega-embed").first.wait_for()


def test_from_launch_to_verdict_through_a_reload(app: str) -> None:
    with browser_page() as (page, _):
        _open(page, f"{app}/launch?scenario=market_brief", "Launch")
        cases = page.get_by_label("Cases", exact=True)
        cases.fill("2")
        cases.press("Enter")
        page.get_by_role("button", name="Start 30 runs").click()
        page.get_by_role("heading", level=1, name="Live").wait_for()
        page.wait_for_url("**/live?experiment=*")
        address = page.url
        page.reload()
        assert page.url == address
        page.get_by_text("Finished.").wait_for(timeout=60_000)
        assert "30 of 30 runs" in page.locator('[data-testid="stMain"]').inner_text()
        page.get_by_role("link", name="Compare").last.click()
        page.get_by_role("heading", level=1, name="Compare").wait_for()
        page.get_by_text("30 of 30 runs shown").wait_for()
        _no_trouble(page)


def test_a_wrong_scenario_is_told_beside_the_form(app: str) -> None:
    with browser_page() as (page, _):
        _open(page, f"{app}/launch", "Launch")
        page.get_by_role("combobox").first.click()
        page.get_by_role("option", name="a folder of mine").click()
        folder = page.get_by_label("Path of the scenario's folder")
        folder.fill("/nowhere/at/all")
        folder.press("Enter")
        page.get_by_text("no scenario '/nowhere/at/all'").wait_for()
        assert page.get_by_role("button", name=re.compile("^Start")).count() == 0
        _no_trouble(page)


def test_a_killed_worker_is_shown_as_lost(app: str) -> None:
    experiment = launch.start(Plan("market_brief", trials=1000, workers=1))
    folder = home.find_experiment(experiment)
    pid = _pid_after(folder, runs=3)
    with browser_page() as (page, _):
        _open(page, f"{app}/live?experiment={experiment}", "Live")
        page.get_by_text(re.compile("about .* left")).wait_for()
        processes = [psutil.Process(pid), *psutil.Process(pid).children()]
        for process in processes:
            process.kill()
        page.get_by_text("Worker lost").wait_for(timeout=12_000)
        page.goto(f"{app}/replay?experiment={experiment}&run=0")
        page.get_by_role("heading", level=1, name="Replay").wait_for()
        page.wait_for_timeout(1000)
        _no_trouble(page)


def _pid_after(folder: ExperimentFolder, runs: int) -> int:
    deadline = time.monotonic() + 60
    while (status := folder.read_status()) is None or status.done < runs:
        assert time.monotonic() < deadline, folder.log_file.read_text()
        time.sleep(0.05)
    return status.pid


def test_an_empty_data_folder_says_what_to_do(tmp_path: Path) -> None:
    with app_server(tmp_path / "runs") as url, browser_page() as (page, _):
        for name in ("home", "live", "compare", "replay"):
            _open(page, f"{url}/{name}", HEADINGS.get(name, name.capitalize()))
            page.get_by_text("No experiment here yet").wait_for()
