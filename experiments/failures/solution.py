"""A case's reference solution, as what a trace is held against: which step a tool call serves, by its arguments or by
what came of it. No label is looked at, so real runs and simulated ones are read alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from agents.models.simulated.index import Index, skill_of
from tasks.case import Act, Step
from tasks.reading import Known, arguments_for, read
from tasks.templates import names_in
from traces import strict
from traces.kernel import ToolCall, ToolExecuted

_NAMELIKE = re.compile(r"^\S{1,40}$")


class Solution:
    """One case's. Cheap to make; `truths`: fact → its true value."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.truths = {name: index.truth(name) for name in index.producer}

    @cached_property
    def tools(self) -> frozenset[str]:
        """The tools that the reference solution uses."""
        return frozenset(way.tool for step in self.index.steps.values() for way in step.ways)

    @cached_property
    def acts(self) -> list[Step]:
        """The steps that change something outside."""
        return [step for step in self.index.steps.values() if step.tool and skill_of(step) == "act"]

    def serves(self, step: Step, call: ToolExecuted) -> bool:
        """Whether the call did what the step is for: an act by its arguments, a look-up by what it found."""
        if not uses_tool(step, call.tool):
            return False
        if skill_of(step) == "act":
            return any(same(wanted, call.arguments) for wanted in self._arguments[step.id, call.tool])
        found = read(step, call.result) if call.ok else {}
        return all(name in found and number(found[name].value) == value for name, value in self._wanted[step.id])

    def is_call(self, step: Step, call: ToolCall) -> bool:
        """Whether it is the step's call by name and arguments, whatever came of it."""
        given = arguments_of(call)
        wanted = self._arguments.get((step.id, call.name), [])
        return given is not None and any(same(one, given) for one in wanted)

    @cached_property
    def _arguments(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """(step, tool) → the arguments with which a call of that tool does it."""
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for step in self.index.steps.values():
            for way in step.ways:
                found.setdefault((step.id, way.tool), []).append(arguments_for(way.args, self.truths, {}))
        return found

    @cached_property
    def _wanted(self) -> dict[str, list[tuple[str, Any]]]:
        steps = self.index.steps.values()
        return {step.id: [(name, number(fact.value)) for name, fact in step.facts.items()] for step in steps}


def uses_tool(step: Step, tool: str) -> bool:
    """Whether a call of this tool may do the step."""
    return any(way.tool == tool for way in step.ways)


def follows(step: Step, call: ToolExecuted, beliefs: Mapping[str, str]) -> bool:
    """Whether it is a call that does the step, for one who takes these facts for true."""
    known = {name: Known(value) for name, value in beliefs.items()}
    return any(_is_call(step, way, known, call) for way in step.ways if way.tool == call.tool)


def _is_call(step: Step, way: Act, known: Mapping[str, Known], call: ToolExecuted) -> bool:
    given = {name for fact in step.facts.values() for name in fact.given}
    if not known.keys() >= names_in(way.args) | given:
        return False
    wanted = arguments_for(way.args, known, {})
    texts = {name: str(value) for name, value in wanted.items() if " " in str(value)}
    if skill_of(step) == "act":
        return same(wanted, call.arguments)
    return same(wanted, call.arguments) and all(str(call.arguments.get(n)) == text for n, text in texts.items())


def arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """A call's arguments as they came; None where they are no JSON object."""
    try:
        given = strict.loads(call.arguments)
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def same(wanted: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether names and numbers agree; prose may differ."""
    plain = {name: str(value) for name, value in wanted.items() if _NAMELIKE.match(str(value))}
    return all(number(given.get(name)) == number(value) for name, value in plain.items())


def number(value: Any) -> Any:
    """A number, if its text is one; else the text."""
    try:
        return float(str(value).replace(",", ""))
    except ValueError:
        return str(value)
