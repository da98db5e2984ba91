"""The real app in a real browser: every page, and the way from a click to a verdict."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import psutil
import pytest
from playwright.sync_api import expect
from standin import Standin, call, text

from experiments.plan import Plan
from experiments.running import launch
from experiments.running.conduct import conduct, prepare
from tests.browser import SETTLED, app_server, browser_page, gone, needs_browser, upload
from tests.trials import puzzle
from tools import approvals
from traces import clock, home
from traces.home import ExperimentFolder, Status
from traces.journal import Journal
from traces.kernel import (
    ApprovalDecided,
    Budget,
    Evaluated,
    Message,
    MessageSent,
    Run,
    RunFinished,
    RunStarted,
    Usage,
)
from traces.recorder import Recorder
from traces.store import Store

pytestmark = [needs_browser, pytest.mark.browser, pytest.mark.timeout(300)]

TOP = ["launch", "live", "compare", "replay", "approvals"]
UNDER = {"Understand": ["market", "layers"], "Prepare": ["own_job", "knowledge"], "More": ["models", "settings"]}
PAGES = ["home", *TOP, *(name for names in UNDER.values() for name in names)]
TITLES = {name: name.capitalize() for name in PAGES} | {"own_job": "Your own job"}
HEADINGS = TITLES | {"home": "How many agents does this job need?"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with one finished experiment, to which the tests add theirs."""
    folder = tmp_path_factory.mktemp("app") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(folder))
        conduct(prepare(Plan("market_brief", cases=4, trials=2, model="sim:small")))
        yield folder


@pytest.fixture(scope="module")
def finished(data: Path) -> str:
    """The experiment that was there before any test added one: pages open the newest by themselves."""
    return min(path.name for path in (data / "experiments").iterdir())


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
    _no_trouble(page)


def _no_trouble(page: Any) -> None:
    page.wait_for_function(SETTLED)
    gone(page.locator('[data-testid="stException"]'))
    gone(page.get_by_text("This page failed"))


