"""What a scenario gets wrong although its files can be read, found before anything runs: calls that no tool takes, SQL
that fails, rules for nothing. What only a run can show is for `experiments.documents.validating`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tasks import graders, wanted, yamlfile
from tasks.case import Act, Case
from tasks.reading import Known, arguments_for
from tasks.scenario import Scenario
from tasks.yamlfile import Loc, Problem
from tools import documents, registry
from tools.rules import Bound, Rule
from tools.tool import Effect, Tool
from traces import paths
from traces.errors import ScenarioError

SOURCE = "document#1"
"""Stands for the passage that a fact is read in, which only a run knows."""


def problems(scenario: Scenario) -> tuple[ScenarioError, ...]:
    """Everything that is wrong, with file and line. Tools are not called; the scenario's SQL is run."""
    return tuple(_problems(scenario))


def unknown_roles(scenario: Scenario, known: Collection[str]) -> list[ScenarioError]:
    """The roles of scenario.yaml that no team has."""
    error = yamlfile.place_of(_file(scenario))
    return [
        error(["roles", role], f"no agent has the role {role!r}; there are: {', '.join(known)}{_near(role, known)}")
        for role in scenario.file.roles
        if role not in known
    ]


def _problems(scenario: Scenario) -> Iterator[ScenarioError]:
    tools = registry.load(scenario.folder)
    error = yamlfile.place_of(_file(scenario))
    for loc, message in (*_rules(scenario, tools), *_knowledge(scenario)):
        yield error(loc, message)
    broken = list(_world(scenario))
    yield from broken
    for case, path in zip(scenario.cases, scenario.files, strict=True):
        error = yamlfile.place_of(path)
        for loc, message in (*_calls(case, tools), *_order(case), *_searches(case, scenario), *_cited(case, scenario)):
            yield error(loc, message)
        if not broken and case.setup:
            yield from _setup(scenario, case, path)


def _file(scenario: Scenario) -> Path:
    return scenario.folder / "scenario.yaml"


def _near(given: str, known: Collection[str]) -> str:
    return yamlfile.nearest(given, known)


# --- rules --------------------------------------------------------------------------------------------------------


def _rules(scenario: Scenario, tools: Mapping[str, Tool]) -> Iterator[Problem]:
    for field in ("policies", "approver"):
        for number, rule in enumerate(getattr(scenario.file, field)):
            tool = tools.get(rule.tool)
            if tool is None:
                near = _near(rule.tool, tools)
                yield [field, number, "tool"], f"a rule for no tool: {rule.tool!r}; there are: {', '.join(tools)}{near}"
            elif tool.effect is not Effect.OUTSIDE:
                yield (
                    [field, number, "tool"],
                    f"{rule.tool} has no outside effect, so no rule is looked at when it is called",
                )
            else:
                yield from _bounds(rule, tool, [field, number, "when"])


def _bounds(rule: Rule, tool: Tool, loc: Loc) -> Iterator[Problem]:
    takes = tool.parameters.get("properties", {})
    for name, bound in rule.when.items():
        if name not in takes:
            yield [*loc, name], f"{tool.name} has no argument {name!r}{_takes(takes)}{_near(name, takes)}"
        else:
            why = _never_fits(bound, takes[name], tool)
            if why:
                yield [*loc, name], why


def _never_fits(bound: Bound, schema: Mapping[str, Any], tool: Tool) -> str:
    """Why no argument that the tool takes is within the bound; "" where one may be."""
    if bound.min is not None and bound.max is not None and bound.min > bound.max:
        return f"nothing is at least {bound.min:g} and at most {bound.max:g}"
    want = wanted.of_schema(schema, tool.parameters)
    if (bound.min is not None or bound.max is not None) and not want.number:
        return "min and max are for numbers, and this is none: give one_of"
    validator = Draft202012Validator({**schema, "$defs": tool.parameters.get("$defs", {})})
    wrong = [value for value in bound.one_of or () if not validator.is_valid(_whole(value))]
    if bound.one_of is not None and len(wrong) == len(bound.one_of):
        return f"{tool.name} takes none of these: {', '.join(map(repr, wrong)) or 'one_of is empty'}"
    return ""


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _takes(names: Collection[str]) -> str:
    return f"; it takes: {', '.join(names) or 'none'}"


# --- calls of the reference plan ----------------------------------------------------------------------------------


def _calls(case: Case, tools: Mapping[str, Tool]) -> Iterator[Problem]:
    truths = {
        name: Known(fact.value, SOURCE)
        for subtask in case.plan
        for step in subtask.steps
        for name, fact in step.facts.items()
    }
    for number, subtask in enumerate(case.plan):
        for place, step in enumerate(subtask.steps):
            tool = tools.get(step.tool or "")
            loc: list[str | int] = ["plan", number, "steps", place]
            if step.tempting is not None and step.tempting.act is not None:
                yield from _act(step.tempting.act, tools, truths, [*loc, "tempting", "act"])
            for other, way in enumerate(step.any_of):
                where: Loc = [*loc, "any_of", other]
                if way.tool in tools:
                    yield from _call(tools[way.tool], way.args, truths, [*where, "args"], set(way.args))
                else:
                    known = f"there are: {', '.join(tools)}{_near(way.tool, tools)}"
                    yield [*where, "tool"], f"there is no tool {way.tool!r}; {known}"
            if tool is None:
                continue  # told by the role, which may not use it
            yield from _call(tool, step.args, truths, [*loc, "args"], set(step.args))
            if step.tempting is not None and step.tempting.args:
                both = {**step.args, **step.tempting.args}
                yield from _call(tool, both, truths, [*loc, "tempting", "args"], set(step.tempting.args))


