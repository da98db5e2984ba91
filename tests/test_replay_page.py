"""The Replay page in a real browser: stepping, links, what it shows, and hostile text that must stay text."""

from __future__ import annotations

import base64
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import PATIENCE_MS, app_server, browser_page, gone, needs_browser

from experiments.failures import autopsy
from experiments.market import recorded
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from traces.home import Status, experiment_folder
from traces.journal import Journal
from traces.kernel import (
    AgentCreated,
    Budget,
    Chat,
    ChatMessage,
    Evaluated,
    Event,
    Message,
    MessageSent,
    Record,
    Run,
    RunFinished,
    RunStarted,
    TaskAwarded,
    ToolExecuted,
    Usage,
)
from traces.store import Store
from ui import replay_lines, replay_load

pytestmark = [pytest.mark.browser, needs_browser, pytest.mark.timeout(300)]

MARKET = 2  # the first run of the third team
EVIL = "![x](http://evil.example/x.png) <script>document.title='owned'</script><img src=http://evil.example/y.png>"
WIDE = "wide"


class World:
    """An app over two experiments: one that was conducted, and one written by hand with hostile text in it."""

    def __init__(self, url: str, home: Path, experiment: str) -> None:
        self.url, self.home, self.experiment = url, home, experiment

    def link(self, step: int | None = None, run: int = MARKET, experiment: str | None = None) -> str:
        at = "" if step is None else f"&step={step}"
        return f"{self.url}/replay?experiment={experiment or self.experiment}&run={run}{at}"

    def events(self, run: int = MARKET, experiment: str | None = None) -> list[Record]:
        return Store(self.home).events(experiment or self.experiment, run)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("replay") / "runs"
    with _home(home):
        folder = prepare(Plan("market_brief", teams=("solo", "supervisor", "market"), cases=2, trials=1, workers=1))
        conduct(folder)
        _write(WIDE, [_hostile(), _long(2000), _unpriced()])
    with app_server(home) as url:
        yield World(url, home, folder.id)


