"""The errors in a run, found by rules over its trace against the case's reference solution. `Chat.fault`, the true
label of a simulated error, is never read here, so real runs and simulated ones are judged alike. docs/failures.md has
the rules in words."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, structs

from agents.agent import HELD_BACK
from agents.models.simulated.index import Index, skill_of
from agents.models.simulated.passing import UNKNOWN
from agents.models.simulated.view import View, parse
from experiments.failures.solution import Solution, arguments_of, follows, uses_tool
from experiments.judging.reviews import Look, is_look, look, prompts
from tasks.case import Step
from tasks.reading import read
from traces import strict, wording
from traces.kernel import AnswerHandedIn, Chat, ChatMessage, Record, RunFinished, ToolExecuted

WORKING = ("act", "answer")
"""The purposes of model calls in which an agent works or tells what it found."""
_REFUSAL = re.compile(r"\b(I('m| am) (sorry|unable)|I (can't|cannot|won't) (help|assist|do))\b", re.IGNORECASE)
_HELD = HELD_BACK.partition("\n")[0]
_RESULT = "Result of "
_ALIKE = 0.5


class Error(Struct, frozen=True):
    """One error: event `seq` is the model call in which `agent` made it, `step` the reference step that it is about (""
    for none), `label` a key of `mast.LABELS`, `facts` what it got wrong or left out. `lasting`: it did something
    outside the run, which nothing later takes back."""

    seq: int
    agent: str
    step: str
    label: str
    detail: str
    facts: tuple[str, ...] = ()
    lasting: bool = False


class Statement(Struct, frozen=True):
    """Somebody said the value of a fact."""

    seq: int
    agent: str
    fact: str
    value: str
    right: bool


class Found(Struct, frozen=True):
    """What the rules read out of a run. `wrong` are the facts that end wrong, or on which somebody acted while they
    were wrong; `unsaid` those that the answer should say and does not; `right`: fact → the event at which it was last
    said or shown rightly; `undone` the acts that were not done; `statements` and `looks` (reviews) are in order."""

    errors: tuple[Error, ...]
    statements: tuple[Statement, ...]
    wrong: frozenset[str]
    unsaid: frozenset[str]
    right: dict[str, int]
    undone: frozenset[str]
    looks: tuple[Look, ...] = ()


def find(records: Sequence[Record], index: Index) -> Found:
    """Raises nothing for a run that was cut short or that is odd: it is read as far as it goes."""
    reader = _Reader(index)
    reader.read(records)
    answer = next((_answer(r) for r in reversed(records) if _answer(r)), "")
    unsaid = {name for name in index.answer_facts if reader.solution.truths[name] not in answer}
    return Found(
        tuple(sorted(reader.errors, key=lambda error: error.seq)),
        tuple(reader.statements),
        frozenset(reader.wrong | reader.harm),
        frozenset(unsaid),
        reader.right,
        frozenset(step.id for step in reader.solution.acts if step.id not in reader.done and not step.optional),
        tuple(reader.looks),
    )


def _answer(record: Record) -> str:
    event = record.event
    if isinstance(event, RunFinished):
        return event.answer
    return event.content if isinstance(event, AnswerHandedIn) else ""


class _Turn(Struct):
    """A model call at work: what the agent saw and, after it, believes. `final`: it made no call, though it could."""

    seq: int
    chat: Chat
    view: View
    text: str
    final: bool
    beliefs: dict[str, str]


class _Reader:
    """What the agents did, in order. `done`: reference steps that came off; `shown`: agent → fact → the values that
    tools have shown it, in order; `made`, `tried`: agent → its calls that came off, and the steps that it tried, for
    what it was last asked; `ever`: agent → all its calls that came off; `right`: fact → when it was last said or shown
    rightly; `harm`: wrong facts on which somebody acted outside the run."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.solution = Solution(index)
        self.errors: list[Error] = []
        self.statements: list[Statement] = []
        self.looks: list[Look] = []
        self.wrong: set[str] = set()
        self.harm: set[str] = set()
        self.right: dict[str, int] = {}
        self.done: set[str] = set()
        self.shown: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.made: dict[str, list[str]] = defaultdict(list)
        self.ever: dict[str, set[str]] = defaultdict(set)
        self.tried: dict[str, set[str]] = defaultdict(set)
        self.turns: dict[str, _Turn] = {}
        self.asked: dict[tuple[str, str], _Turn] = {}
        self.told: dict[str, str] = {}

    def read(self, records: Sequence[Record]) -> None:
        seen = {record.seq: prompt for record, _, prompt in prompts(records)}
        for record in records:
            event = record.event
            if isinstance(event, ToolExecuted):
                turn = self.asked.get((event.agent, event.call_id), self.turns.get(event.agent))
                if turn is not None and event.effect != "team":
                    self._called(turn, _as_asked(turn.chat, event))
            elif isinstance(event, Chat) and record.seq in seen:
                self._said(record.seq, event, seen[record.seq])

    # --- model calls -------------------------------------------------------------------------------------------

    def _said(self, seq: int, chat: Chat, prompt: Sequence[ChatMessage]) -> None:
        if chat.purpose in WORKING:
            self._worked(seq, chat, prompt)
        elif is_look(chat):
            self._looked(seq, chat, prompt)
        elif chat.purpose == "plan":
            self._planned(seq, chat)
        elif chat.purpose == "sum_up":
            self._summed_up(seq, chat, View(prompt, self.index))

    def _worked(self, seq: int, chat: Chat, prompt: Sequence[ChatMessage]) -> None:
        view = View(prompt, self.index)
        text, final = _reply(chat)
        beliefs = {name: known.value for name, known in view.beliefs.items()}
        for _, result in view.results:  # a colleague's answer comes as a tool's result
            beliefs.update((name, known.value) for name, known in parse(result).notes if name in self.index.producer)
        turn = _Turn(seq, chat, view, text, final and bool(chat.tools or chat.text != text), beliefs)
        self._asked_anew(chat.agent, prompt)
        self.turns[chat.agent] = turn
        self.asked.update({(chat.agent, call.id): turn for call in chat.tool_calls})
        self._stated(turn)
        if not final:
            return
        if _REFUSAL.search(text) and not view.calls and not parse(text).notes:
            self._note(turn, None, "refuses", "declined to work on it")
            return
        if turn.final:
            self._ended(turn)
        if self.errors and self.errors[-1].seq == seq:
            return  # what else is missing in it comes of that
        if self.index.final in view.scope:
            self._answered(turn)
        else:
            self._reported(turn)

    def _asked_anew(self, agent: str, prompt: Sequence[ChatMessage]) -> None:
        """Asked for something new, or held back by its own check, it may well make a call again."""
        asked = [m.content for m in prompt if m.role == "user" and not m.content.startswith(_RESULT)]
        held = sum(m.role == "tool" and m.trusted and m.content.startswith(_HELD) for m in prompt)
        now = f"{held} {len(asked)} {asked[-1] if asked else ''}"
        if self.told.get(agent) != now:
            self.told[agent] = now
            self.made[agent] = []
            self.tried[agent] = set()

    def _stated(self, turn: _Turn) -> None:
        for name, known in parse(turn.text).notes:
            step = self.index.producer.get(name)
            if step is None:
                continue
            right = known.value == _line(self.solution.truths[name])
            if not right and known.value != UNKNOWN:
                self._stated_wrongly(turn, step, name, known.value)
            self._state(turn, name, known.value, right)

    def _stated_wrongly(self, turn: _Turn, step: Step, name: str, value: str) -> None:
        if turn.beliefs.get(name) == value or value in self.shown[turn.chat.agent][name]:
            return  # it was told so, or a tool showed it so: the error is where that came from
        if step.tool is not None:
            how = "its tool showed otherwise" if self.shown[turn.chat.agent][name] else "nothing that it saw says so"
            self._note(turn, step, "says_not_does", f"says that {name} is {value}: {how}", (name,))
        elif self._had_what_it_rests_on(turn, step, name):
            self._note(turn, step, "careless", f"concludes that {name} is {value}", (name,))

    def _had_what_it_rests_on(self, turn: _Turn, step: Step, name: str) -> bool:
        return all(self._known_rightly(turn, given) for given in step.facts[name].given)

    def _known_rightly(self, turn: _Turn, name: str) -> bool:
        """Whether the agent had this fact right; one that it concluded without saying so counts by what it rests on."""
        truth = _line(self.solution.truths[name])
        if name in turn.beliefs:
            return turn.beliefs[name] == truth
        if self.shown[turn.chat.agent].get(name):
            return truth == self.shown[turn.chat.agent][name][-1]
        step = self.index.producer[name]
        return step.tool is None and self._had_what_it_rests_on(turn, step, name)

    def _state(self, turn: _Turn, name: str, value: str, right: bool) -> None:
        turn.beliefs[name] = value
        self.statements.append(Statement(turn.seq, turn.chat.agent, name, value, right))
        (self.wrong.discard if right else self.wrong.add)(name)
        if right:
            self.right[name] = turn.seq

    def _ended(self, turn: _Turn) -> None:
        """It stopped by itself: was anything left that it could have done?"""
        agent = turn.chat.agent
        for step in self.index.steps_in(turn.view.scope):
            known = turn.beliefs.keys() >= step.facts.keys()
            able = any(not turn.chat.tools or way.tool in turn.chat.tools for way in step.ways)
            if able and self._expected(turn, step) and not known and step.id not in self.tried[agent]:
                self._note(turn, step, "ends_early", f"stopped before {step.id}", tuple(step.facts))
                return

    def _expected(self, turn: _Turn, step: Step) -> bool:
        """Whether one with the conclusions of this agent would do it."""
        if step.when is None:
            return not step.optional
        said = self.index.concluded(turn.text)
        held = turn.beliefs.get(step.when.fact) or said.get(step.when.fact)
        return held is not None and step.when.holds(held) and not step.optional

    def _answered(self, turn: _Turn) -> None:
        """What the final answer must say and does not, where its author had what it takes."""
        for step, facts in self.index.answering:
            for name in sorted(facts):
                truth = self.solution.truths[name]
                if truth in turn.text:
                    self._state(turn, name, truth, True)
                elif step.tool is None and name not in turn.beliefs and self._had_what_it_rests_on(turn, step, name):
                    return self._note(
                        turn, step, "careless", f"the answer does not say that {name} is {truth}", (name,)
                    )
                elif step.tool is not None and name not in turn.view.beliefs and self._known_rightly(turn, name):
                    detail = f"its tool showed that {name} is {truth}, the answer does not say so"
                    return self._note(turn, step, "says_not_does", detail, (name,))
        return None

    def _reported(self, turn: _Turn) -> None:
        said = {name for name, _ in parse(turn.text).notes}
        due = [step for step in self.index.steps_in(turn.view.scope) if not step.optional]
        for name in (name for step in due for name in step.facts):
            noted = turn.view.beliefs.get(name)
            shown = self.shown[turn.chat.agent].get(name)
            step = self.index.producer[name]
            value = _line(noted.value) if noted is not None else shown[-1] if shown else UNKNOWN
            if value == UNKNOWN and step.tool is None and self._had_what_it_rests_on(turn, step, name):
                value = _line(self.solution.truths[name])
            if value != UNKNOWN and name not in said and value not in turn.text:
                self._note(turn, step, "withholds", f"does not report {name}, which it had", (name,))
                return

    def _looked(self, seq: int, chat: Chat, prompt: Sequence[ChatMessage]) -> None:
        found = look(seq, chat, prompt, self.index)
        if found is None:
            return
        self.looks.append(found)
        missed = [name for name in found.wrong if name not in found.named]
        if missed and (found.passed or found.named):
            step = self._step_of(missed[0])
            detail = f"overlooked that {', '.join(missed)} is not right"
            self.errors.append(Error(seq, chat.agent, step, "incomplete_check", detail, tuple(missed)))
        elif found.false_alarm:
            detail = f"found fault with {', '.join(found.named) or 'what is right'}, which is right"
            named = self._step_of(found.named[0]) if found.named else ""
            self.errors.append(Error(seq, chat.agent, named, "wrong_check", detail, found.named))

    def _step_of(self, name: str) -> str:
        return self.index.producer[name].id if name in self.index.producer else name if name in self.index.steps else ""

    def _planned(self, seq: int, chat: Chat) -> None:
        """A plan in the case's own subtasks: is one left out, or the need for its result? A plan that cuts the job in
        another way cannot be judged so."""
        planned = {t["id"]: t for t in _subtasks(chat.text)}
        subtasks = self.index.subtasks
        if not planned or not planned.keys() <= subtasks.keys():
            return
        for name, subtask in subtasks.items():
            facts = tuple(self.index.facts_about(name))
            if name not in planned:
                detail = f"left the subtask {name} out of the plan"
                self.errors.append(Error(seq, chat.agent, "", "disobeys_task", detail, facts))
            for need in subtask.needs if name in planned else ():
                needs = planned[name].get("needs")
                if need in planned and isinstance(needs, list) and need not in needs:
                    detail = f"the plan forgot that {name} needs {need}"
                    needed = tuple(self.index.facts_about(need))
                    self.errors.append(Error(seq, chat.agent, "", "ignores", detail, needed))

    def _summed_up(self, seq: int, chat: Chat, view: View) -> None:
        lost = [name for name, known in view.beliefs.items() if known.value not in chat.text]
        if lost:
            detail = f"left {', '.join(lost)} out of its summary"
            self.errors.append(Error(seq, chat.agent, self._step_of(lost[0]), "loses_history", detail, tuple(lost)))

    # --- tool calls --------------------------------------------------------------------------------------------

    def _called(self, turn: _Turn, call: ToolExecuted) -> None:
        served = [s for s in self.index.steps.values() if self.solution.serves(s, call) and self._shows(s, call)]
        self._judge(turn, call, served)
        if call.ok:
            self.made[call.agent].append(_key(call))
            self.ever[call.agent].add(_key(call))
        for step in served:
            self.tried[call.agent].add(step.id)
            if call.ok or skill_of(step) != "act":
                self.done.add(step.id)
                self.right.update(dict.fromkeys(step.facts, turn.seq))
        if call.ok:
            for step in self.index.steps.values():
                if uses_tool(step, call.tool):
                    for name, known in read(step, call.result).items():
                        self.shown[call.agent][name].append(_line(known.value))

    def _shows(self, step: Step, call: ToolExecuted) -> bool:
        """Whether a look-up shows the facts as they are to be said, to the digit."""
        found = read(step, call.result) if skill_of(step) != "act" else {}
        return all(_line(known.value) == _line(self.solution.truths[name]) for name, known in found.items())

    def _judge(self, turn: _Turn, call: ToolExecuted, served: list[Step]) -> None:
        lasting = call.ok and call.effect == "outside"
        left = self._left(turn)
        open_ = [step for step in left if uses_tool(step, call.tool)]
        useful = [step for step in served if step in left or step.id not in self.done]
        faithful = next((step for step in open_ if self._faithful(turn, step, call)), None)
        due = faithful or next(iter(open_ or left), None)
        if due is not None and not served:
            self.tried[call.agent].add(due.id)
        made = self.made[call.agent]
        if faithful is not None and lasting and not served:
            self.harm |= self._wrongly_believed(turn, faithful)
        if turn.chat.tools and call.tool not in turn.chat.tools:
            self._note(turn, due, "disobeys_role", f"has no tool {call.tool}")
        elif _key(call) in made and (useful or faithful is None):
            label = "resets" if _key(call) == made[0] and made[0] != made[-1] else "repeats"
            self._note(turn, due, label, f"made the same call of {call.tool} before", lasting=lasting)
        elif lasting and not any(uses_tool(step, call.tool) for step in self.solution.acts):
            self._note(turn, None, "oversteps", f"called {call.tool}, which the job does not want", lasting=lasting)
        elif not left and not useful:
            self._note(turn, None, "unaware_of_end", f"called {call.tool} when nothing was left to do", lasting=lasting)
        elif useful or faithful is not None:
            return  # as it should be, given what the agent was told
        elif not open_ or self._aside(open_, call):
            if _key(call) in self.ever[call.agent]:
                self._note(turn, due, "repeats", f"made the same call of {call.tool} before", lasting=lasting)
            else:
                self._note(turn, due, "derails", f"called {call.tool} for something else", lasting=lasting)
        else:
            detail = f"called {call.tool} with other arguments than the step needs"
            self._note(turn, open_[0], "careless", detail, lasting=lasting)

    def _left(self, turn: _Turn) -> list[Step]:
        """The steps at hand whose facts the agent does not have yet, those that they rest on among them."""
        wanted = list(self.index.steps_in(turn.view.scope))
        if self.index.final in turn.view.scope:
            wanted += [step for step, _ in self.index.answering if step not in wanted]
        for step in wanted:
            wanted += [p for n in self.index.needs[step.id] if (p := self.index.producer[n]) not in wanted]
        order = list(self.index.steps)
        found = [s for s in wanted if not turn.beliefs.keys() >= s.facts.keys() or self._act_left(turn, s)]
        return sorted(found, key=lambda step: order.index(step.id))

    def _act_left(self, turn: _Turn, step: Step) -> bool:
        return (
            skill_of(step) == "act"
            and step.id not in self.done
            and any(way.tool in turn.chat.tools for way in step.ways)
        )

    def _faithful(self, turn: _Turn, step: Step, call: ToolExecuted) -> bool:
        """Whether it is a call that does the step, with what the agent believes, be that wrong."""
        return follows(step, call, turn.beliefs)

    def _wrongly_believed(self, turn: _Turn, step: Step) -> set[str]:
        """The wrong facts that a step was done with, and those that they rest on."""
        found: set[str] = set()
        todo = list(self.index.needs[step.id])
        while todo:
            name = todo.pop()
            if name not in found and turn.beliefs.get(name) != _line(self.solution.truths[name]):
                found.add(name)
                todo += self.index.needs[self.index.producer[name].id]
        return found

    def _aside(self, steps: list[Step], call: ToolExecuted) -> bool:
        """Whether a search looks for something else than any of the steps, a tempting one included."""
        if skill_of(steps[0]) != "retrieve":
            return False
        words = _words(call.arguments)
        return all(len(words & _words(args)) < _ALIKE * len(words) for step in steps for args in _variants(step))

    def _note(
        self,
        turn: _Turn,
        step: Step | None,
        label: str,
        detail: str,
        facts: tuple[str, ...] = (),
        lasting: bool = False,
    ) -> None:
        about = facts or (tuple(step.facts) if step is not None else ())
        self.errors.append(Error(turn.seq, turn.chat.agent, step.id if step else "", label, detail, about, lasting))