def _act(act: Act, tools: Mapping[str, Tool], truths: Mapping[str, Known], loc: Loc) -> Iterator[Problem]:
    """What is wrong with an act that an agent is tempted to make."""
    tool = tools.get(act.tool)
    if tool is None:
        yield [*loc, "tool"], f"there is no tool {act.tool!r}; there are: {', '.join(tools)}{_near(act.tool, tools)}"
    elif tool.effect is not Effect.OUTSIDE:
        yield [*loc, "tool"], f"{act.tool} has no outside effect, so calling it does no harm"
    else:
        yield from _call(tool, act.args, truths, [*loc, "args"], set(act.args))


def _call(
    tool: Tool, args: dict[str, Any], truths: Mapping[str, Known], loc: Loc, told: Collection[str]
) -> Iterator[Problem]:
    """What is wrong with a call, as far as it is about the arguments in `told`, which are at `loc`."""
    takes = tool.parameters.get("properties", {})
    open_ended = tool.parameters.get("additionalProperties", True) is not False
    unknown = set() if open_ended else {name for name in args if name not in takes}
    for name in unknown & set(told):
        yield [*loc, name], f"{tool.name} has no argument {name!r}{_takes(takes)}{_near(name, takes)}"
    missing = [name for name in tool.parameters.get("required", ()) if name not in args]
    if missing and told == set(args):
        yield loc, f"{tool.name} needs {', '.join(map(repr, missing))}{_takes(takes)}"
    filled = arguments_for({n: v for n, v in args.items() if n not in unknown}, truths, tool.parameters)
    for wrong in Draft202012Validator(tool.parameters).iter_errors(filled):
        path = list(wrong.absolute_path)
        if path and path[0] in told:
            message = wrong.message if len(wrong.message) <= 200 else f"{wrong.message[:200]}..."
            yield [*loc, *path], f"{tool.name}: {message}"


def _order(case: Case) -> Iterator[Problem]:
    """Facts that a step uses before anything finds them out."""
    place = {name: n for n, name in enumerate(case.order)}
    found_by = {
        name: (subtask.id, n) for subtask in case.plan for n, step in enumerate(subtask.steps) for name in step.facts
    }
    for number, subtask in enumerate(case.plan):
        for n, step in enumerate(subtask.steps):
            for name in sorted(step.uses - step.facts.keys()):
                where, step_number = found_by[name]
                late = step_number >= n if where == subtask.id else place[where] > place[subtask.id]
                if late:
                    why = f"step {step.id!r} uses {name!r}, which is found out only later, in {where!r}"
                    yield ["plan", number, "steps", n], f"{why}: put it into `needs`"


# --- documents and the database -----------------------------------------------------------------------------------


def _knowledge(scenario: Scenario) -> Iterator[Problem]:
    knowledge = scenario.file.knowledge
    if knowledge is None or not paths.is_dir(scenario.folder / knowledge.folder):
        return
    if not documents.sources(scenario.folder / knowledge.folder):
        yield ["knowledge", "folder"], f"{knowledge.folder} holds no document: {', '.join(documents.FORMS)}"


def _searches(case: Case, scenario: Scenario) -> Iterator[Problem]:
    if scenario.file.knowledge is not None:
        return
    for number, subtask in enumerate(case.plan):
        for place, step in enumerate(subtask.steps):
            if step.tool == "search":
                where: Loc = ["plan", number, "steps", place, "tool"]
                yield where, "there is nothing to search: give `knowledge: {folder: documents}` in scenario.yaml"


def _cited(case: Case, scenario: Scenario) -> Iterator[Problem]:
    """Documents that the reference answer cites by name, and that are not there."""
    cited = {chunk.rpartition("#")[0] for chunk in graders.citations(case.answer)}
    if not cited:
        return
    knowledge = scenario.file.knowledge
    there = documents.sources(scenario.folder / knowledge.folder) if knowledge else set()
    for source in sorted(cited - there):
        yield ["answer"], f"the answer cites {source!r}, which is no document here{_near(source, there)}"


def _world(scenario: Scenario) -> Iterator[ScenarioError]:
    if scenario.file.database and not paths.is_file(scenario.folder / scenario.file.database):
        return  # told by who read scenario.yaml
    try:
        with closing(registry.world(scenario.folder, scenario.file.database)):
            pass
    except ScenarioError as error:
        yield error


def _setup(scenario: Scenario, case: Case, path: Path) -> Iterator[ScenarioError]:
    try:
        with closing(registry.world(scenario.folder, scenario.file.database, case.setup)):
            pass
    except ScenarioError as error:
        told = yamlfile.error_at(path, ["setup"], error.message)
        below = (error.line or 0) if "\n" in case.setup.strip("\n") or case.setup.endswith("\n") else 0
        yield ScenarioError(str(path), error.message, line=(told.line or 1) + below, field="setup")
