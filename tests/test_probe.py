"""`headcount probe`: what works on a server, and what to write into models.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.models import catalog, table
from experiments import plan as plans
from experiments.plan import Plan
from tests import servers
from tests.cli import said
from tests.servers import Server
from tests.standin import Fault, Standin

SHAPES: dict[str, tuple[Server, dict[str, Any], dict[str, str]]] = {
    "as it should be": (servers.obliging, {"tool_calls": True}, {"a form": "works", "a stream": "works"}),
    "vLLM without its flags": (
        servers.without_tools,
        {"tool_calls": False, "schemas": "prompt"},
        {"a tool call": "fails", "a form": "adapted", "two calls at once": "unknown"},
    ),
    "llama.cpp's limit of texts": (servers.llama_cpp, {"tool_calls": True}, {"a form": "works"}),
    "a server without limits of texts": (
        servers.no_limits,
        {"tool_calls": True, "schemas": "simple"},
        {"a form": "adapted"},
    ),
    "Ollama cuts": (
        servers.cuts(1000),
        {"tool_calls": True, "context_window": 1000},
        {"a long prompt": "fails", "a form": "works"},
    ),
    "a gateway": (
        servers.gateway,
        {"tool_calls": True},
        {"a stream": "fails", "the count of tokens": "adapted", "a tool's result": "works"},
    ),
    "a template": (
        servers.template,
        {"tool_calls": True, "system_role": "none", "alternating": True},
        {"a reply": "adapted", "a history of roles": "adapted", "a tool's result": "works"},
    ),
    "a small window": (
        servers.too_long(1024),
        {"tool_calls": True, "context_window": 1024},
        {"a long prompt": "fails"},
    ),
    "only the newer limit": (
        servers.refuses(
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", lambda r: "max_tokens" in r
        ),
        {"tool_calls": True, "newer_limit": True},
        {"a reply": "adapted"},
    ),
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("server", "card", "states"), SHAPES.values(), ids=SHAPES.keys())
def test_each_shape_of_server_is_found_out_and_then_known(
    server: Server, card: dict[str, Any], states: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Standin([servers.judge(server)]) as standin:
        name = ("hosted_vllm/standin", "--api-base", standin.url)
        code, out, err = said(capsys, "probe", *name, "--prompt-tokens", 3000, "--json")
        assert (code, err) == (0, "")
        found = json.loads(out)
        seen = {one["what"]: one["state"] for one in found["findings"][standin.url]}
        assert {what: seen[what] for what in states} == states, found["findings"]
        assert found["card"].pop("probed")
        assert found["card"] == card
        known = table.resolve("hosted_vllm/standin", standin.url)(None, 0, 0).card
        assert {field: getattr(known, field) for field in card} == card
        assert yaml.safe_load(found["lines"])["models"]["standin"]["card"].items() >= card.items()


OURS = """\
# Our servers.
models:
  ours:            # the big one
    litellm: hosted_vllm/standin
    servers:
      - URL
    timeout_s: 20
    stream: true
    card:
      context_window: 32768   # as it was started
      parameters: 7.50e9
  other:
    gguf: ~/models/a.gguf
"""


def test_what_was_found_is_written_and_the_rest_of_the_file_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Standin([servers.judge(servers.gateway)]) as standin:
        before = OURS.replace("URL", standin.url)
        Path("models.yaml").write_text(before)
        code, out, _ = said(capsys, "probe", "ours", "--write", "--prompt-tokens", 300)
        assert code == 0
        assert "Written into models.yaml as ours" in out
        after = Path("models.yaml").read_text()
        kept = [line for line in before.splitlines() if "stream" not in line]
        assert [line for line in after.splitlines() if line in kept] == kept
        entry = catalog.read(tmp_path / "models.yaml")["ours"].entry
        assert (entry.card.tool_calls, entry.stream, entry.card.context_window) == (True, False, 32768)
        assert not table.unprobed("ours")

        code, out, _ = said(capsys, "probe", "openai/standin", "--api-base", standin.url, "--write", "--as", "new")
        assert code == 0
        assert catalog.read(tmp_path / "models.yaml")["new"].entry.servers == (standin.url,)
        code, _, err = said(capsys, "probe", "openai/standin", "--api-base", standin.url, "--write", "--as", "other")
        assert (code, err.count("\n")) == (2, 1)
        assert "has another model called other" in err


def test_compare_says_once_that_a_server_was_never_probed(capsys: pytest.CaptureFixture[str]) -> None:
    with Standin([servers.judge(servers.obliging)]) as standin:
        name = ("hosted_vllm/standin", "--api-base", standin.url)
        options = ("--teams", "solo", "--cases", 1, "--trials", 1, "--max-calls", 1, "--on", "here", "--json")
        told = f"its server was never probed: `headcount probe {' '.join(name)}`"
        assert said(capsys, "compare", "billing_support", "--model", *name, *options)[2].count(told) == 1
        plan = Plan("billing_support", ("solo",), model=name[0], api_base=standin.url)
        assert plans.to_probe(plan) == [f"headcount probe {' '.join(name)}"]
        assert said(capsys, "probe", *name, "--prompt-tokens", 300)[0] == 0
        assert plans.to_probe(plan) == []
        assert plans.to_probe(Plan("billing_support")) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("sim:medium",), 2, "sim:medium is simulated: it has no server to look at"),
        (("nonesuch",), 2, "no model 'nonesuch'"),
        (("hosted_vllm/x", "--api-base", "http://127.0.0.1:9/v1"), 4, "no connection to http://127.0.0.1:9/v1"),
    ],
)
def test_what_cannot_be_probed_is_one_line(
    arguments: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = said(capsys, "probe", *arguments)
    assert (ended, out, err.count("\n")) == (code, "", 1)
    assert says in err


def test_a_model_that_can_neither_call_nor_fill_in_a_form_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    prose = servers.judge(lambda request: servers.Good("I would rather tell you a story."))
    with Standin([prose]) as standin:
        name = ("hosted_vllm/standin", "--api-base", standin.url)
        code, out, err = said(capsys, "probe", *name, "--write", "--prompt-tokens", 300)
        assert (code, "models.yaml" in out, Path("models.yaml").exists()) == (4, False, False)
        assert "cannot be used: neither tool calls nor forms work" in err
    busy = servers.refuses("overloaded", lambda request: bool(request.get("tools")), 503)
    with Standin([servers.judge(busy)]) as standin:
        code, out, _ = said(
            capsys, "probe", "hosted_vllm/s", "--api-base", standin.url, "--prompt-tokens", 300, "--json"
        )
        assert (code, "tool_calls" in json.loads(out)["card"]) == (0, False), "what may pass says nothing of tools"
    with Standin([Fault(401, "no")]) as standin:
        code, out, err = said(capsys, "probe", "hosted_vllm/standin", "--api-base", standin.url)
        assert (code, out, err.count("\n")) == (4, "", 1)
        assert "refused the key" in err


def test_the_models_page_probes_and_writes() -> None:
    from tests.test_app_pages import opened

    with Standin([servers.judge(servers.without_tools)]) as standin:
        Path("models.yaml").write_text(f"models: {{ours: {{litellm: hosted_vllm/standin, servers: [{standin.url}]}}}}")
        page = opened("models", model="ours")
        next(button for button in page.button if button.label == "Probe").click().run()
        assert any("schemas: prompt" in code.value for code in page.code)
        next(button for button in page.button if button.label == "Write it into models.yaml").click().run()
        assert not page.exception
        assert catalog.read(Path("models.yaml").resolve())["ours"].entry.card.schemas == "prompt"
