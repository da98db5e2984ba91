"""What doctor tells a user about the machine."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from standin import Standin

from agents.models import local
from experiments import doctor
from experiments.doctor import Finding
from experiments.terminal import listing, report
from traces.home import experiment_folder
from traces.journal import Journal
from traces.kernel import Budget, Noted, Record, Run, RunStarted


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*doctor.KEYS, "HEADCOUNT_API_BASE", "HEADCOUNT_API_KEY"]:
        monkeypatch.delenv(name, raising=False)


def finding(name: str, *, deep: bool = False) -> Finding:
    return next(f for f in doctor.checks(deep=deep) if f.name == name)


def test_every_part_is_there_once_and_what_is_missing_says_how_to_get_it() -> None:
    found = doctor.checks()
    names = [f.name for f in found]
    assert len(names) == len(set(names))
    assert {"Python", "litellm", "duckdb", "simulated models", "local model", "hosted models", "retrieval"} <= set(
        names
    )
    assert all(f.detail for f in found)
    assert {f.state for f in found} <= {"ok", "missing", "off", "damaged"}
    assert not any(f.how for f in found if f.state == "ok")
    assert all(f.how for f in found if f.state == "missing")
    assert finding("sandbox: monty").state == "ok"


def test_the_locked_environment_misses_nothing_that_the_main_job_needs() -> None:
    assert [f for f in doctor.checks() if f.state == "missing"] == []


def test_it_imports_nothing_heavy() -> None:
    program = (
        "import sys; from experiments import doctor; doctor.checks()\n"
        "heavy = {'litellm', 'crewai', 'lancedb', 'wordllama', 'xllamacpp', 'duckdb', 'streamlit', 'ray', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_a_wrong_version_is_said_beside_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["msgspec==0.0.1", "nonesuch-package==1.0"])
    wrong, absent = finding("msgspec"), finding("nonesuch-package")
    assert wrong.state == absent.state == "missing"
    assert wrong.detail.endswith("but 0.0.1 is wanted")
    assert absent.detail == "not installed"


def test_keys_are_named_but_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding("hosted models").state == "off"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "topsecret")
    told = finding("hosted models")
    assert (told.state, told.detail) == ("ok", "keys set: ANTHROPIC_API_KEY")
    assert "topsecret" not in repr(doctor.checks())


def test_the_own_server_is_asked_for_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding("own model server").state == "off"
    with Standin(models=["qwen", "llama"]) as server:
        monkeypatch.setenv("HEADCOUNT_API_BASE", server.url + "/")
        told = finding("own model server")
    assert (told.state, told.detail) == ("ok", f"{server.url} serves qwen, llama")
    told = finding("own model server")
    assert told.state == "off"
    assert "no connection" in told.detail


def test_an_address_without_v1_is_said_to_be_ollamas(monkeypatch: pytest.MonkeyPatch) -> None:
    with Standin(models=["llama3:latest"]) as server:
        monkeypatch.setenv("HEADCOUNT_API_BASE", server.url.removesuffix("/v1"))
        told = finding("own model server")
    assert told.state == "ok"
    assert "llama3:latest (an address for ollama/NAME; for other names add /v1)" in told.detail


@pytest.mark.parametrize(
    ("litellm", "end", "state", "says"),
    [
        ("ollama/llama3", "", "ok", "answers"),
        ("ollama/llama3", "/v1", "off", "goes without /v1"),
        ("hosted_vllm/llama3", "/v1", "ok", "answers"),
        ("hosted_vllm/llama3", "", "off", "status 404 for /models"),
    ],
)
def test_each_kind_of_server_is_asked_where_it_answers(
    litellm: str, end: str, state: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM, SGLang and llama.cpp have OpenAI's protocol under /v1, which their addresses name; Ollama's do not."""
    with Standin(models=["llama3"]) as server:
        address = server.url.removesuffix("/v1") + end
        (tmp_path / "models.yaml").write_text(f"models: {{ours: {{litellm: {litellm}, servers: ['{address}']}}}}")
        monkeypatch.setenv("HEADCOUNT_MODELS", str(tmp_path / "models.yaml"))
        told = finding("model ours")
    assert told.state == state
    assert says in told.detail


@pytest.mark.parametrize("address", ["not an address", "http://", "localhost:8000"])
def test_a_wrong_address_is_a_finding_and_no_traceback(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_API_BASE", address)
    told = finding("own model server")
    assert told.state == "off"
    assert "HEADCOUNT_API_BASE" in told.how


def test_the_local_model_answers_a_question() -> None:
    told = finding("local model", deep=True)
    assert told.state == "ok"
    assert "answered" in told.detail


def test_a_missing_local_model_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "FILE", "nowhere.gguf")
    told = finding("local model", deep=True)
    assert told.state == "off"
    assert "nowhere.gguf is missing" in told.detail


def test_a_gpu_that_does_not_answer_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    command.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559 MiB'\n")
    command.chmod(0o755)
    assert finding("CUDA GPU") == Finding("CUDA GPU", "ok", "NVIDIA H100, 81559 MiB")
    command.write_text("#!/bin/sh\nexit 9\n")
    assert finding("CUDA GPU").state == "off"


def test_damaged_journals_are_found_and_said_wherever_they_are_opened(capsys: pytest.CaptureFixture[str]) -> None:
    assert finding("journals").detail == "0 of 0 experiments looked at"
    folder = experiment_folder("20260101-120000-abcd").create()
    folder.write_plan({"scenario": "billing"})
    run = Run("billing", "case", "solo", "native", "sim:medium", 0, 1, Budget(), "virtual", True)
    with Journal(folder.journal_file()) as log:
        log.append(Record(0, 0, 0.0, 1.0, RunStarted(run, "please")))
        log.append(Record(0, 1, 0.0, 1.0, Noted("a", "note", "x")))
    assert finding("journals") == Finding("journals", "ok", "1 of 1 experiments looked at")
    path = folder.journal_file()
    path.write_bytes(path.read_bytes()[:-5] + b"\0" * 9)
    told = finding("journals")
    assert (told.state, told.detail.count("journal-0.jsonl")) == ("damaged", 1)
    listing.show("experiments", json=False)
    assert "journal-0.jsonl" in capsys.readouterr().out
    report.show_steps(folder.id, 0, None, json=True)
    listing.show(folder.id, json=True)
    assert capsys.readouterr().err.count("journal-0.jsonl: a line that breaks off at byte") == 2
    assert Journal(path).repaired is not None  # whoever goes on writing cuts it off; that stays known
    assert "cut off" in finding("journals").detail


@pytest.mark.parametrize(("loaded", "state"), [(["base", "billing"], "ok"), (["base"], "off")])
def test_an_adapter_counts_only_once_its_server_has_loaded_it(
    loaded: list[str], state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Standin(models=loaded) as server:
        entry = f"{{litellm: hosted_vllm/billing, servers: ['{server.url}'], adapter_of: base}}"
        (tmp_path / "models.yaml").write_text(f"models: {{ours: {entry}}}")
        monkeypatch.setenv("HEADCOUNT_MODELS", str(tmp_path / "models.yaml"))
        found = finding("model ours")
    assert found.state == state
    assert ("has not loaded the adapter billing" in found.detail) == (state == "off")
