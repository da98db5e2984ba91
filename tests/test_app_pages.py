"""Pages of the app without a browser: what they say of bad input, of limits, and where there is nothing to show."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from experiments import words
from experiments.design import planning
from experiments.plan import Plan
from experiments.running import launch
from experiments.running.conduct import conduct, prepare
from experiments.terminal import planning_report
from tasks import scenario as scenarios
from tests import cli
from tools import approvals
from traces import home
from traces.home import Status
from traces.store import Store
from ui import inbox, shared, style


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with a finished experiment."""
    folder = tmp_path_factory.mktemp("pages") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(folder))
        conduct(prepare(Plan("market_brief", cases=4, trials=2, model="sim:small", workers=1)))
    return folder


def _script(name: str) -> None:
    import importlib

    from ui import shared

    shared.guarded(importlib.import_module(f"ui.{name}").page)()


def opened(name: str, **query: str) -> AppTest:
    """The page of ui/<name>.py, drawn."""
    app = AppTest.from_function(_script, default_timeout=100, kwargs={"name": name})
    for key, value in query.items():
        app.query_params[key] = value
    return _drawn(app.run())


def _drawn(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert "This page failed" not in said(app)
    return app


def said(app: AppTest) -> str:
    """All that the page says, as somebody reads it: the backslashes that keep Markdown out are not seen."""
    kinds: tuple[Any, ...] = (app.error, app.warning, app.info, app.success, app.markdown, app.caption, app.text)
    return "\n".join(str(element.value).replace("\\", "") for kind in kinds for element in kind)


def _buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def test_a_wrong_scenario_is_told_beside_the_form() -> None:
    app = opened("launch")
    assert any(label.startswith("Start ") for label in _buttons(app))
    app.selectbox(key="scenario_picked").select("a folder of mine").run()
    next(box for box in app.text_input if box.label == "Path of the scenario's folder").set_value("/nowhere/at/all")
    _drawn(app.run())
    assert "no scenario '/nowhere/at/all'" in said(app)
    assert not any(label.startswith("Start ") for label in _buttons(app))


def test_a_broken_file_of_a_scenario_is_told_with_its_place(tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(scenarios.SHIPPED / "market_brief", copy)
    (copy / "scenario.yaml").write_text("title: [unclosed")
    app = opened("launch", scenario=str(copy))
    assert "scenario.yaml:1" in said(app)
    assert not any(label.startswith("Start ") for label in _buttons(app))


def test_a_scenario_that_the_address_names_is_the_one_that_starts(tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(scenarios.SHIPPED / "market_brief", copy)
    app = opened("launch", scenario=str(copy))
    assert any(label.startswith("Start ") for label in _buttons(app))
    assert any(str(copy) in code.value for code in app.code)


def test_what_is_advised_before_the_launch_is_what_the_command_line_advises() -> None:
    plan = Plan("market_brief", ("solo", "supervisor", "market"), trials=5)
    conduct(prepare(msgspec.structs.replace(plan, cases=4, trials=2, workers=1)))
    shown = said(opened("launch", scenario="market_brief"))
    design = planning.design(plan, planning.Question(), Store())
    assert planning_report.seen(design) in shown
    assert planning_report.answer(design) in shown
    assert f"{planning_report.leeway(design)} {planning_report.cost(design)}" in shown
    assert "Known from past runs" in shown


def test_what_is_wrong_is_said_beside_its_field() -> None:
    app = opened("launch", scenario="market_brief")
    _drawn(app.text_input(key="own_teams").set_value("orchestra").run())
    assert "No team 'orchestra'" in app.error[0].value.replace("\\", "")
    assert "Not ready to start" in said(app)


def test_limits_change_the_advice(compared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(compared))
    app = opened("compare")
    assert "No team keeps to these limits" not in said(app)
    _drawn(app.slider(key="limit_success").set_value(100).run())
    assert "No team keeps to these limits" in said(app)
    _drawn(app.slider(key="limit_success").set_value(0).run())
    assert "No team keeps to these limits" not in said(app)


def test_ones_own_volume_is_the_means_times_the_jobs(compared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(compared))
    app = opened("compare")
    (experiment,) = (row.id for row in Store().experiments())
    runs = [row for row in Store().team_rows(experiment) if row.team == "solo"]
    _drawn(app.number_input(key="jobs").set_value(1000 * len(runs)).run())
    (table,) = (one.value for one in app.dataframe if "cost / month" in one.value.columns)
    solo = table[table["team"] == "solo"].iloc[0]
    assert solo["cost / month"] == words.money(1000 * sum(row.cost_usd or 0 for row in runs))
    assert solo["failed jobs / month"] == f"{1000 * sum(not row.success for row in runs):,}"


def _luminance(colour: str) -> float:
    """Relative luminance of #RRGGBB, as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _error_bars(chart: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Mark and colour of each layer that draws intervals."""
    for layer in chart["layer"]:
        if layer["mark"]["type"] == "rule" and {"x2", "y2"} & set(layer["encoding"]):
            yield layer["mark"], layer["encoding"]["color"]


def charts_of(page: str, monkeypatch: pytest.MonkeyPatch) -> tuple[AppTest, list[dict[str, Any]]]:
    """The page, and its charts as Vega-Lite has them: a drawn page without a browser does not show them."""
    charts: list[dict[str, Any]] = []
    draw = style.draw

    def seen(chart: Any, alt: str, **more: Any) -> Any:
        charts.append(chart.to_dict())
        return draw(chart, alt, **more)

    monkeypatch.setattr(style, "draw", seen)
    return opened(page), charts


def test_error_bars_stand_out_from_the_light_and_the_dark_background(
    compared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(compared))
    _, charts = charts_of("compare", monkeypatch)
    theme = tomllib.loads((Path(shared.__file__).parents[1] / ".streamlit/config.toml").read_text())["theme"]
    backgrounds = [theme[scheme]["backgroundColor"] for scheme in ("light", "dark")]
    bars = [bar for chart in charts if "layer" in chart for bar in _error_bars(chart)]
    assert len(bars) == 3  # success, what it costs, differences (too few cases to say anything of cases like these)
    for mark, colour in bars:
        assert mark["strokeWidth"] >= 2
        assert mark.get("opacity", 1) == 1
        assert all(_contrast(one, back) >= 3 for one in colour["scale"]["range"] for back in backgrounds)


def test_the_layers_know_the_model_that_nobody_named() -> None:
    conduct(prepare(Plan("market_brief", ("supervisor",), cases=1, trials=1, workers=1)))
    layers = said(opened("layers"))
    assert "trained on\nunknown" not in layers
    assert "70 billion" in layers


def test_a_dead_model_server_is_told_where_one_looks() -> None:
    dead: dict[str, Any] = {"model": "hosted_vllm/gone", "api_base": "http://127.0.0.1:9/v1"}
    experiment = launch.start(Plan("market_brief", ("solo",), cases=1, trials=1, **dead))
    _until(lambda: _state(experiment) == "finished")
    live = said(opened("live", experiment=experiment))
    assert "Finished." in live
    assert "Nothing was measured: the only run broke off. The first error: model 'hosted_vllm/gone'" in live
    assert "1 of 1 run broke off: no failures, since they have no result" in live
    assert not opened("live", experiment=experiment).success
    assert "Nothing was measured: the only run broke off." in said(opened("compare", experiment=experiment))


def test_what_a_cluster_that_is_gone_began_can_go_on_on_this_machine() -> None:
    folder = prepare(Plan("market_brief", ("solo",), cases=1, trials=1, workers=1))
    assert "Resume on this machine" not in _buttons(opened("live", experiment=folder.id))
    plan = folder.read_plan()
    folder.write_plan({**plan, "plan": {**plan["plan"], "on": "ray://127.0.0.1:9"}})
    folder.write_status(Status(1, 0.0, "failed", 0, 1, time.time(), "the Ray cluster failed"))
    live = opened("live", experiment=folder.id)
    assert [label for label in _buttons(live) if "Resume" in label] == ["Resume", "Resume on this machine"]
    _drawn(live.button(key="resume-here").click().run())
    _until(lambda: _state(folder.id) == "finished")


def _state(experiment: str) -> str:
    status = home.find_experiment(experiment).read_status()
    return status.state if status else "pending"


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _waiting_in(name: str) -> None:
    """An experiment that is over, with a request that nobody answered."""
    folder = home.experiment_folder(f"{home.new_id()}-{name}").create()
    folder.write_plan({"created": time.time(), "scenario": name, "total": 1, "plan": {"scenario": name}})
    folder.write_status(Status(1, 0.0, "finished", 1, 1, time.time()))
    asked = approvals.Request("0" * 16, 0, "effect", "ann", time.time(), time.time(), "pay", {"amount": 3}, "", "so")
    (folder.path / approvals.FOLDER).mkdir()
    (folder.path / approvals.FOLDER / f"{asked.id}.json").write_bytes(msgspec.json.encode(asked))


def test_the_same_call_in_two_experiments_waits_twice() -> None:
    for name in ("one", "two"):
        _waiting_in(name)
    app = opened("approvals")
    assert said(app).count("wants to call pay") == 2
    assert _buttons(app) == ["Allow it", "Refuse"] * 2


def test_a_part_that_fails_says_so_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(inbox, "waiting", broken)
    app = AppTest.from_function(_script, default_timeout=100, kwargs={"name": "approvals"}).run()
    assert not app.exception
    assert "This page failed: RuntimeError" in said(app)
    assert _buttons(app) == ["Try again"]


@pytest.mark.parametrize("name", ["home", "live", "compare", "replay", "layers", "market"])
def test_an_empty_data_folder_says_what_to_do(name: str) -> None:
    assert "No experiment here yet" in said(opened(name))


def test_a_job_of_ones_own_is_offered_again(tmp_path: Path) -> None:
    kept, elsewhere = home.home() / "scenarios" / "mine", tmp_path / "other"
    for folder in (kept, elsewhere):
        shutil.copytree(scenarios.SHIPPED / "market_brief", folder)
    prepare(Plan(str(elsewhere), ("solo",), trials=1))
    offered = opened("launch").selectbox(key="scenario_picked").options
    assert any(name.startswith("mine (yours, ") for name in offered)
    assert any(name.startswith("other (yours, ") for name in offered)
    shutil.rmtree(elsewhere)
    assert not any(name.startswith("other") for name in opened("launch").selectbox(key="scenario_picked").options)


def test_what_ends_the_command_ends_the_app_and_a_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = cli.said(capsys, "app", "--port", port)
        assert (code, out) == (2, "")
        assert f"--port: {port} cannot be had" in err
    server = subprocess.Popen([sys.executable, "-m", "headcount", "app", "--port", str(port)], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        next(line for line in server.stdout if b"URL" in line)
        socket.create_connection(("127.0.0.1", port), 60).close()
    finally:
        server.terminate()
        server.communicate(timeout=60)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 60)


def test_an_error_is_a_sentence() -> None:
    said = {
        "no scenario 'x': give the path of a folder": "No scenario 'x': give the path of a folder.",
        "q.csv:2: needs an answer": "q.csv:2: needs an answer.",
        "--port: 1 cannot be had": "--port: 1 cannot be had.",
        "It is not there.": "It is not there.",
        "![x](http://a)": "![x](http://a).",
    }
    assert {error: shared.sentence(error).replace("\\", "") for error in said} == said
    assert not shared.sentence("![x](http://a)").startswith("![")
