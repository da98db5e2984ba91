"""A case: one concrete job, the task graph and reference solution that solve it, and what the grader looks for."""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks import templates, yamlfile
from tasks.yamlfile import Loc, Problem
from tools.usercode import LIMIT_S

if TYPE_CHECKING:
    import networkx as nx

ID = r"^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{M}\p{N}_ー]*$"
"""A name in any script: small letters, digits and _, not beginning with a digit."""
Skill = Literal["retrieve", "lookup", "compute", "decide", "act", "write"]
_SHORT = (str, int, float)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False)


class Fact(Strict):
    """Something that a step finds out.

    value:     the true value, as an agent would write it.
    pattern:   a regular expression with one group that reads the value out of the tool's actual result; without it
               the fact is known when `value` or one of `seen_as` stands in the result.
    given:     (steps without a tool) the facts it is concluded from: with a wrong one, `otherwise` comes out.
    otherwise: what a careless or misled agent believes instead.
    public:    the date (2023-05) since when anybody could know it: a model trained later may know it by heart. Without
               it the fact is private, and has to be found out.
    """

    value: str
    pattern: str | None = None
    seen_as: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    otherwise: str | None = None
    public: str = Field(default="", pattern=r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
            if groups != 1:
                raise ValueError("needs exactly one group ( ) around the value")
        return pattern


class Act(Strict):
    """A tool call. `args` may quote facts as {name}."""

    tool: str
    args: dict[str, Any] = {}


class When(Strict):
    """A condition, written as "FACT is VALUE" or "FACT is not VALUE"."""

    fact: str
    value: str
    negated: bool = False

    @model_validator(mode="before")
    @classmethod
    def _written(cls, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        found = re.fullmatch(r"(\S+) is (not )?(.*\S)\s*", text.strip())
        if found is None:
            raise ValueError('should be "FACT is VALUE" or "FACT is not VALUE"')
        return {"fact": found[1], "negated": bool(found[2]), "value": found[3]}

    def holds(self, value: str) -> bool:
        return (value == self.value) != self.negated


class Tempting(Strict):
    """What a careless agent does instead of the step: other arguments, or other conclusions; or, at the end, an `act`
    that must not be made. `likelihood`: how many times as likely as usual it is to err here."""

    args: dict[str, Any] = {}
    facts: dict[str, str] = {}
    act: Act | None = None
    likelihood: float = Field(default=1.0, ge=0)


class Step(Strict):
    """One step of the reference solution: a tool call, or (without `tool`) a conclusion.

    `args` may quote facts of earlier steps as {name}. `id` is unique in the case. `any_of`: other calls that do as well
    and find out the same. `optional`: it may be left out. `when`: it is to be done only where that is so; where it is
    not, doing it is a mistake.
    """

    id: str = Field(pattern=ID)
    tool: str | None = None
    args: dict[str, Any] = {}
    facts: dict[str, Fact] = {}
    skill: Skill | None = None
    tempting: Tempting | None = None
    any_of: tuple[Act, ...] = ()
    optional: bool = False
    when: When | None = None

    @property
    def ways(self) -> tuple[Act, ...]:
        """The calls that do it, the plan's own first; none for a conclusion."""
        return (Act(tool=self.tool, args=self.args), *self.any_of) if self.tool else ()

    @property
    def uses(self) -> set[str]:
        """The facts that it takes."""
        calls: set[str] = set().union(
            *(templates.names_in(way.args) for way in self.ways), templates.names_in(self.args)
        )
        given = {name for fact in self.facts.values() for name in fact.given}
        return calls | given | ({self.when.fact} if self.when else set())

    @field_validator("facts", mode="before")
    @classmethod
    def _short_form(cls, facts: Any) -> Any:
        if isinstance(facts, dict):
            return {name: {"value": fact} if isinstance(fact, _SHORT) else fact for name, fact in facts.items()}
        return facts

    @model_validator(mode="after")
    def _finds_something(self) -> Step:
        if not self.facts:
            raise ValueError(f"step {self.id!r} finds out nothing: give it at least one fact")
        if self.any_of and self.tool is None:
            raise ValueError(
                f"step {self.id!r} calls no tool, so there are no other calls that do as well: give `tool`"
            )
        return self


class Subtask(Strict):
    """A node of the task graph: a piece of work that one agent can be given."""

    id: str = Field(pattern=ID)
    goal: str
    role: str
    needs: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


class Expect(BaseModel):
    """One check: `grader` is a name from tasks.graders or a function of the scenario's grader.py, which may take
    `timeout_s`; the other fields are its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    grader: str
    name: str = ""
    weight: float = Field(default=1.0, gt=0)
    timeout_s: float = Field(default=LIMIT_S, gt=0)

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Case(Strict):
    """`request` is what the customer or reader asked; it is untrusted text. `setup` is SQL run on the case's fresh
    database. `answer` is the reference answer, with facts as {name} and their sources as {name.source}. `personal`:
    texts of this case that must not leave the machine in a shared file, such as the customer's name."""

    id: str
    title: str
    request: str
    plan: tuple[Subtask, ...] = Field(min_length=1)
    answer: str
    expect: tuple[Expect, ...] = Field(min_length=1)
    difficulty: Literal["easy", "medium", "hard"] = "medium"
    features: tuple[str, ...] = ()
    setup: str = ""
    personal: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """By what else than difficulty cases are told apart: its features, and how many tools its solution takes."""
        truths = {name: fact.value for s in self.plan for step in s.steps for name, fact in step.facts.items()}
        tools = {step.tool for subtask in self.plan for step in subtask.steps if is_due(step, truths)} - {None}
        return (*self.features, f"{len(tools)} tool{'' if len(tools) == 1 else 's'}")

    @model_validator(mode="after")
    def _hangs_together(self) -> Case:
        yamlfile.found((*self._told_twice(), *self._needs_others(), *self._quotes_others()))
        yamlfile.found(tuple(self._rests_on_what_may_be_missing()))
        return self

    def _rests_on_what_may_be_missing(self) -> Iterator[Problem]:
        """The answer, or a step that must be done, takes a fact of a step that need not or must not be done."""
        steps = [(n, m, step) for n, s in enumerate(self.plan) for m, step in enumerate(s.steps)]
        truths = {name: fact.value for _, _, step in steps for name, fact in step.facts.items()}
        left_out = {
            name: step for _, _, step in steps if step.optional or not is_due(step, truths) for name in step.facts
        }

        def why(name: str) -> str:
            step = left_out[name]
            kind = "optional" if step.optional else "not to be done here"
            return f"{name!r}, which step {step.id!r} finds out: that is {kind}"

        for name in sorted(templates.names_in(self.answer) & left_out.keys()):
            yield ["answer"], f"the answer uses {why(name)}"
        for n, m, step in steps:
            if not step.optional and is_due(step, truths):
                for name in sorted(step.uses & left_out.keys()):
                    yield ["plan", n, "steps", m], f"step {step.id!r} uses {why(name)}"

    def _told_twice(self) -> Iterator[Problem]:
        steps: list[tuple[list[str | int], Step]] = [
            (["plan", n, "steps", m], step) for n, s in enumerate(self.plan) for m, step in enumerate(s.steps)
        ]
        subtasks: list[tuple[Loc, str]] = [(["plan", n, "id"], subtask.id) for n, subtask in enumerate(self.plan)]
        facts = [([*loc, "facts", name], name) for loc, step in steps for name in step.facts]
        named: tuple[tuple[str, Sequence[tuple[Loc, str]]], ...] = (
            ("subtask", subtasks),
            ("step", [([*loc, "id"], step.id) for loc, step in steps]),
            ("fact", facts),
        )
        for what, names in named:
            seen: set[str] = set()
            for loc, name in names:
                if name in seen:
                    yield loc, f"{what} {name!r} is defined twice"
                seen.add(name)

    def _needs_others(self) -> Iterator[Problem]:
        ids = [subtask.id for subtask in self.plan]
        unknown = False
        for number, subtask in enumerate(self.plan):
            for place, need in enumerate(subtask.needs):
                if need not in ids:
                    unknown = True
                    near = yamlfile.nearest(need, ids)
                    yield (
                        ["plan", number, "needs", place],
                        f"subtask {subtask.id!r} needs {need!r}, which is no subtask of this case{near}",
                    )
        if unknown:
            return
        try:
            _ = self.order
        except CycleError as error:
            cycle = error.args[1][:-1]
            yield ["plan", ids.index(cycle[0]), "needs"], f"the plan needs itself: {' -> '.join(cycle)}"

    def _quotes_others(self) -> Iterator[Problem]:
        facts = {name for subtask in self.plan for step in subtask.steps for name in step.facts}
        for number, subtask in enumerate(self.plan):
            for place, step in enumerate(subtask.steps):
                loc: list[str | int] = ["plan", number, "steps", place]
                yield from _quotes(step.args, [*loc, "args"], f"step {step.id!r}", facts)
                for number_, way in enumerate(step.any_of):
                    yield from _quotes(way.args, [*loc, "any_of", number_, "args"], f"step {step.id!r}", facts)
                if step.when is not None and step.when.fact not in facts - step.facts.keys():
                    near = yamlfile.nearest(step.when.fact, facts)
                    yield [*loc, "when"], f"no other step finds out {step.when.fact!r}{near}"
                if step.tempting is not None:
                    yield from _quotes(step.tempting.args, [*loc, "tempting", "args"], f"step {step.id!r}", facts)
                    if step.tempting.act is not None:
                        act = step.tempting.act.args
                        yield from _quotes(act, [*loc, "tempting", "act", "args"], f"step {step.id!r}", facts)
                    for name in step.tempting.facts.keys() - step.facts.keys():
                        near = yamlfile.nearest(name, step.facts)
                        yield [*loc, "tempting", "facts", name], f"the step finds out no {name!r}{near}"
                for name, fact in step.facts.items():
                    for given in set(fact.given) - facts:
                        near = yamlfile.nearest(given, facts)
                        yield (
                            [*loc, "facts", name, "given"],
                            f"step {step.id!r} uses {given!r}, which no step finds out{near}",
                        )
        yield from _quotes(self.answer, ["answer"], "the answer", facts)

    @property
    def order(self) -> tuple[str, ...]:
        """The subtasks' ids, each after those that it needs, otherwise as the plan has them."""
        place = {subtask.id: number for number, subtask in enumerate(self.plan)}
        sorter = TopologicalSorter({subtask.id: subtask.needs for subtask in self.plan})
        sorter.prepare()
        ready, found = sorted(map(place.__getitem__, sorter.get_ready())), []
        while ready:
            found.append(self.plan[heapq.heappop(ready)].id)
            sorter.done(found[-1])
            for name in sorter.get_ready():
                heapq.heappush(ready, place[name])
        return tuple(found)

    def graph(self) -> nx.DiGraph[str]:
        """The task graph: an edge from each subtask to those that need it."""
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        for subtask in self.plan:
            graph.add_node(subtask.id, role=subtask.role, goal=subtask.goal)
        for subtask in self.plan:
            graph.add_edges_from((need, subtask.id) for need in subtask.needs)
        return graph


def is_due(step: Step, truths: Mapping[str, str]) -> bool:
    """Whether the step is to be done, where these facts are true."""
    return step.when is None or step.when.holds(truths[step.when.fact])


def _quotes(value: Any, loc: Loc, who: str, facts: Collection[str]) -> Iterator[Problem]:
    """What is wrong with the templates in a text, or in all the texts of a structure."""
    try:
        unknown = sorted(templates.names_in(value) - set(facts))
    except ValueError as error:
        yield loc, str(error)
        return
    for name in unknown:
        yield loc, f"{who} uses {name!r}, which no step finds out{yamlfile.nearest(name, facts)}"