@contextmanager
def _home(path: Path) -> Iterator[None]:
    before = os.environ.get("HEADCOUNT_HOME")
    os.environ["HEADCOUNT_HOME"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["HEADCOUNT_HOME"]
        else:
            os.environ["HEADCOUNT_HOME"] = before


def _write(experiment: str, runs: list[list[Event]]) -> None:
    folder = experiment_folder(experiment).create()
    folder.write_plan({"id": experiment, "scenario": "by hand", "command": "", "created": 1.0, "simulated": False})
    with Journal(folder.journal_file()) as journal:
        for run, events in enumerate(runs):
            for seq, event in enumerate(events):
                journal.append(Record(run, seq, seq * 0.5, 1.0 + seq, event))
    folder.write_status(Status(1, 0.0, "finished", len(runs), len(runs), time.time()))


def _framed(team: str, middle: list[Event]) -> list[Event]:
    run = Run("by hand", "case", team, "native", "some/model", 0, 1, Budget(), "real", False)
    end = RunFinished("completed", "done", EVIL, Usage(), 1.0, 0)
    return [RunStarted(run, EVIL), AgentCreated("a", "r", "m"), *middle, Evaluated(True, 1.0, ()), end]


def _hostile() -> list[Event]:
    prompt = (ChatMessage("system", "be good"), ChatMessage("user", EVIL, trusted=False))
    return _framed(
        "hostile",
        [
            MessageSent(Message(1, f"a{EVIL}", EVIL, EVIL, to="b", trusted=False)),
            Chat("a", "act", EVIL, 0, prompt, EVIL, Usage(10, 5, 0, 1, 7, 0.5), finish_reason=EVIL),
            ToolExecuted("a", EVIL, "1", "read", {EVIL: EVIL}, False, EVIL),
        ],
    )


def _long(count: int) -> list[Event]:
    said = (Message(i, "a", "say", f"number {i}", to="b" if i % 2 else "c") for i in range(1, count + 1))
    return _framed("long", [MessageSent(message) for message in said])


def _unpriced() -> list[Event]:
    return _framed("unpriced", [Chat("a", "act", "m", 0, (), "hi", Usage(1, 1, 0, 1, None, 0.1))])


@pytest.fixture
def page() -> Iterator[Any]:
    with browser_page() as (page, outside):
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        yield page
        assert outside == []
        assert failures == []


def _open(page: Any, address: str, step: int) -> None:
    page.goto(address)
    _at(page, step)


def _at(page: Any, step: int) -> None:
    """Wait until stepper and detail both stand at a step."""
    page.wait_for_selector(f".replay[data-step='{step}']")
    page.get_by_role("heading", name=re.compile(rf"^Step {step} ·")).wait_for()


def _detail(page: Any) -> str:
    """What stands below the stepper, in the order of the page, without the spaces that wrapping makes."""
    parts = page.locator("[data-testid=stCode], [data-testid=stText], [data-testid=stDataFrame]").all_inner_texts()
    return _squeezed(" ".join(parts))


def _shows(page: Any, words: str) -> None:
    """Wait until the detail says this: the page is drawn piece by piece."""
    for _ in range(100):
        shown = _detail(page)
        if _squeezed(words) in shown:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{words!r} is not in {shown!r}")


def _reads(page: Any, part: str, words: str) -> None:
    """Wait until a part of the stepper reads so."""
    from playwright.sync_api import expect

    expect(page.locator(f"[data-is={part}]")).to_have_text(words, timeout=PATIENCE_MS)


def _squeezed(words: str) -> str:
    return "".join(words.split())


def test_each_key_moves_one_step(world: World, page: Any) -> None:
    _open(page, world.link(10, run=1, experiment=WIDE), 10)
    for _ in range(50):
        page.keyboard.press("ArrowRight")
    _at(page, 60)
    for key in ("ArrowLeft", "k", "j", "k"):
        page.keyboard.press(key)
    _at(page, 58)
    page.locator("[data-is=list]").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    _at(page, 59)
    page.keyboard.press("End")
    _at(page, len(world.events(1, WIDE)) - 1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    _at(page, 0)
    page.keyboard.press("ArrowLeft")
    _at(page, 0)


def test_the_detail_is_what_the_store_has(world: World, page: Any) -> None:
    records = world.events()
    kinds = {type(record.event): record.seq for record in records if isinstance(record.event, MessageSent | Chat)}
    others = [record.seq for record in records if hasattr(record.event, "content")]
    for step in [*kinds.values(), *random.Random(7).sample(others, 3)]:
        _open(page, world.link(step), step)
        event = records[step].event
        match event:
            case MessageSent():
                _shows(page, event.message.content)
            case Chat():
                _shows(page, f"{event.usage.input_tokens:,}in")
                _shows(page, f"{event.usage.latency_s:.2f}s")
            case _:
                _shows(page, str(getattr(event, "content", "")))


def test_sums_equal_those_of_the_events(world: World, page: Any) -> None:
    records = world.events()
    step = len(records) // 2
    calls = [record.event for record in records[: step + 1] if isinstance(record.event, Chat)]
    _open(page, world.link(step), step)
    _reads(page, "tokens", f"{sum(call.usage.tokens for call in calls):,}")
    _reads(page, "cost", f"${sum(call.usage.cost_nano_usd or 0 for call in calls) / 1e9:.4g}")


def test_an_unknown_price_is_said_to_be_unknown(world: World, page: Any) -> None:
    _open(page, world.link(3, run=2, experiment=WIDE), 3)
    _reads(page, "cost", "unknown cost")


def test_a_link_opens_at_its_step_and_a_reload_stays_there(world: World, page: Any) -> None:
    _open(page, world.link(40), 40)
    page.reload()
    _at(page, 40)
    page.keyboard.press("ArrowRight")
    _at(page, 41)
    page.wait_for_url(re.compile("step=41"))
    page.reload()
    _at(page, 41)


def test_back_leaves_in_one_press(world: World, page: Any) -> None:
    page.goto(f"{world.url}/compare")
    page.get_by_role("heading", name="Compare").wait_for()
    _open(page, world.link(5), 5)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    _at(page, 8)
    page.go_back()
    page.get_by_role("heading", name="Compare").wait_for()


def _only_one(page: Any) -> None:
    """Wait until the player of the run before has gone."""
    from playwright.sync_api import expect

    expect(page.locator(".where")).to_have_count(1)


def test_another_run_is_picked_and_stands_in_the_address(world: World, page: Any) -> None:
    _open(page, world.link(4), 4)
    page.get_by_role("combobox", name=re.compile("Team")).click()
    page.get_by_role("option", name="solo").click()
    _at(page, 0)
    page.wait_for_url(re.compile("run=0&step=0"))
    _only_one(page)
    page.locator(".where").click()  # keys in a box are the box's
    page.keyboard.press("ArrowRight")
    _at(page, 1)
    page.wait_for_url(re.compile("step=1$|step=1&"))
    page.reload()
    _at(page, 1)
    page.wait_for_url(re.compile("run=0"))


def test_stepping_keeps_within_the_filter(world: World, page: Any) -> None:
    records = world.events()
    wanted = [record.seq for record in records if isinstance(record.event, Chat)]
    _open(page, world.link(0), 0)
    page.locator("[data-is=kind]").select_option(label="model call")
    page.locator(".where").click()
    page.keyboard.press("ArrowRight")
    _at(page, wanted[0])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    _at(page, wanted[2])
    page.keyboard.press("ArrowLeft")
    _at(page, wanted[1])
    page.locator(".where").filter(has_text=f"{len(wanted)} of {len(records)} shown").wait_for()


def test_a_search_narrows_the_steps_and_enter_goes_on_to_the_next(world: World, page: Any) -> None:
    from playwright.sync_api import expect

    _open(page, world.link(10, run=1, experiment=WIDE), 10)
    page.keyboard.press("/")
    page.keyboard.type("Message number 77")
    count, found = len(world.events(1, WIDE)), sum("77" in str(number) for number in range(1, 2001))
    page.locator(".where").filter(has_text=f"{found} of {count:,} shown").wait_for()
    page.keyboard.press("Enter")
    _at(page, 78)
    page.keyboard.press("ArrowRight")
    _at(page, 178)
    page.keyboard.press("/")
    page.keyboard.type("nobody said this")
    page.get_by_text("No step passes this filter.").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator(".where")).to_have_text(f"step 178 / {count - 1:,}", timeout=PATIENCE_MS)
    page.keyboard.press("?")
    page.get_by_text("play or pause").wait_for()


def test_the_lines_of_far_steps_come_when_the_list_is_scrolled_there(world: World, page: Any) -> None:
    _open(page, world.link(10, run=1, experiment=WIDE), 10)
    page.locator(".row", has_text="number 10").first.wait_for()
    page.locator("[data-is=list]").evaluate("list => { list.scrollTop = list.scrollHeight / 2; }")
    page.locator(".row", has_text="number 1005").wait_for()
    page.keyboard.press("End")
    page.locator(".row", has_text="number 2000").wait_for()
    page.locator(".now", has_text="completed: done").wait_for()


def test_play_gets_to_the_end_and_the_detail_follows(world: World, page: Any) -> None:
    last = len(world.events()) - 1
    _open(page, world.link(0), 0)
    page.locator("[data-is=speed]").select_option("100")
    page.locator("[data-do=play]").click()
    _at(page, last)


def test_a_click_on_the_timeline_moves_there(world: World, page: Any) -> None:
    _open(page, world.link(0), 0)
    page.locator("[data-is=line]").scroll_into_view_if_needed()
    box = page.locator("[data-is=line]").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 12, box["y"] + 8)
    late = "|".join(str(seq) for seq in range(len(world.events())) if seq > len(world.events()) * 0.7)
    page.get_by_role("heading", name=re.compile(rf"^Step ({late}) ·")).wait_for()