def _complaints(page: Any) -> list[str]:
    """What the page throws, or writes to the console as an error, from now on. What Streamlit asks for in vain where a
    page is opened by its address is not counted."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    return found


def test_every_page_opens_by_its_address_and_reaches_nothing_outside(app: str) -> None:
    with browser_page() as (page, outside):
        complaints = _complaints(page)
        for name in PAGES:
            _open(page, f"{app}/{name}", HEADINGS[name])
        assert outside == []
        assert [one for one in complaints if "404" not in one] == []


def test_every_page_opens_from_the_menu(app: str) -> None:
    with browser_page() as (page, outside):
        complaints = _complaints(page)
        _open(page, app, HEADINGS["home"])
        for name in [*TOP, "home"]:
            page.get_by_role("link", name=TITLES[name], exact=True).first.click()
            page.get_by_role("heading", level=1, name=HEADINGS[name]).wait_for()
            _no_trouble(page)
        for section, names in UNDER.items():
            for name in names:
                page.get_by_text(section, exact=True).first.click()
                page.get_by_role("menuitem", name=TITLES[name], exact=True).click()
                page.get_by_role("heading", level=1, name=HEADINGS[name]).wait_for()
                _no_trouble(page)
        assert outside == []
        assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_compare_shows_the_verdict_and_from_a_mark_the_runs_behind_it(app: str, finished: str, scheme: Any) -> None:
    with browser_page(scheme=scheme, height=2600) as (page, _):
        _open(page, f"{app}/compare?experiment={finished}", "Compare")
        page.get_by_text("24 of 24 runs shown").wait_for()
        page.get_by_text(
            re.compile("ne agent is enough|he team is worth it|t depends on the case|The answer is open")
        ).first.wait_for()
        page.get_by_text("simulated").first.wait_for()
        bar = page.locator('[data-testid="stVegaLiteChart"]').nth(3).locator(".mark-rect path").first
        _until(page.get_by_text(re.compile(r"\b[1-8] of [1-8] runs shown")), bar.click)
        _no_trouble(page)


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
        page.get_by_text("Finished.").wait_for()
        page.get_by_text("30 of 30 runs").first.wait_for()
        page.get_by_role("link", name="Compare").last.click()
        page.get_by_role("heading", level=1, name="Compare").wait_for()
        page.get_by_text("30 of 30 runs shown").wait_for()
        _no_trouble(page)


def test_the_demo_is_one_click_and_can_be_stopped_and_resumed(app: str) -> None:
    with browser_page() as (page, _):
        _open(page, app, HEADINGS["home"])
        page.get_by_role("button", name="Run the demo").click()
        page.get_by_role("heading", level=1, name="Live").wait_for()
        page.get_by_text(re.compile(r"about .* left")).first.wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped by request").wait_for()
        before = _count(page)
        page.get_by_role("button", name="Resume").click()
        page.get_by_role("button", name="Stop").wait_for()
        assert _count(page) >= before
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped by request").wait_for()
        _no_trouble(page)


def _count(page: Any) -> int:
    """How many runs are done, as the page says."""
    said = page.get_by_text(re.compile(r"[\d,]+ of [\d,]+ runs in")).first.inner_text()
    found = re.search(r"([\d,]+) of [\d,]+ runs in", said)
    assert found is not None
    return int(found[1].replace(",", ""))


def _until(shown: Any, act: Callable[[], object]) -> None:
    """Do it again, as a person would, until it shows: what is drawn anew at that moment takes no click."""
    for _ in range(10):
        act()
        try:
            shown.first.wait_for(timeout=6000)
            return
        except Exception:  # Playwright's own, which is imported only where there is a browser
            continue
    shown.first.wait_for(timeout=6000)


def test_the_report_and_the_data_can_be_taken_along(app: str, finished: str, tmp_path: Path) -> None:
    with browser_page() as (page, _):
        _open(page, f"{app}/compare?experiment={finished}", "Compare")
        for name, start in (("Report (HTML)", "<!doctype html>"), ("Runs (CSV)", "run,team,engine")):
            with page.expect_download() as download:
                page.get_by_role("button", name=name).click()
            download.value.save_as(tmp_path / "file")
            assert (tmp_path / "file").read_text().startswith(start)
        with page.expect_download() as download:
            page.get_by_role("button", name="Everything (to share)").click()
        download.value.save_as(tmp_path / "shared.zip")
        _open(page, app, HEADINGS["home"])
        upload(page, 0, tmp_path / "shared.zip")
        page.get_by_text("It is here already").wait_for()


def test_the_layers_lead_to_the_steps(app: str, finished: str) -> None:
    with browser_page() as (page, _):
        _open(page, f"{app}/layers?experiment={finished}", "Layers")
        page.get_by_role("heading", name="11 · Product").wait_for()
        page.get_by_role("link", name="See the slowest model call").click()
        page.get_by_role("heading", level=1, name="Replay").wait_for()
        page.get_by_role("heading", name=re.compile(r"Step \d+ · Model call")).wait_for()


HOSTILE = "![x](http://evil.example/a.png) <img src=http://evil.example/b.png> <script>window.pwned=1</script> # big"


def test_hostile_text_makes_no_request_and_runs_nothing(app: str, data: Path) -> None:
    experiment = _hostile(data)
    with browser_page() as (page, outside):
        for name in ("home", "live", "compare", "layers", "approvals", "launch", "models"):
            query = f"?experiment={experiment}&scenario={quote(HOSTILE)}&model={quote(HOSTILE)}"
            page.goto(f"{app}/{name}{query}")
            page.get_by_role("heading", level=1).first.wait_for()
            _no_trouble(page)
        page.goto(f"{app}/approvals")
        page.get_by_text("wants to call").first.wait_for()
        assert page.evaluate("window.pwned") is None
        gone(page.locator('img[src*="evil"]'))
        assert outside == []


def _hostile(data: Path) -> str:
    """An experiment in which every text of somebody else's is hostile, with a request that waits."""
    folder = home.experiment_folder(f"{home.new_id()}-hostile").create()
    run = Run(HOSTILE, "case", "solo", "native", HOSTILE, 0, 1, Budget(), "real", False, "", "easy", (HOSTILE,))
    message = Message(1, HOSTILE, "report", HOSTILE, to="b", trusted=False)
    events = [RunStarted(run, HOSTILE), MessageSent(message), Evaluated(False, 0.0, ())]
    events.append(RunFinished("failed", HOSTILE, HOSTILE, Usage(), 1.0, 1, HOSTILE))
    with Journal(folder.journal_file()) as journal:
        recorder = Recorder(0, journal)
        for event in events:
            clock.run(_record(recorder, event), virtual=True)
    plan = {"scenario": HOSTILE, "teams": ["solo"], "model": HOSTILE}
    folder.write_plan(
        {"created": time.time(), "command": HOSTILE, "scenario": HOSTILE, "simulated": False, "total": 1, "plan": plan}
    )
    me = psutil.Process()
    folder.write_status(Status(me.pid, me.create_time(), "failed", 1, 1, time.time(), HOSTILE))
    place = folder.path / approvals.FOLDER
    place.mkdir()
    request = approvals.Request(
        "0" * 16, 0, "effect", HOSTILE, time.time(), time.time() + 900, HOSTILE, {"a": HOSTILE}, "", HOSTILE, (HOSTILE,)
    )
    (place / f"{request.id}.json").write_bytes(msgspec.json.encode(request))
    return folder.id


async def _record(recorder: Recorder, event: Any) -> None:
    recorder.record(event)


CREDIT = '{"invoice_id": "INV-0001", "amount": 300, "reason": "duplicate"}'


