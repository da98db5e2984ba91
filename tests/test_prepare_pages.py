"""The pages Knowledge and Your own job, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.documents import corpora
from tasks import scenario as scenarios
from tests.browser import SETTLED, app_server, browser_page, gone, needs_browser, upload

pytestmark = [needs_browser, pytest.mark.browser, pytest.mark.timeout(300)]

VERDICT = re.compile("ne agent is enough|he team is worth it|t depends on the case|The answer is open")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prepare")


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[str]:
    with app_server(folder / "runs") as url:
        yield url


def _write(folder: Path) -> None:
    (folder / "returns.md").write_text(
        "# Returns\nTea can be returned unopened within 14 days. ![x](http://a.example/x)"
    )
    (folder / "teas.csv").write_text("name,price\nSencha,7.50\n")
    (folder / "asked.csv").write_text(
        "question,answer,must_say\nUntil when can I return tea?,Within 14 days.,14 days\n"
        "What does Sencha cost?,7.50 EUR.,7.50\n"
    )


def test_from_documents_to_a_scenario_that_the_oracle_solves_and_to_a_verdict(app: str, folder: Path) -> None:
    _write(folder)
    with browser_page() as (page, outside):
        page.goto(f"{app}/own_job")
        page.get_by_label("What is it called?").fill("Tea shop")
        page.get_by_label("What is it called?").press("Enter")
        for number, name in enumerate(("returns.md", "teas.csv", "asked.csv")):
            upload(page, number, folder / name)
        page.get_by_text("2 questions read.").wait_for()
        page.get_by_role("textbox", name="Where to keep it").fill(str(folder / "tea"))
        page.get_by_role("textbox", name="Where to keep it").press("Enter")
        page.wait_for_function(SETTLED)
        page.get_by_role("button", name="Look the answers up").click()
        page.get_by_role("button", name="These places are right: make the scenario").wait_for()
        page.wait_for_function(SETTLED)
        page.get_by_role("button", name="These places are right: make the scenario").click()
        page.get_by_text("The oracle, which makes no errors, solves every case").wait_for()
        page.get_by_role("link", name="Compare teams on it").click()
        page.get_by_role("button", name="Start 30 runs").click()
        page.get_by_text("Finished.").wait_for()
        page.get_by_role("link", name="Compare").last.click()
        page.get_by_text("30 of 30 runs shown").wait_for()
        page.get_by_text(VERDICT).first.wait_for()
        assert outside == []
    assert len(scenarios.load(str(folder / "tea")).cases) == 2


def test_a_question_that_cannot_be_answered_is_told(app: str, folder: Path) -> None:
    _write(folder)
    with browser_page() as (page, _):
        page.goto(f"{app}/own_job")
        page.get_by_label("What is it called?").fill("Tea shop")
        page.get_by_label("What is it called?").press("Enter")
        for number, name in ((0, "returns.md"), (2, "asked.csv")):
            upload(page, number, folder / name)
        page.get_by_text("2 questions read.").wait_for()
        page.get_by_role("button", name="Look the answers up").click()
        page.get_by_text("'7.50' stands in no document or table").wait_for()
    assert not Path("my_job").exists()


def test_a_search_shows_its_ranks_and_hostile_text_stays_text(
    app: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(folder)
    monkeypatch.setenv("HEADCOUNT_HOME", str(folder / "runs"))
    corpora.add("handbook", {"returns.md": (folder / "returns.md").read_bytes()})
    with browser_page() as (page, outside):
        page.goto(f"{app}/knowledge?documents=handbook&query=return+tea")
        page.get_by_text("Rank fused: 1 · meaning: 1 · words: 1").wait_for()
        gone(page.locator("img[src*='a.example']"))
        assert outside == []


def test_ways_of_cutting_are_measured_on_a_scenarios_cases(app: str) -> None:
    with browser_page() as (page, _):
        page.goto(f"{app}/knowledge?documents=billing_support")
        page.get_by_role("tab", name="How to cut them").click()
        page.get_by_role("button", name="Measure on 26 questions").click()
        page.get_by_text("Best here: cut by").wait_for()
