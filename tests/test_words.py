"""Figures in words."""

from __future__ import annotations

from experiments import words
from traces.kernel import Chat, Usage


def test_a_calls_time_says_where_it_went_as_far_as_that_is_known() -> None:
    assert words.call_time(Usage(latency_s=2)) == "2.00 s"
    known = Usage(latency_s=2, queue_s=0.5, first_token_s=0.25)
    assert words.call_time(known) == "2.00 s (0.50 s waiting, 0.25 s to the first token)"


def test_a_calls_context_is_said_as_far_as_it_is_known() -> None:
    used = Usage(input_tokens=900, output_tokens=124)
    assert words.context(Chat("a", "act", "m", 0, (), "", used)) == ""
    full = Chat("a", "act", "m", 0, (), "", used, window=4096, kv_bytes=131_072 * 1024)
    assert words.context(full) == "25.0 % of 4,096 tokens, KV cache 134 MB"


def test_a_time_is_told_in_what_is_read_at_a_glance() -> None:
    written = {0.25: "0.2 s", 119: "119.0 s", 120: "2.0 min", 7200: "2.0 hours", 67_416: "18.7 hours"}
    assert {seconds: words.seconds(seconds) for seconds in written} == written
    assert [words.about(seconds) for seconds in (119, 150, 7200, 4e6)] == ["119 s", "2 min", "2 hours", "1,111 hours"]


def test_money_is_never_written_with_an_exponent() -> None:
    written = {0.000052: "$0.000052", 0.0064131: "$0.006413", 10.349: "$10.35", 1_234_567.8: "$1,234,568", 0: "$0"}
    assert {dollars: words.money(dollars) for dollars in written} == written
    assert words.money(None) == "unknown"
