"""The context window: the conversation is cut to fit, whole and from its oldest part."""

from hypothesis import given
from hypothesis import strategies as st

from agents import memory
from traces.kernel import ChatMessage, ToolCall

_MESSAGES = st.lists(
    st.builds(
        ChatMessage,
        role=st.sampled_from(["user", "assistant", "tool"]),
        content=st.text(max_size=400),
        tool_call_id=st.just("1"),
    ),
    max_size=20,
)


@given(_MESSAGES, st.integers(200, 3000))
def test_what_fits_is_the_task_and_the_newest(later: list[ChatMessage], window: int) -> None:
    head = [ChatMessage("system", "You are a researcher."), ChatMessage("user", "The request: find it.")]
    kept, left_out = memory.within([*head, *later], window, reply=100)
    assert kept[:2] == head
    assert kept[2:] == later[left_out:]
    assert left_out == 0 or kept[2:][:1] == [] or kept[2].role != "tool"
    if left_out:
        assert sum(map(memory.size, kept)) <= window - 100


def test_an_unknown_window_cuts_nothing() -> None:
    messages = [ChatMessage("user", "x" * 10_000)] * 50
    assert memory.within(messages, None, 100) == (messages, 0)


def test_tool_calls_count() -> None:
    bare = ChatMessage("assistant", "")
    calling = ChatMessage("assistant", "", (ToolCall("1", "search", '{"query": "a long query about refunds"}'),))
    assert memory.size(calling) > memory.size(bare)


def test_scripts_without_spaces_take_more_tokens_a_character() -> None:
    assert memory.tokens_in("Tea can be returned.") == 5
    text = "商品可以在14天内退货。退款会在一周内到账。如果您有任何问题，请联系我们的客服部门。"
    assert 22 <= memory.tokens_in(text) <= 34  # 27 with OpenAI's newer tokenizer, 34 with the older one
