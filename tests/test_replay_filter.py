"""Which runs Replay offers to pick from, and what the store and the command line answer to the same questions."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from headcount import main
from traces import kernel as k
from traces.home import Status, experiment_folder
from traces.journal import Journal
from traces.kernel import Record
from traces.labels import Labels
from traces.store import Store

PAGE = """
from ui import replay_pick, shared
import streamlit as st
row = replay_pick.choose({one.id: one for one in shared.store().experiments()})
st.text("none" if row is None else f"run {row.run}")
"""


def _run(run: int) -> list[k.Event]:
    """A run of one of two teams on one of two cases: every third fails, the last is not graded."""
    team, case = ("solo", "duo")[run % 2], ("first", "second")[run // 2 % 2]
    said = k.MessageSent(k.Message(1, "ann" if run % 2 else "bob", "say", f"number {run}: “It’s 5 % off”", to="carl"))
    events = [k.RunStarted(k.Run("s", case, team, "native", "m", run // 4, 1, k.Budget(), "virtual", True), "do"), said]
    end = k.RunFinished("completed", "the team was done", "answer", k.Usage(), 1.0, 1)
    return [*events, end] if run == 7 else [*events, k.Evaluated(run % 3 > 0, 0.5, ()), end]


@pytest.fixture(params=["finished", "running"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path))
    folder = experiment_folder("e").create()
    folder.write_plan({"id": "e", "scenario": "s", "command": "", "created": 1.0, "simulated": True})
    with Journal(folder.journal_file()) as journal:
        for run in range(8):
            for seq, event in enumerate(_run(run)):
                journal.append(Record(run, seq, 0.5, 1.0, event))
    me = psutil.Process()
    folder.write_status(Status(me.pid, me.create_time(), request.param, 8, 8, time.time()))
    Labels().say("e", 1, 1, "label", "wrong price")
    Labels().say("e", 5, None, "label", "wrong price")
    Labels().say("e", 2, None, "thumb", "down")
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"success": False}, [0, 3, 6]),
        ({"graded": False}, [7]),
        ({"agent": "ann"}, [1, 3, 5, 7]),
        ({"text": "NUMBER 3"}, [3]),
        ({"text": "it’s 5 % OFF", "team": "solo", "success": True}, [2, 4]),
        ({"runs": [1, 6, 99]}, [1, 6]),
        ({"runs": []}, []),
        ({"engine": "crewai"}, []),
    ],
)
def test_runs_are_found_by_what_they_are(home: Path, wanted: Any, runs: list[int]) -> None:
    store = Store()
    assert [row.run for row in store.runs("e", **wanted)] == runs
    assert store.count_runs("e", **wanted) == len(runs)
    assert store.kinds("e", ("run",), **wanted) == [(run,) for run in runs]


def test_what_there_is_to_choose_from(home: Path) -> None:
    assert Store().kinds("e", ("team", "engine")) == [("solo", "native"), ("duo", "native")]
    assert Store().kinds("e", ("case_id",), team="duo", runs=[3, 7]) == [("second",)]
    assert Store().agents("e") == ["ann", "bob"]


def _shown(app: AppTest) -> str:
    assert not app.exception
    return str(app.text[0].value)


def test_the_boxes_offer_the_runs_that_pass_the_filter(home: Path) -> None:
    app = AppTest.from_string(PAGE, default_timeout=60).run()
    assert _shown(app) == "run 0"
    app.selectbox(key="replay_filter_label").select("wrong price").run()
    assert app.selectbox(key="replay_team").options == ["duo"]
    assert _shown(app) == "run 1"
    assert "2 of 8 runs pass the filter" in [one.value for one in app.caption]
    app.selectbox(key="replay_filter_outcome").select("failure").run()
    assert _shown(app) == "none"
    app.selectbox(key="replay_filter_label").select("thumb down")
    app.selectbox(key="replay_filter_outcome").select("success")
    app.text_input(key="replay_filter_text").input("NUMBER 2").run()
    assert _shown(app) == "run 2"
    app.button[0].click().run()
    assert app.selectbox(key="replay_team").options == ["solo", "duo"]


def test_a_link_to_a_run_that_does_not_pass_the_filter_opens_it(home: Path) -> None:
    app = AppTest.from_string(PAGE, default_timeout=60).run()
    app.selectbox(key="replay_filter_outcome").select("failure").run()
    app.query_params["experiment"], app.query_params["run"] = "e", "5"
    assert _shown(app.run()) == "run 5"


def test_events_are_found_by_their_label(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store().index("e")
    with pytest.raises(SystemExit):
        main(["search", "e", "--label", "wrong price", "--json"])
    found = [(row["run"], row["seq"]) for row in json.loads(capsys.readouterr().out)]
    assert found == [(1, 1), (5, 0), (5, 1), (5, 2), (5, 3)]
    with pytest.raises(SystemExit):
        main(["list", "e", "--json"])
    labels = {row["run"]: row.get("labels") for row in json.loads(capsys.readouterr().out)}
    assert labels[1] == labels[5] == "wrong price"
    assert labels[2] == "thumb down"
    assert labels[0] is None
