"""Thumbs, labels and comments: kept, read back, taken back, and made into data."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import headcount
from experiments.exchange import labelled
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from tasks import scenario as scenarios
from tasks.case import Case
from traces.errors import InputError
from traces.labels import DOWN, UP, Labels
from traces.prompts import prompts
from traces.store import Store


@pytest.fixture(scope="module")
def conducted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("labels") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(runs))
        conduct(prepare(Plan("billing_support", teams=("solo",), cases=1, trials=4, workers=1, model="sim:small")))
    return runs


@pytest.fixture
def made(conducted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An experiment of which nothing is said yet."""
    runs = shutil.copytree(conducted, tmp_path / "runs")
    monkeypatch.setenv("HEADCOUNT_HOME", str(runs))
    return next((runs / "experiments").iterdir()).name


def _say_many(base: Path, who: str) -> None:
    for number in range(25):
        Labels(base).say("e", 0, number, "comment", f"{who} {number}", who)


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_say_many, args=(tmp_path, who)) for who in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(Labels(tmp_path).of("e")) == 50
    assert len(Labels(tmp_path).of("e", 0)) == 50
    assert Labels(tmp_path).of("e", 1) == []


def test_the_last_thumb_holds_and_what_is_taken_back_does_not(tmp_path: Path) -> None:
    labels = Labels(tmp_path)
    for thumb in (UP, DOWN):
        labels.say("e", 3, 7, "thumb", thumb)
    labels.say("e", 3, None, "label", "late")
    labels.say("e", 3, None, "label", "late")
    assert [(one.step, one.value) for one in labels.of("e", 3)] == [(7, DOWN), (None, "late")]
    labels.take_back(labels.of("e", 3)[0])
    assert [one.value for one in labels.of("e", 3)] == ["late"], "the thumb before must not come back"


@pytest.mark.parametrize(("kind", "value"), [("thumb", "sideways"), ("label", " "), ("label", "x" * 61), ("star", "5")])
def test_what_cannot_be_said_is_refused(tmp_path: Path, kind: Any, value: str) -> None:
    with pytest.raises(InputError):
        Labels(tmp_path).say("e", 0, 0, kind, value)
    assert Labels(tmp_path).of("e") == []


def _same_prompt_other_reply(experiment: str) -> list[tuple[int, int]]:
    """Two model calls, by run and step."""
    asked: dict[Any, dict[Any, tuple[int, int]]] = {}
    for row in Store().runs(experiment):
        for record, chat, prompt in prompts(Store().events(experiment, row.run)):
            asked.setdefault(prompt, {}).setdefault((chat.text, chat.tool_calls), (row.run, record.seq))
    return next(list(replies.values())[:2] for replies in asked.values() if len(replies) > 1)


def test_calls_with_the_same_prompt_make_preferences_and_fine_tuning_data(made: str, tmp_path: Path) -> None:
    good, bad = _same_prompt_other_reply(made)
    labels = Labels()
    labels.say(made, *good, "thumb", UP)
    labels.say(made, *bad, "thumb", DOWN)

    file = tmp_path / "dpo.jsonl"
    with pytest.raises(SystemExit):
        headcount.main(["labels", made, str(file), "--as", "dpo"])
    (row,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert row.keys() == {"prompt", "chosen", "rejected"}
    assert [message["role"] for message in row["chosen"] + row["rejected"]] == ["assistant", "assistant"]
    assert row["chosen"] != row["rejected"]
    assert row["prompt"][-1]["role"] in ("user", "tool")

    (line,) = labelled.export(made, "sft").lines
    assert json.loads(line)["messages"] == row["prompt"] + row["chosen"]


def test_a_labelled_case_is_taken_by_a_scenario(made: str, tmp_path: Path) -> None:
    row = Store().run(made, 1)
    Labels().say(made, 1, None, "label", "wrong credit")
    (line,) = labelled.export(made, "cases").lines
    case = Case.model_validate(yaml.safe_load(line))
    assert case.id == row.case_id
    assert "wrong credit" in case.features
    own = scenarios.load("billing_support").case(row.case_id)
    assert case.plan == own.plan


def test_secrets_in_what_is_exported_are_taken_out(made: str) -> None:
    key = "sk-" + "a1b2c3d4" * 4
    Labels().say(made, 0, None, "label", key)
    found = labelled.export(made, "cases")
    assert key not in found.text
    assert found.secrets == 1


def test_the_command_lists_them_and_says_what_is_missing(made: str, capsys: pytest.CaptureFixture[str]) -> None:
    Labels().say(made, 2, 5, "comment", "look here")
    with pytest.raises(SystemExit) as ended:
        headcount.main(["labels", made, "--json"])
    assert ended.value.code in (0, None)
    (said,) = msgspec.json.decode(capsys.readouterr().out)
    assert (said["run"], said["step"], said["value"]) == (2, 5, "look here")
    with pytest.raises(SystemExit) as ended:
        headcount.main(["labels", made, "x.jsonl", "--as", "dpo"])
    assert ended.value.code not in (0, None)
    assert "thumb up and a thumb down" in capsys.readouterr().err
