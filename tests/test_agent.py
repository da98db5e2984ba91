"""The agent loop: act until done, check before effects, mend what cannot be read, stay in bounds."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent
from agents.allowance import Allowance
from agents.asking import Plan, Review
from agents.limits import CIRCLES, ITEMS, REPAIRS
from agents.models.scripted import Line, ScriptedModel
from marketplace.bus import Bus
from tools import registry
from tools.policy import Gate, SimulatedApprover
from tools.rules import Rule
from tools.tool import Effect, Tool, ToolError, World, from_function
from tools.toolbox import Toolbox
from traces.clock import run
from traces.errors import MalformedOutput
from traces.kernel import ChatMessage, EffectIntended, LimitHit, Noted, OutputRejected, ToolExecuted
from traces.recorder import Recorder


def price(world: World, item: str) -> str:
    """The price of an item."""
    if item != "tea":
        raise ToolError(f"no item {item!r}; there is: tea")
    return "tea costs 4 EUR"


def pay(world: World, amount: float) -> str:
    """Pay an amount."""
    world.scratch["paid"] = world.scratch.get("paid", 0) + amount
    return f"paid {amount}"


TOOLS: dict[str, Tool] = {
    "price": from_function(price, effect=Effect.READ),
    "pay": from_function(pay, effect=Effect.OUTSIDE),
}
ALLOW = Rule.model_validate({"tool": "pay", "decision": "allow", "when": {"amount": {"max": 10}}, "untrusted": True})


class Bench:
    """An agent with a scripted model, and everything that happened."""

    def __init__(self, lines: Iterable[Line], **options: Any) -> None:
        tool_calls, window = options.pop("tool_calls", True), options.pop("window", None)
        self.model = ScriptedModel(lines, tool_calls=tool_calls, context_window=window)
        self.recorder = Recorder(0, keep=True)
        self.world = registry.world(registry.Path("."), None)
        weakref.finalize(self, self.world.close)
        toolbox = Toolbox(TOOLS, self.world, Gate([ALLOW], SimulatedApprover([])), self.recorder)
        self.agent = Agent("ann", "coder", self.model, toolbox, tuple(TOOLS), self.recorder.record, **options)
        self.agent.messages.append(ChatMessage("system", "You are ann."))

    def work(self, task: str = "Buy tea.") -> str:
        return run(self.agent.work(task), virtual=True)

    def of(self, kind: type) -> list[Any]:
        return [r.event for r in self.recorder.records if isinstance(r.event, kind)]


def test_it_acts_observes_and_answers() -> None:
    bench = Bench([("price", {"item": "tea"}), "Tea costs 4 EUR."])
    assert bench.work() == "Tea costs 4 EUR."
    assert bench.model.requests[-1].messages[-1].content == "tea costs 4 EUR"
    assert bench.of(ToolExecuted)[0].ok


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("price", {"item": "gold"}, "there is: tea"),
        ("price", {}, "'item' is a required property"),
        ("price", {"item": 4}, "is not of type 'string'"),
        ("steal", {}, "there is no tool 'steal' here; use: price, pay"),
    ],
)
def test_a_wrong_call_comes_back_as_a_result_that_says_why(name: str, arguments: dict[str, Any], why: str) -> None:
    bench = Bench([(name, arguments), "Sorry."])
    bench.work()
    assert why in bench.model.requests[-1].messages[-1].content
    assert [e.ok for e in bench.of(ToolExecuted)] == [False]


def test_models_without_tool_calls_act_through_json() -> None:
    action = {"thought": "look", "next": {"action": "price", "arguments": {"item": "tea"}}}
    finish = {"thought": "done", "next": {"action": "finish", "answer": "4 EUR"}}
    bench = Bench([action, finish], tool_calls=False)
    assert bench.work() == "4 EUR"
    assert bench.model.requests[0].schema is not None
    assert bench.model.requests[0].tools == ()
    assert bench.model.requests[1].messages[-1].content == "Result of price:\ntea costs 4 EUR"


def test_unreadable_replies_are_asked_for_again_a_bounded_number_of_times() -> None:
    bench = Bench(["", "At last."])
    assert bench.work() == "At last."
    assert [e.attempt for e in bench.of(OutputRejected)] == [1]
    bench = Bench([""] * 10)
    with pytest.raises(MalformedOutput, match="no readable reply"):
        bench.work()
    assert len(bench.model.requests) == 1 + REPAIRS
    assert bench.of(OutputRejected)[-1].final


def test_a_form_is_repaired_and_then_validated() -> None:
    bench = Bench([{"ok": "maybe"}, '{"ok": false, "problems": [{"about": "x", "reason": "y"}],}'])
    review = run(bench.agent.ask("Is it right?", Review, purpose="review"), virtual=True)
    assert (review.ok, review.problems[0].about) == (False, "x")
    assert len(bench.of(OutputRejected)) == 1


def test_it_looks_again_before_an_outside_effect_and_holds_it_back() -> None:
    doubt = {"ok": False, "problems": [{"about": "amount", "reason": "tea costs 4, not 9"}]}
    lines: list[Line] = [("pay", {"amount": 9}), doubt, ("pay", {"amount": 4}), {"ok": True}, "Paid 4."]
    bench = Bench(lines, checks_effects=True)
    assert bench.work() == "Paid 4."
    assert bench.world.scratch["paid"] == 4
    held = next(m.content for m in bench.agent.messages if m.role == "tool")
    assert "Held back" in held
    assert "* amount: tea costs 4, not 9" in held
    assert [e.arguments for e in bench.of(EffectIntended)] == [{"amount": 4}]


def test_what_the_policy_does_not_allow_is_not_done() -> None:
    bench = Bench([("pay", {"amount": 500}), "Not allowed."])
    bench.work()
    assert "paid" not in bench.world.scratch
    assert "not allowed" in bench.model.requests[-1].messages[-1].content
    assert bench.of(EffectIntended) == []


def test_steps_are_bounded_and_then_it_must_answer() -> None:
    lines: list[Line] = [("price", {"item": f"tea {n}"}) for n in range(3)]
    bench = Bench([*lines, "Enough.", "No more."], allowance=Allowance(lambda: 3))
    assert bench.work() == "Enough."
    assert bench.model.requests[-1].tools == ()
    assert bench.work("And coffee?") == "No more."  # the steps are those of the run, not of each piece of work
    assert len(bench.of(ToolExecuted)) == 3
    assert [(e.kind, e.value, e.limit) for e in bench.of(LimitHit)] == [("max_steps", 3, 3)]


def test_without_a_limit_it_works_as_long_as_the_job_takes() -> None:
    bench = Bench([*(("price", {"item": f"tea {n}"}) for n in range(90)), "Enough."])
    assert bench.work() == "Enough."
    assert bench.of(LimitHit) == bench.of(Noted) == []


@pytest.mark.parametrize("length", [1, 2, 3])
def test_an_agent_in_circles_is_asked_for_what_it_has(length: int) -> None:
    row: list[Line] = [("price", {"item": f"tea {n}"}) for n in range(length)]
    bench = Bench([("price", {"item": "tea"}), *row * CIRCLES, "4 EUR, I think.", ("price", {"item": "tea"}), "4 EUR."])
    assert bench.work() == "4 EUR, I think."
    assert len(bench.of(ToolExecuted)) == 1 + length * CIRCLES
    assert [e.kind for e in bench.of(Noted)] == [e.kind for e in bench.of(LimitHit)] == ["in_circles"]
    assert bench.agent.allowance.met is not None
    assert bench.work("And now?") == "4 EUR."  # it may go on with something else, and that ends well
    assert bench.agent.allowance.met is None


def test_a_circle_is_one_over_several_pieces_of_work() -> None:
    again: list[Line] = [("price", {"item": "tea"}), "4 EUR."]
    bench = Bench([*again * (CIRCLES - 1), ("price", {"item": "tea"}), "Still 4 EUR."])
    said = [bench.work() for _ in range(CIRCLES)]
    assert said[-1] == "Still 4 EUR."
    assert [e.kind for e in bench.of(LimitHit)] == ["in_circles"]


def test_asking_again_until_the_answer_changes_is_no_circle() -> None:
    bench = Bench([*([("pay", {"amount": 1})] * 20), "Paid."])
    paid: list[float] = []
    bench.agent.toolbox._tools = {**TOOLS, "pay": replace(TOOLS["pay"], function=lambda world, amount: _count(paid))}
    assert bench.work() == "Paid."
    assert len(paid) == 20
    assert bench.of(LimitHit) == []


def _count(paid: list[float]) -> str:
    paid.append(1)
    return f"payment number {len(paid)}"


def test_a_plan_may_have_as_many_subtasks_as_the_job_has() -> None:
    """Of a model that is not held to the schema; where one is, a list that was ended by it is noted."""
    plan = {"subtasks": [{"id": f"s{n}", "goal": "g" * 3000, "role": "coder"} for n in range(ITEMS + 50)]}
    bench = Bench([plan, {"subtasks": plan["subtasks"][:ITEMS]}])
    assert len(run(bench.agent.ask("Plan.", Plan, purpose="plan"), virtual=True).subtasks) == ITEMS + 50
    assert bench.of(Noted) == []
    run(bench.agent.ask("Plan.", Plan, purpose="plan"), virtual=True)
    assert [e.kind for e in bench.of(Noted)] == ["at_limit"]


def test_a_review_may_name_thirty_problems_at_length() -> None:
    problems = [{"about": f"finding {n} " * 30, "reason": "wrong " * 200} for n in range(30)]
    bench = Bench([{"ok": False, "problems": problems}])
    review = run(bench.agent.ask("Is it right?", Review, purpose="review"), virtual=True)
    assert len(review.problems) == 30
    assert bench.of(OutputRejected) == []


def test_the_context_window_is_kept_and_the_cut_is_noted() -> None:
    lines: list[Line] = [("price", {"item": f"tea {n}"}) for n in range(12)]
    bench = Bench([*lines, "Done."], window=1024 + 120)
    assert bench.work("Buy tea. " * 5) == "Done."
    assert any(e.kind == "context_cut" for e in bench.of(Noted))
    last = bench.model.requests[-1].messages
    assert last[0].role == "system"
    assert "Buy tea." in last[1].content


def test_untrusted_text_taints_the_agent_for_good() -> None:
    bench = Bench([("price", {"item": "tea"}), "4"])
    assert not bench.agent.tainted
    bench.work()
    assert bench.agent.tainted


def test_a_fresh_look_keeps_instructions_and_request_only() -> None:
    bench = Bench(["a", "b"])
    bench.work("The request: tea.")
    bench.work("More.")
    assert [m.content for m in bench.agent.fresh().messages] == ["You are ann.", "The request: tea."]


def test_two_agents_on_one_bus_do_not_mix() -> None:
    async def main() -> list[str]:
        bus = Bus(lambda event: None)
        for name in ("a", "b"):
            bus.join(name)

        async def echo(name: str) -> None:
            for _ in range(3):
                message = await bus.receive(name)
                await asyncio.sleep(1)
                bus.reply(message, name, f"{name} heard {message.content}")

        async with asyncio.TaskGroup() as group:
            for name in ("a", "b"):
                group.create_task(echo(name))
            asks = [group.create_task(bus.ask("b" if n % 2 else "a", "ab"[n % 2 ^ 1 ^ 1], str(n))) for n in range(6)]
        return [(await ask).content for ask in asks]

    assert run(main(), virtual=True) == ["a heard 0", "b heard 1", "a heard 2", "b heard 3", "a heard 4", "b heard 5"]
