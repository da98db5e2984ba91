"""Keys come from the environment and stay there: they are in nothing that is written, shown or handed on."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from agents.models import catalog
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from headcount import main
from tests.standin import Fault, Standin, call, text
from traces.home import ExperimentFolder
from traces.kernel import Chat, Noted, ToolExecuted
from traces.store import Store

KEYS = {
    "OPENAI_API_KEY": "sk-canary-openai-0123456789",
    "ANTHROPIC_API_KEY": "canary.anthropic/with+signs=",
    "HOSTED_MODELS": "canary-hosted-7781",  # its name does not say that it is one
    "OUR_GPU": "canary:gpu:48151623",
}
PEEK = """
import os
for name in {names}:
    print(name, os.getenv(name))
print(os.environ)
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExperimentFolder]:
    """A run that is cut and resumed: an agent prints its environment in the sandbox, the GPU server's error quotes the
    key that it got, and so does the hosted model's that is asked instead; then it is answered."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE")):
            monkeypatch.delenv(name)
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    code = json.dumps({"code": PEEK.format(names=list(KEYS))})
    quoting = [Fault(400, f"no such adapter for key {KEYS['OUR_GPU']} (Authorization: Bearer {KEYS['OUR_GPU']})")]
    refusing = [Fault(422, f"{KEYS['HOSTED_MODELS']} may not; nor may {KEYS['OPENAI_API_KEY']}"), text("Not found.")]
    with Standin([call("run_python", code), *quoting]) as gpu, Standin(refusing) as hosted:
        (tmp_path / "models.yaml").write_text(f"""
models:
  gpu: {{litellm: hosted_vllm/standin, servers: [{gpu.url}], key: OUR_GPU, fallbacks: [hosted], retries: 0}}
  hosted: {{litellm: openai/standin, servers: [{hosted.url}], key: HOSTED_MODELS, retries: 0}}
""")
        monkeypatch.setenv(catalog.VARIABLE, str(tmp_path / "models.yaml"))
        folder = prepare(Plan("market_brief", ("solo",), model="gpu", cases=1, trials=1, workers=1, on="here"))
        conduct(folder)
        _cut(folder)
        with contextlib.suppress(SystemExit):  # the run ends without a readable answer
            main(["resume", folder.id, "--json"])
        assert {f"Bearer {KEYS['OUR_GPU']}"} == set(gpu.keys)
        assert {f"Bearer {KEYS['HOSTED_MODELS']}"} == set(hosted.keys)
        yield folder


def _cut(folder: ExperimentFolder) -> None:
    """Take off the end of a journal, as a crash would."""
    journal = folder.journals()[0]
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-3]))


def test_no_key_is_in_anything_that_is_written_or_shown(
    experiment: ExperimentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    events = [r.event for row in Store().runs(experiment.id) for r in Store().events(experiment.id, row.run)]
    errors = [event.error for event in events if isinstance(event, Chat) and event.error]
    assert any("[withheld: secret]" in error for error in errors)
    assert any(isinstance(event, Noted) and event.kind == "fallback" for event in events)
    assert any(isinstance(event, ToolExecuted) and event.tool == "run_python" for event in events)
    for words in (
        f"report {experiment.id} --into {tmp_path / 'report.html'}",
        f"export {experiment.id} {tmp_path / 'shared.zip'}",
        f"export {experiment.id} {tmp_path / 'otlp.json'} --to otlp-json --content",
        f"replay {experiment.id} 0 --json",
        f"verdict {experiment.id}",
        f"list {experiment.id}",
        f"search {experiment.id} --text key",
        "list models",
        "list",
        "doctor",
    ):
        _say(*words.split())
    assert _with_a_key({"the command line": "".join(capsys.readouterr()).encode(), "log": caplog.text.encode()}) == []
    assert _with_a_key(_files(tmp_path)) == []
    pages = {name: _shown(name) for name in ("home", "live", "compare", "replay", "models", "settings")}
    assert min(map(len, pages.values())) > 100
    assert _with_a_key(pages) == []
    assert _with_a_key({"the index": str(Store().sql("SELECT * FROM events", limit=10_000)).encode()}) == []


def _shown(name: str) -> bytes:
    """What a page of the app sends to the browser."""
    page = AppTest.from_function(_page, kwargs={"name": name}, default_timeout=60).run()
    assert not page.exception, name
    return "".join(str(element.proto) for element in page.main).encode()


def _page(name: str) -> None:
    import importlib

    importlib.import_module(f"ui.{name}").page()


def _say(*arguments: str) -> None:
    try:
        main(list(arguments))
    except SystemExit as ended:
        assert not ended.code, arguments  # noqa: PT017


def _files(folder: Path) -> dict[str, bytes]:
    """Every file below, and those inside of archives."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            found[str(path)] = path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                found |= {f"{path}/{name}": archive.read(name) for name in archive.namelist()}
    assert len(found) > 5
    return found


def _with_a_key(texts: dict[str, Any]) -> list[tuple[str, str]]:
    """Where which key is, as it is or as JSON, a URL or a literal would write it."""
    forms = {name: (key, key.replace("/", "\\/"), key.replace("+", "%2B"), key[7:]) for name, key in KEYS.items()}
    return [(where, name) for where, content in texts.items() for name in forms for form in forms[name]
            if form.encode() in content]  # fmt: skip