def test_hostile_text_stays_text(world: World, page: Any) -> None:
    # The fixture asserts that nothing beyond this machine was asked for.
    for step in range(len(world.events(0, WIDE))):
        _open(page, world.link(step, run=0, experiment=WIDE), step)
        assert page.title() != "owned"
        gone(page.locator("img[src*=evil], script:text('owned')"))
    _open(page, world.link(2, run=0, experiment=WIDE), 2)
    _shows(page, EVIL)
    page.locator(".now", has_text="<script>").wait_for()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/replay?experiment=nothing", "There is no experiment 'nothing' here."),
        ("/replay?experiment={id}&run=99999", "has no run 99999"),
        ("/replay?experiment={id}&run=x", "'x' is no run"),
    ],
)
def test_a_wrong_address_is_answered_in_words(world: World, page: Any, address: str, said: str) -> None:
    page.goto(world.url + address.format(id=world.experiment))
    page.get_by_test_id("stAlert").filter(has_text=said).wait_for()
    assert "Traceback" not in page.content()


def test_a_slider_replaces_the_graph(world: World, page: Any) -> None:
    _open(page, world.link(3), 3)
    page.get_by_text("no graph").click()
    page.get_by_role("slider").wait_for()
    page.get_by_role("heading", name=re.compile(r"^Step 3 ·")).wait_for()
    page.get_by_role("slider").press("ArrowRight")
    page.get_by_role("heading", name=re.compile(r"^Step 4 ·")).wait_for()


