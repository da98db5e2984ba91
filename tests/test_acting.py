"""Reading what a model decided: native tool calls, JSON actions, and replies that cannot be read."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.acting import JsonActions, NativeCalls, acting_for, action_schema, read_json
from agents.asking import Review, schema_of
from agents.models.model import Card, Reply
from traces.errors import MalformedOutput
from traces.kernel import ToolCall, Usage

SPEC = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}


def _reply(text: str, *calls: ToolCall) -> Reply:
    return Reply(text, Usage(), "m", calls)


def test_the_card_decides_how_a_model_acts() -> None:
    assert isinstance(acting_for(Card("a", False)), NativeCalls)
    assert isinstance(acting_for(Card("b", False, tool_calls=False)), JsonActions)


def test_native_calls_come_through_as_they_are() -> None:
    call = ToolCall("1", "search", '{"query": "x"}')
    acting = NativeCalls()
    assert acting.read(_reply("look", call)).calls == (call,)
    assert acting.result(call, "found", False).tool_call_id == "1"
    with pytest.raises(MalformedOutput, match="empty"):
        acting.read(_reply("  "))


def test_a_json_action_becomes_a_call_and_finish_an_answer() -> None:
    acting = JsonActions()
    turn = acting.read(_reply('{"thought": "t", "next": {"action": "search", "arguments": {"query": "refund"}}}'))
    assert (turn.calls[0].name, turn.calls[0].arguments) == ("search", '{"query":"refund"}')
    assert acting.read(_reply('{"action": "finish", "answer": "30 days"}')).text == "30 days"
    assert acting.result(turn.calls[0], "found", False).role == "user"


@pytest.mark.parametrize("text", ["", "I would search.", "[1, 2]", '{"thought": "hm"}', '{"action": "finish"}'])
def test_an_action_that_cannot_be_read_says_why(text: str) -> None:
    with pytest.raises(MalformedOutput) as caught:
        JsonActions().read(_reply(text))
    assert "the reply" in str(caught.value) or "finish" in str(caught.value)


def test_the_action_schema_names_the_tools_and_finish() -> None:
    schema = action_schema((SPEC,))
    choices = schema["properties"]["next"]["anyOf"]
    assert [choice["properties"]["action"]["enum"] for choice in choices] == [["search"], ["finish"]]
    assert "search: Search." in schema["description"]


@pytest.mark.parametrize(
    "text", ['```json\n{"ok": true}\n```', '{"ok": true,}', "{'ok': True}", 'Sure! {"ok": true} Anything else?']
)
def test_common_slips_in_json_are_mended(text: str) -> None:
    assert read_json(text, schema_of(Review)) == {"ok": True}


def test_a_wrong_schema_names_the_field() -> None:
    with pytest.raises(MalformedOutput, match="ok"):
        read_json('{"ok": "perhaps"}', schema_of(Review))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with suppress(MalformedOutput):
        assert isinstance(read_json(text), dict)