def _as_asked(chat: Chat, call: ToolExecuted) -> ToolExecuted:
    """A refused call has no arguments in the trace: those that the model asked with."""
    asked = next((c for c in chat.tool_calls if c.id == call.call_id), None)
    if call.ok or call.arguments or asked is None:
        return call
    return structs.replace(call, arguments=arguments_of(asked) or {})


def _variants(step: Step) -> Iterator[dict[str, Any]]:
    yield from (way.args for way in step.ways)
    if step.tempting is not None:
        yield {**step.args, **step.tempting.args}


def _words(arguments: dict[str, Any]) -> set[str]:
    return set().union(*(wording.words(str(value)) for value in arguments.values()))


def _line(value: str) -> str:
    """A value as a note shows it, which ends with the line."""
    return value.partition("\n")[0]


def _key(call: ToolExecuted) -> str:
    return call.tool + json.dumps(call.arguments, sort_keys=True, default=str)


def _subtasks(text: str) -> list[dict[str, Any]]:
    try:
        said = strict.loads(text)
    except ValueError:
        return []
    tasks = said.get("subtasks") if isinstance(said, dict) else None
    return [t for t in tasks if isinstance(t, dict) and isinstance(t.get("id"), str)] if isinstance(tasks, list) else []


def _reply(chat: Chat) -> tuple[str, bool]:
    """What it said, and whether it made no call; a reply in the form of a JSON action is taken apart."""
    try:
        whole = strict.loads(chat.text) if chat.text.startswith("{") else None
    except ValueError:
        whole = None
    if not isinstance(whole, dict):
        return chat.text, not chat.tool_calls
    action = whole["next"] if isinstance(whole.get("next"), dict) else whole
    text = "\n".join(str(part) for part in (whole.get("thought"), action.get("answer")) if part)
    return text or chat.text, action.get("action") in (None, "finish") and not chat.tool_calls