def test_a_person_says_yes_in_the_app_and_the_trace_has_the_name(app: str, tmp_path: Path) -> None:
    team = tmp_path / "bare.yaml"
    team.write_text("shape: solo\nagent: {check: none}\n")
    script = [call("create_credit_note", CREDIT), text("I made the credit note CN-1.")]
    with Standin(script) as server, browser_page() as (page, _):
        standin = {"model": "hosted_vllm/standin", "api_base": server.url}
        plan = Plan("billing_support", (str(team),), cases=1, trials=1, approver="person", **standin)
        experiment = launch.start(plan)
        _open(page, f"{app}/live?experiment={experiment}", "Live")
        page.get_by_text("An agent waits for a person's answer").wait_for()
        page.get_by_role("link", name="Answer").click()
        page.get_by_text("invoice_id = 'INV-0001'").wait_for()
        name = page.get_by_label("Your name, as it is recorded in the trace")
        name.fill("Ada Byron")
        name.press("Enter")
        page.get_by_role("button", name="Allow it").first.click()
        page.get_by_text("Nobody waits for an answer").wait_for()
        page.goto(f"{app}/live?experiment={experiment}")
        page.get_by_text("Finished.").wait_for()
    events = [record.event for record in Store().events(experiment, 0)]
    decided = next(event for event in events if isinstance(event, ApprovalDecided))
    assert (decided.approved, decided.approver) == (True, "Ada Byron")


SLOWLY = """
import sys
import time


def slowly(outcome):
    if sys.argv[0].endswith("worker.py"):  # the pilot that Launch makes is not slowed
        time.sleep(0.5)
    return True
"""


@pytest.fixture(scope="module")
def paced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario whose runs take half a second each and hardly any work: a thousand trials outlast every test."""
    folder = puzzle(tmp_path_factory.mktemp("paced") / "puzzle")
    (folder / "grader.py").write_text(SLOWLY)
    with (folder / "cases" / "case_0.yaml").open("a") as case:
        case.write("  - {grader: slowly}\n")
    return folder


def test_what_the_app_started_goes_on_undisturbed_and_outlives_it(
    app: str, data: Path, finished: str, paced: Path
) -> None:
    with browser_page() as (page, _):
        with app_server(data) as first:
            _open(page, f"{first}/launch?scenario={paced}", "Launch")
            trials = page.get_by_label("Trials of each case", exact=True)
            trials.fill("1000")
            trials.press("Enter")
            page.get_by_role("button", name=re.compile(r"Start \d+,000 runs")).click()
            page.wait_for_url("**/live?experiment=*")
            address = page.url.removeprefix(first)
            _types_undisturbed(page)
            _drags_undisturbed(page, f"{first}/compare?experiment={finished}")
            before = _count(page)
        _open(page, app + address, "Live")
        page.get_by_text(re.compile("about .* left")).first.wait_for()
        assert _count(page) >= before
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped by request").wait_for()


def _types_undisturbed(page: Any) -> None:
    """Thirty characters, a few to each look of the page at its runs."""
    typed = "thirty characters, one by one!"
    box = page.get_by_role("combobox", name=re.compile("Experiment"))
    box.click()
    for start in range(0, len(typed), 10):
        before = _count(page)
        box.press_sequentially(typed[start : start + 10], delay=20)
        _goes_on(page, before)
    expect(box).to_have_value(typed)
    expect(box).to_be_focused()


def _drags_undisturbed(live: Any, compare: str) -> None:
    """A slider of another tab stays where it was dragged to, while the first goes on."""
    tab = live.context.new_page()
    _open(tab, compare, "Compare")
    slider = tab.get_by_role("slider", name="At least, success rate")
    slider.scroll_into_view_if_needed()
    place = slider.bounding_box()
    across, down = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    tab.mouse.move(across, down)
    tab.mouse.down()
    tab.mouse.move(across + 120, down, steps=12)
    tab.mouse.up()
    expect(slider).not_to_have_value("0")
    dragged = slider.input_value()
    _goes_on(live, _count(live))
    _no_trouble(tab)
    expect(slider).to_have_value(dragged)
    tab.close()


def _goes_on(page: Any, before: int) -> None:
    """Wait until it says another count than before."""
    gone(page.get_by_text(re.compile(rf"^{before:,} of [\d,]+ runs in")))


def test_a_killed_worker_is_shown_as_lost(app: str, paced: Path) -> None:
    experiment = launch.start(Plan(str(paced), trials=1000, workers=1))
    folder = home.find_experiment(experiment)
    pid = _pid_after(folder, runs=3)
    with browser_page() as (page, _):
        _open(page, f"{app}/live?experiment={experiment}", "Live")
        page.get_by_text(re.compile("about .* left")).first.wait_for()
        processes = [psutil.Process(pid), *psutil.Process(pid).children()]
        for process in processes:
            process.kill()
        page.get_by_text("Worker lost: its process").wait_for(timeout=12_000)
        page.goto(f"{app}/replay?experiment={experiment}&run=0")
        page.get_by_role("heading", name=re.compile(r"^Step 0 ·")).wait_for()
        _no_trouble(page)


def _pid_after(folder: ExperimentFolder, runs: int) -> int:
    deadline = time.monotonic() + 60
    while (status := folder.read_status()) is None or status.done < runs:
        assert time.monotonic() < deadline, folder.log_file.read_text()
        time.sleep(0.05)
    return status.pid
