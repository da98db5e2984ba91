"""A case's reference plan, arranged for quick questions."""

from __future__ import annotations

from tasks import templates
from tasks.case import Case, Skill, Step, Subtask, is_due
from tasks.templates import names_in

_KEPT = "index of the plan"
_SKILL_OF_TOOL: dict[str, Skill] = {"search": "retrieve", "query_database": "lookup", "run_python": "compute"}


class Index:
    """Steps and subtasks by name; which step finds which fact; which facts rest on which; `answering`: the steps that
    find out what the answer says, with those facts. `steps` and `producer` are the solution's; `every` and `finder`
    have the steps too that are not to be done, since their condition does not hold: who is wrong about it does them.
    `ways`: each step as each call that does it, the plan's own first."""

    def __init__(self, case: Case) -> None:
        order = case.order
        self.case = case
        self.subtasks: dict[str, Subtask] = {s.id: s for s in sorted(case.plan, key=lambda s: order.index(s.id))}
        self.final = order[-1]
        self.every: dict[str, Step] = {step.id: step for s in self.subtasks.values() for step in s.steps}
        self.finder: dict[str, Step] = {name: step for step in self.every.values() for name in step.facts}
        truths = {name: step.facts[name].value for name, step in self.finder.items()}
        self.steps: dict[str, Step] = {name: step for name, step in self.every.items() if is_due(step, truths)}
        self.ways = {step.id: _ways(step) for step in self.every.values()}
        self.subtask_of: dict[str, str] = {step.id: s.id for s in self.subtasks.values() for step in s.steps}
        self.producer: dict[str, Step] = {name: step for step in self.steps.values() for name in step.facts}
        self.needs: dict[str, tuple[str, ...]] = {s.id: tuple(sorted(s.uses)) for s in self.every.values()}
        self.answer_facts = names_in(case.answer)
        said = [(step, self.answer_facts & step.facts.keys()) for step in self.steps.values()]
        self.answering = [(step, facts) for step, facts in said if facts]
        self._rests: dict[str, frozenset[str]] = {}
        self._scopes: dict[tuple[str, ...], tuple[Step, ...]] = {}

    def concluded(self, answer: str) -> dict[str, str]:
        """What an answer says that its author concluded: the facts of steps without a tool."""
        said = templates.read(self.case.answer, answer.strip())
        return {name: value for name, value in said.items() if self.producer[name].tool is None}

    def truth(self, fact: str) -> str:
        """Its value; of one that nothing should find out there is none."""
        return self.producer[fact].facts[fact].value if fact in self.producer else ""

    def rests_on(self, fact: str) -> frozenset[str]:
        """The facts that were worked out from `fact`, directly or not, leaving out what was done (acts)."""
        if fact not in self._rests:
            self._rests[fact] = frozenset(self._worked_out_from(fact))
        return self._rests[fact]

    def _worked_out_from(self, fact: str) -> set[str]:
        found: set[str] = set()
        todo = [fact]
        while todo:
            name = todo.pop()
            for step in self.every.values():
                if name in self.needs[step.id] and skill_of(step) != "act":
                    new = set(step.facts) - found
                    found |= new
                    todo.extend(new)
        return found

    def steps_in(self, scope: tuple[str, ...]) -> tuple[Step, ...]:
        """The solution's steps of some subtasks, in order."""
        return tuple(s for s in self.all_in(scope) if s.id in self.steps)

    def all_in(self, scope: tuple[str, ...]) -> tuple[Step, ...]:
        """All steps of some subtasks, in order."""
        if scope not in self._scopes:
            self._scopes[scope] = tuple(s for s in self.every.values() if self.subtask_of[s.id] in scope)
        return self._scopes[scope]

    def facts_about(self, name: str) -> list[str]:
        """The facts that a complaint about `name` (a fact, step or subtask) is about."""
        if name in self.finder:
            return [name]
        if name in self.every:
            return list(self.every[name].facts)
        if name in self.subtasks:
            return [fact for step in self.subtasks[name].steps for fact in step.facts]
        return []


def _ways(step: Step) -> tuple[Step, ...]:
    others = (step.model_copy(update={"tool": way.tool, "args": way.args, "any_of": ()}) for way in step.any_of)
    return (step.model_copy(update={"any_of": ()}), *others) if step.any_of else (step,)


def skill_of(step: Step) -> Skill:
    """The skill that a step takes: as the case says, or by its tool."""
    if step.skill is not None:
        return step.skill
    return "decide" if step.tool is None else _SKILL_OF_TOOL.get(step.tool, "act")


def index_of(case: Case) -> Index:
    """The index of a case, made once and kept with it."""
    found: Index | None = vars(case).get(_KEPT)
    if found is None or found.case is not case:  # a copy of a case has the index of the other
        found = vars(case)[_KEPT] = Index(case)
    return found
