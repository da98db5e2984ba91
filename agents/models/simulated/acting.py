"""How a simulated model acts: read what came back, note it, take the next step of the plan, report when done."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from agents.models.model import Request
from agents.models.simulated import noise, passing
from agents.models.simulated.difficulty import Difficulty
from agents.models.simulated.index import Index, skill_of
from agents.models.simulated.passing import UNKNOWN
from agents.models.simulated.profile import Mode, Profile
from agents.models.simulated.view import View, note, parse
from tasks import templates
from tasks.case import Fact, Step
from tasks.reading import Known, arguments_for, read
from traces.kernel import Fault, ToolCall

TRIES = 3
OVERSTEPS = "oversteps"
"""An act that must not be made: the error, and the difficulty to see it."""
DELEGATE = "delegate_work_to_coworker"
"""CrewAI's tool by which a manager has work done."""
_NOT_KNOWN = Known(UNKNOWN)


@dataclass
class Draft:
    """A reply in the making."""

    lines: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    fault: Fault | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Actor:
    """One decision: `act()` turns a view into a draft. An instance is used once. `luck`: a number from 0 to 1 for each
    name, the same whenever this agent asks in this trial."""

    def __init__(
        self,
        request: Request,
        view: View,
        profile: Profile,
        difficulty: Difficulty,
        rng: random.Random,
        luck: Callable[[str], float],
    ) -> None:
        self.view, self.profile, self.difficulty, self.rng, self._luck = view, profile, difficulty, rng, luck
        self.index: Index = view.index
        self.tools: dict[str, dict[str, Any]] = {spec["function"]["name"]: spec["function"] for spec in request.tools}
        self.tokens = view.tokens
        self.draft = Draft()
        self._stood_firm: set[str] = set()

    def act(self) -> Draft:
        self._read_results()
        self._weigh_peers()
        if DELEGATE in self.tools:
            return self._delegate()
        blocked: set[str] = set()
        while True:
            step = self._next(blocked)
            step = step and self._way(step)
            if step is None:
                return self._ask_person() or self._finish()
            if self._can_ask(step):
                return self._ask(step)
            if step.tool is None:
                self._conclude(step)
            elif step.tool in self.tools and self.view.attempts.get(step.id, 0) < TRIES:
                return self._call(step)
            elif step.tool not in self.tools and self._colleague_for(step):
                return self._hand_over(step)
            else:
                blocked.add(step.id)
                self._give_up(step)

    # --- reading -----------------------------------------------------------------------------------------------

    def _read_results(self) -> None:
        for call, result in self.view.results:
            if call.name in ("ask_colleague", DELEGATE):
                self._hear(result)
            step = self.index.every.get(call.id.rpartition(".")[0])
            if step is None:
                continue
            step = self._way(step)
            shown = read(step, result)
            if shown.keys() != step.facts.keys() and self._takes_for_right(step, call):
                self._mistake(step, [name for name in step.facts if name not in shown])
            for name, known in shown.items():
                if self.draft.fault is None and self._strikes(step, ("says_not_does",), share=0.2):
                    known = Known(noise.wrong_fact(step, name, self.rng), known.source)
                    self.draft.fault = Fault("says_not_does", step.id, f"misread {name}")
                self._note(name, known)

    def _takes_for_right(self, step: Step, call: ToolCall) -> bool:
        """Whether the result of a wrong call of its own looks to it like that of the right one."""
        if skill_of(step) == "act" or step.tool not in self.tools:
            return False
        if msgspec.json.decode(call.arguments) == self._arguments(step):
            return False
        seen = self.difficulty.notices(1 - self.profile.looks_right, step.id, self.profile.error[skill_of(step)])
        return self.rng.random() >= seen

    def _mistake(self, step: Step, names: list[str]) -> None:
        """Read out of such a result what a careless agent believes."""
        for name in names:
            self._note(name, Known(noise.wrong_fact(step, name, self.rng)))
        if self.draft.fault is None:
            self.draft.fault = Fault("says_not_does", step.id, f"took a wrong result for {', '.join(names)}")

    def _hear(self, told: str) -> None:
        """Take over what a colleague knows."""
        for name, known in parse(told).notes:
            if name in self.index.finder and known.value != UNKNOWN:
                self._note(name, known)

    def _weigh_peers(self) -> None:
        """Hold its own values against those of its peers, roots first; now and then it takes over theirs."""
        if not self.view.peers:
            return
        for name, step in self.index.producer.items():
            own = self.view.beliefs.get(name) or self.view.disputed.get(name)
            if own is None or skill_of(step) == "act":
                continue
            theirs = [peer[name] for peer in self.view.peers if name in peer and peer[name].value != UNKNOWN]
            votes = Counter(known.value for known in theirs)
            against = 1 + votes.pop(own.value, 0)
            value, number = max(votes.items(), key=lambda vote: vote[1], default=("", 0))
            if number < against:
                continue
            self._stood_firm.add(name)
            rate = self.profile.yields.more if number > against else self.profile.yields.one
            if self.rng.random() < self.difficulty.error(rate, step.id):
                if own.value == self.index.truth(name) and self.draft.fault is None:
                    self.draft.fault = Fault("yields", step.id, f"took over {value} for {name}")
                self._note(name, next(known for known in theirs if known.value == value))

    def _talked_out(self, step: Step) -> bool:
        """Whether it gives up what it was right in, since somebody found fault with it."""
        held = [name for name in step.facts if name in self.view.disputed and name not in self._stood_firm]
        right = any(self.view.disputed[name].value == self.index.truth(name) for name in held)
        return right and self.rng.random() < self.difficulty.error(self.profile.yields.one, step.id)

    def _note(self, name: str, known: Known) -> None:
        self.view.believe(name, known)
        self.draft.lines.append(note(name, known))

    # --- choosing ----------------------------------------------------------------------------------------------

    def _next(self, blocked: set[str]) -> Step | None:
        """The first step at hand that is not done, or the one that must be done before it."""
        for step in self.index.all_in(self.view.scope):
            if step.id not in blocked and not self._done(step) and self._wants(step):
                return self._first_needed(self._way(step), blocked)
        return self._missing_for_answer(blocked)

    def _wants(self, step: Step) -> bool:
        """Whether it means to do it: what is optional now and then, what hangs on a condition as far as it believes in
        that, or does not know."""
        if step.optional and self._luck(f"{step.id} is optional") < 0.5:
            return False
        believed = self.view.beliefs.get(step.when.fact) if step.when is not None else None
        if step.when is None or believed is None:
            return True
        return believed.value != UNKNOWN and step.when.holds(believed.value)

    def _way(self, step: Step) -> Step:
        """The step as the call by which it does it, one of those for which it has the tool."""
        able = [way for way in self.index.ways[step.id] if way.tool in self.tools]
        return able[int(self._luck(f"{step.id} by") * len(able))] if len(able) > 1 else able[0] if able else step

    def _missing_for_answer(self, blocked: set[str]) -> Step | None:
        """What the final answer must say, and nobody has told."""
        if self.index.final not in self.view.scope:
            return None
        for step, facts in self.index.answering:
            due = not self.view.beliefs.keys() >= facts
            if not due or step.id in blocked:
                continue
            if self._can_ask(step) or (skill_of(step) != "act" and self._sees_to(step)):
                return self._first_needed(step, blocked)
            if skill_of(step) != "act":
                self._do_without(step)
        return None

    def _done(self, step: Step) -> bool:
        """Whether its facts are known; what could not be done before, for want of the tool, is not."""
        if skill_of(step) == "act" and step.tool in self.tools and step.id not in self.view.attempts:
            return all(str(self.view.beliefs.get(name, UNKNOWN)) != UNKNOWN for name in step.facts)
        return self.view.beliefs.keys() >= step.facts.keys()

    def _first_needed(self, step: Step, blocked: set[str]) -> Step:
        for name in self._needs(step):
            if name not in self.view.beliefs:
                producer = self._way(self.index.finder[name])
                if self._can_ask(producer):
                    return producer
                if producer.id in blocked or skill_of(producer) == "act":
                    self._give_up(producer)
                elif self._sees_to(producer):
                    return self._first_needed(producer, blocked)
                else:
                    self._do_without(producer)
        return step

    def _needs(self, step: Step) -> Sequence[str]:
        """What it takes, what its condition is about first."""
        one_way = len(self.index.ways[step.id]) == 1
        needs = self.index.needs[step.id] if one_way else sorted(step.uses)
        return needs if step.when is None else [step.when.fact, *(name for name in needs if name != step.when.fact)]

    def _sees_to(self, step: Step) -> bool:
        """Whether it knows that this is needed, and how to find it out: what is of its own part, and of the rest what
        it works out by itself. Who has the whole job made the plan of it."""
        if self.view.whole or self.index.subtask_of[step.id] in self.view.scope:
            return True
        return self._luck(step.id) >= self.difficulty.error(1 - self.profile.handover.unaided, step.id)

    def _do_without(self, step: Step) -> None:
        if self.draft.fault is None:
            self.draft.fault = Fault("doesnt_ask", step.id, f"did without {', '.join(step.facts)}")
        self._give_up(step)

    def _give_up(self, step: Step) -> None:
        """What cannot be found out here is recalled, if it was public when the model was trained; else it is said to be
        unknown, not made up."""
        for name, fact in step.facts.items():
            if name not in self.view.beliefs:
                self._note(name, Known(self._recall(step, name) if self._was_trained_on(fact) else UNKNOWN))

    def _was_trained_on(self, fact: Fact) -> bool:
        return bool(fact.public and self.profile.cutoff and fact.public <= self.profile.cutoff)

    def _recall(self, step: Step, name: str) -> str:
        mode = None if self.draft.fault else self._strikes(step, ("says_not_does",))
        if mode is None:
            return step.facts[name].value
        self.draft.fault = Fault(mode, step.id, f"misremembered {name}")
        return noise.wrong_fact(step, name, self.rng)

    # --- asking others -----------------------------------------------------------------------------------------

    def _can_ask(self, step: Step) -> bool:
        """Whether a colleague did this, and has not been asked yet."""
        if "ask_colleague" not in self.tools:
            return False
        subtask = self.index.subtask_of[step.id]
        return subtask in self.view.holders and f"ask_{subtask}" not in self.view.attempts

    def _ask(self, step: Step) -> Draft:
        subtask = self.index.subtask_of[step.id]
        question = f"[subtask: {subtask}] What did you find?"
        arguments = {"colleague": self.view.holders[subtask], "question": question}
        return self._emit("ask_colleague", arguments, f"ask_{subtask}")

    def _delegate(self) -> Draft:
        """Give the next subtask to a coworker with what is known; the last one's result is the answer."""
        attempts = self.view.attempts
        subtask = next((s for s in self.index.subtasks.values() if f"delegate_{s.id}" not in attempts), None)
        if subtask is None:
            last = [result for call, result in self.view.results if call.id.startswith(f"delegate_{self.index.final}.")]
            self.draft.lines = [last[-1] if last else self._answer()]
            return self.draft
        names = re.findall(rf"{subtask.role}-\d+", self.tools[DELEGATE]["description"])
        turn = sum(1 for name in attempts if name.startswith("delegate_"))
        arguments = {
            "coworker": names[turn % len(names)] if names else subtask.role,
            "task": f"\n[subtask: {subtask.id}] {subtask.goal}",
            "context": self._passed_on(self.view.beliefs) or "none",
        }
        return self._emit(DELEGATE, arguments, f"delegate_{subtask.id}")

    def _colleague_for(self, step: Step) -> str | None:
        """The tool that hands over to a colleague of the role that the step takes, if it was not used for it yet."""
        if not self.tools or f"handoff_{step.id}" in self.view.attempts:
            return None
        tool = f"transfer_to_{self.index.subtasks[self.index.subtask_of[step.id]].role}"
        return next((name for name in self.tools if name.startswith(tool)), None)

    def _hand_over(self, step: Step) -> Draft:
        report = self._passed_on(self.view.beliefs) or "Nothing found yet."
        tool = self._colleague_for(step)
        assert tool is not None
        return self._emit(tool, {"report": report}, f"handoff_{step.id}")

    def _ask_person(self) -> Draft | None:
        """Ask a person about what it could not find out, once."""
        if "ask_person" not in self.tools or "ask_person" in self.view.attempts:
            return None
        beliefs, wanted = self.view.beliefs, self.index.answer_facts
        open_ = [name for name, known in beliefs.items() if known.value == UNKNOWN and name in wanted]
        question = f"I could not find out: {', '.join(open_)}. What is right?"
        return self._emit("ask_person", {"question": question}, "ask_person") if open_ else None

    # --- doing -------------------------------------------------------------------------------------------------

    def _strikes(self, step: Step, modes: tuple[Mode, ...], share: float = 1.0) -> Mode | None:
        tempted = step.tempting.likelihood if step.tempting is not None and step.tempting.act is None else 1.0
        rate = min(0.95, share * tempted * self.profile.error_rate(skill_of(step), self.tokens, len(self.tools)))
        return noise.strike(self.profile, self.difficulty.error(rate, step.id), modes, self.rng)

    def _conclude(self, step: Step) -> None:
        beliefs = self.view.beliefs
        mode = None if self.draft.fault else self._strikes(step, ("disobeys_task", "ignores", "says_not_does"))
        out = mode is None and self._talked_out(step)
        for name, fact in step.facts.items():
            misled = any(g in self.index.producer and str(beliefs[g]) != self.index.truth(g) for g in fact.given)
            value = noise.wrong_fact(step, name, self.rng) if mode or out or misled else fact.value
            sources = [beliefs[g].source for g in fact.given if beliefs[g].source]
            self._note(name, Known(value, sources[0] if sources else ""))
        if mode:
            self.draft.fault = Fault(mode, step.id, f"concluded {', '.join(step.facts)} wrongly")
        elif out and self.draft.fault is None:
            self.draft.fault = Fault("yields", step.id, f"was talked out of {', '.join(step.facts)}")

    def _call(self, step: Step) -> Draft:
        assert step.tool is not None
        mode = None if self.draft.fault else self._strikes(step, self._modes_at(step))
        if mode == "ends_early":
            self.draft.fault = Fault(mode, step.id, "stopped before the work was done")
            return self._finish(early=True)
        tool, arguments, name = step.tool, self._arguments(step), step.id
        if mode in ("repeats_step", "loses_history", "resets"):
            call = self.view.calls[0 if mode == "resets" else -1]
            tool, arguments = call.name, msgspec.json.decode(call.arguments)
            name = call.id.rpartition(".")[0]
        elif mode == "derails":
            tool, arguments, name = "search", {"query": f"background of {self.index.case.title}"}, "aside"
        elif mode == "disobeys_role":
            tool, name = f"{step.tool}_as_admin", "aside"
        elif mode:
            arguments = self._careless(step, arguments)
        if mode:
            self.draft.fault = Fault(mode, step.id, f"called {tool} instead of the step as it should be")
        return self._emit(tool, arguments, name)

    def _modes_at(self, step: Step) -> tuple[Mode, ...]:
        modes: list[Mode] = ["disobeys_task", "says_not_does", "disobeys_role", "ends_early"]
        if self.view.calls:
            modes += ["repeats_step", "loses_history", "resets"]
        if "search" in self.tools:
            modes.append("derails")
        needs = self.index.needs[step.id]
        if not self.view.own.issuperset(needs):
            modes.append("ignores")
        if any(str(self.view.beliefs.get(name)) == UNKNOWN for name in needs):
            modes.append("doesnt_ask")
        return tuple(modes)

    def _arguments(self, step: Step) -> dict[str, Any]:
        assert step.tool is not None
        return arguments_for(step.args, self.view.beliefs, self.tools[step.tool]["parameters"])

    def _careless(self, step: Step, arguments: dict[str, Any]) -> dict[str, Any]:
        assert step.tool is not None
        if step.tempting is not None and step.tempting.args:
            tempting = {**step.args, **step.tempting.args}
            return arguments_for(tempting, self.view.beliefs, self.tools[step.tool]["parameters"])
        return noise.wrong_arguments(arguments, self.rng)

    def _emit(self, tool: str, arguments: dict[str, Any], name: str) -> Draft:
        attempt = self.view.attempts.get(name, 0) + 1
        goal = self.index.subtasks[self.index.subtask_of[name]].goal if name in self.index.subtask_of else "look around"
        self.draft.lines.append(f"Next: {goal}" if attempt == 1 else f"Once more: {goal}")
        self.draft.calls.append(ToolCall(f"{name}.{attempt}", tool, msgspec.json.encode(arguments).decode()))
        return self.draft

    # --- reporting ---------------------------------------------------------------------------------------------

    def _oversteps(self) -> Draft | None:
        """Make an act that must not be made: it is tempted to, or believes what it would follow from."""
        for step in self.index.steps_in(self.view.scope):
            act = step.tempting.act if step.tempting is not None else None
            if act is None or act.tool not in self.tools or f"{OVERSTEPS}_{step.id}" in self.view.attempts:
                continue
            rate = self.profile.commission * step.tempting.likelihood if step.tempting is not None else 0.0
            led = any(str(self.view.beliefs.get(n, f.value)) not in (f.value, UNKNOWN) for n, f in step.facts.items())
            if not led and self.rng.random() >= self.difficulty.error(min(0.95, rate), OVERSTEPS):
                continue
            if not led and self.draft.fault is None:
                self.draft.fault = Fault(OVERSTEPS, step.id, f"called {act.tool}, which must not be done")
            arguments = arguments_for(act.args, self.view.beliefs, self.tools[act.tool]["parameters"])
            return self._emit(act.tool, arguments, f"{OVERSTEPS}_{step.id}")
        return None

    def _finish(self, *, early: bool = False) -> Draft:
        if not early and (overstep := self._oversteps()) is not None:
            return overstep
        if not early and not self.draft.fault and self.tools and "search" in self.tools:
            last = next(reversed(self.index.steps.values()), None)
            if last is not None and self._strikes(last, ("unaware_of_end",), share=0.3):
                self.draft.fault = Fault("unaware_of_end", last.id, "went on after the end")
                return self._emit("search", {"query": f"more about {self.index.case.title}"}, "aside")
        if self.index.final in self.view.scope:
            self.draft.lines = [self._answer()]
        else:
            self.draft.lines = self._report()
        return self.draft

    def _report(self) -> list[str]:
        names = [n for step in self.index.all_in(self.view.scope) for n in step.facts if n in self.view.beliefs]
        return [self._passed_on(names) or "Nothing found."]

    def _passed_on(self, names: Iterable[str]) -> str:
        lines, fault = passing.notes(names, self.view, self.profile, self.difficulty, self.rng)
        self.draft.fault = self.draft.fault or fault
        return "\n".join(lines)

    def _answer(self) -> str:
        facts = {name: self.view.beliefs.get(name, _NOT_KNOWN) for name in self.index.answer_facts}
        return str(templates.fill(self.index.case.answer, facts)).strip()