def test_without_data_it_says_how_to_get_some(tmp_path: Path) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    with app_server(home) as url, browser_page() as (page, _):
        page.goto(f"{url}/replay")
        page.get_by_text("make demo").wait_for()


def test_the_market_is_shown_as_it_was_at_the_step(world: World, page: Any) -> None:
    award = next(record for record in world.events() if isinstance(record.event, TaskAwarded))
    moment = recorded.at(Store(world.home), world.experiment, MARKET, award.seq)
    assert moment.story is not None
    assert (moment.story.holder, moment.story.awards, moment.story.closed) == (award.event.agent, 1, None)
    assert moment.balances == recorded.balances(world.events()[: award.seq + 1])
    before = recorded.at(Store(world.home), world.experiment, MARKET, award.seq - 1).story
    assert before is None or before.holder == ""
    _open(page, f"{world.link(award.seq)}&panel=Market", award.seq)
    page.get_by_text(f"{award.event.agent} got it by {award.event.mechanism}").wait_for()
    page.get_by_text("bids, as they came in").wait_for()


def test_a_failed_run_says_where_it_went_wrong_and_leads_there(world: World, page: Any) -> None:
    with _home(world.home):
        folder = prepare(Plan("market_brief", teams=("supervisor",), cases=1, trials=1, workers=1, model="sim:small"))
        conduct(folder)
        found = autopsy.of_run(folder, 0)
    assert found is not None
    assert found.decisive is not None
    _open(page, world.link(0, run=0, experiment=folder.id), 0)
    page.get_by_text(f"Decisive error: {autopsy.title(found.label)}").wait_for()
    page.get_by_role("button", name=f"{found.decisive.agent} made it, step {found.decisive.seq}").click()
    _at(page, found.decisive.seq)


def test_the_browser_is_answered_with_lines_and_with_where_words_stand(world: World) -> None:
    loaded = replay_load.load(Store(world.home), Store(world.home).run(WIDE, 1))
    with _home(world.home):
        told = replay_lines.answered(loaded, {"steps": [3, 2003, 99_999]})
        assert [seq for seq, _ in told["lines"]] == [3, 2003]
        assert told["lines"][0][1].endswith("number 2")
        found = base64.b64decode(replay_lines.answered(loaded, {"words": "number 77"})["found"])
        bits = [step for step in range(loaded.count) if found[step >> 3] & (1 << (step & 7))]
        assert bits == [number + 1 for number in range(1, 2001) if "77" in str(number)]
        gone = replace(loaded, experiment="nowhere")
        assert "nowhere" in replay_lines.answered(gone, {"steps": [1]})["problem"]
