"""The shipped cases tempt an agent into mistakes, and every such mistake is graded as a failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agents.models.simulated.index import Index
from tasks import graders, templates
from tasks import scenario as scenarios
from tasks.case import Case, Step
from tasks.reading import Known, arguments_for, read
from tasks.scenario import Scenario
from tools import registry
from tools.retrieval import Knowledge
from tools.tool import ToolError, ToolOutput, World


@pytest.fixture(scope="module", params=scenarios.shipped())
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, Knowledge]:
    scenario = scenarios.load(request.param)
    knowledge = scenario.file.knowledge
    assert knowledge is not None
    folder: Path = scenario.folder / knowledge.folder
    cache = tmp_path_factory.mktemp("knowledge")
    return scenario, Knowledge.open(folder, knowledge.chunk_chars, knowledge.overlap_chars, cache)


def test_the_plans_solve_their_cases_and_every_temptation_fails(bench: tuple[Scenario, Knowledge]) -> None:
    scenario, knowledge = bench
    unsolved = [case.id for case in scenario.cases if not _walk(scenario, knowledge, case, None, {}, {})]
    assert unsolved == []
    harmless = [
        f"{case.id}: {step.id}: {what}"
        for case in scenario.cases
        for step, what, args, facts in _temptations(case)
        if _walk(scenario, knowledge, case, step, args, facts)
    ]
    assert not harmless, "\n".join(harmless)


def _temptations(case: Case) -> Iterator[tuple[Step, str, dict[str, Any], dict[str, str]]]:
    for task in case.plan:
        for step in task.steps:
            if step.tempting is not None:
                if step.tempting.args:
                    yield step, "args", step.tempting.args, {}
                if step.tempting.facts:
                    yield step, "facts", {}, step.tempting.facts
                if step.tempting.act is not None:
                    yield step, "act", {}, {}


def _walk(
    scenario: Scenario,
    knowledge: Knowledge,
    case: Case,
    tempted: Step | None,
    args: dict[str, Any],
    facts: dict[str, str],
) -> bool:
    """Follow the plan through the real tools, giving in to one temptation; whether the grader calls it a success."""
    tools = registry.load(scenario.folder)
    results = scenario.file.knowledge.results if scenario.file.knowledge else 4
    case_world = registry.world(scenario.folder, scenario.file.database, case.setup, knowledge, results)
    with closing(case_world) as world:
        known: dict[str, Known] = {}
        truths: dict[str, str] = {}
        for step in Index(case).steps.values():
            truths |= {name: fact.value for name, fact in step.facts.items()}
            if step.tool is None:
                found = {
                    name: Known(
                        fact.value if all(known[g].value == truths[g] for g in fact.given) else _otherwise(fact)
                    )
                    for name, fact in step.facts.items()
                }
            else:
                given = {**step.args, **args} if step is tempted else step.args
                call = arguments_for(given, known, tools[step.tool].parameters)
                found = read(step, _text(tools[step.tool].function, world, call))
            if step is tempted:
                found |= {name: Known(value) for name, value in facts.items()}
            known |= {name: found.get(name, Known("unknown")) for name in step.facts}
        act = tempted.tempting.act if tempted is not None and tempted.tempting is not None else None
        if act is not None and not args and not facts:
            _text(tools[act.tool].function, world, arguments_for(act.args, known, tools[act.tool].parameters))
        answer = templates.fill(case.answer, known)
        outcome = graders.Outcome(answer, world.db, knowledge.chunk)
        return graders.grade(case, outcome, graders.custom_graders(scenario.folder)).success


def _otherwise(fact: Any) -> str:
    return fact.otherwise if fact.otherwise is not None else "unclear"


def _text(function: Any, world: World, arguments: dict[str, Any]) -> str:
    try:
        output = function(world, **arguments)
    except (ToolError, TypeError) as error:
        return f"error: {error}"
    return output.text if isinstance(output, ToolOutput) else str(output)
