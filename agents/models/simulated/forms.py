"""How a simulated model fills in the forms that it is asked for: a plan, a review, a decision, a bid."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Any

from agents.models.simulated.acting import OVERSTEPS
from agents.models.simulated.difficulty import Difficulty
from agents.models.simulated.index import Index, skill_of
from agents.models.simulated.passing import UNKNOWN
from agents.models.simulated.profile import Profile
from agents.models.simulated.view import View, note, parse
from tasks import templates
from tasks.case import Subtask
from tasks.reading import Known
from traces.kernel import Fault

Filled = tuple[dict[str, Any], Fault | None]

TOKENS_PER_STEP = 900
_CHOICE = re.compile(r"select the next role from \[([^\]]*)\]")
PROPOSED = "nothing of it has been done yet"
_CANDIDATE = re.compile(r"^\[candidate: \d+\]$", re.MULTILINE)


def plan(view: View, profile: Profile, difficulty: Difficulty, rng: random.Random) -> Filled:
    """The case's subtasks; an error leaves one out, or forgets what one needs."""
    subtasks = [
        {"id": s.id, "goal": s.goal, "role": s.role, "needs": list(s.needs)} for s in view.index.subtasks.values()
    ]
    if len(subtasks) < 2 or rng.random() >= difficulty.error(profile.plan_error, "plan"):
        return {"subtasks": subtasks}, None
    victim = rng.randrange(len(subtasks) - 1)
    name = str(subtasks[victim]["id"])
    if rng.random() < 0.5:
        del subtasks[victim]
        for subtask in subtasks:
            subtask["needs"] = [need for need in subtask["needs"] if need != name]
        return {"subtasks": subtasks}, Fault("disobeys_task", name, "left a subtask out of the plan")
    for subtask in subtasks[:-1]:
        subtask["needs"] = [need for need in subtask["needs"] if need != name]
    return {"subtasks": subtasks}, Fault("ignores", name, "forgot who needs the result of this subtask")


def review(view: View, profile: Profile, difficulty: Difficulty, rng: random.Random) -> Filled:
    """What is wrong in the work at hand, as far as it notices: better in others' work than in its own, and better
    with the right value in sight."""
    delivered = "Delivered:\n" in view.messages[-1].content
    own = not delivered and any(message.role == "assistant" for message in view.messages)
    chance = profile.check.own if own else profile.check.other
    wrong = wrong_in(view)
    problems, missed = [], []
    for name, reason in wrong:
        sighted = name in view.index.steps or name == OVERSTEPS or view.in_sight(view.index.truth(name))
        if rng.random() < _notices(view, profile, difficulty, name, chance * (1.0 if sighted else profile.check.blind)):
            problems.append({"about": name, "reason": reason})
        else:
            missed.append(name)
    able = sorted(n for n in view.beliefs if skill_of(view.index.finder[n]) != "act")
    if able and not wrong:
        name = rng.choice(able)
        if rng.random() < difficulty.error(profile.check.false_alarm, view.index.finder[name].id):
            problems.append({"about": name, "reason": "does not look right"})
            return {"ok": False, "problems": problems}, Fault("wrong_check", name, "found fault with what is right")
    fault = Fault("incomplete_check", missed[0], f"overlooked {', '.join(missed)}") if missed else None
    return {"ok": not problems, "problems": problems}, fault


def _notices(view: View, profile: Profile, difficulty: Difficulty, name: str, chance: float) -> float:
    """The chance to see that this fact, or this step, is wrong; the same blind spots as an author of the same model."""
    if name == OVERSTEPS:
        return difficulty.notices(chance, OVERSTEPS, profile.commission)
    step = view.index.every.get(name) or view.index.finder[name]
    return difficulty.notices(chance, step.id, profile.error[skill_of(step)])


def wrong_in(view: View) -> list[tuple[str, str]]:
    """Facts that are wrong or missing in the work at hand, roots before what rests on them."""
    index = view.index
    text = view.messages[-1].content
    pending = "about to call" in text
    complete = index.final in view.scope and not pending
    delivered, due, beliefs = _delivered(view), _facts_due(view), _at_issue(view)
    found: dict[str, str] = {}
    for step in index.steps.values():
        if PROPOSED in text and skill_of(step) == "act":
            continue
        for name, fact in step.facts.items():
            belief = beliefs.get(name)
            if belief is not None and belief.value != fact.value:
                found[name] = "is not known" if belief.value == UNKNOWN else f"{belief.value} does not follow"
            elif complete and name in index.answer_facts and fact.value not in delivered:
                found[name] = "is wrong or missing in the answer"
            elif name in due and belief is None:
                found[name] = "is missing"
    for name in (name for name in beliefs if name not in index.producer):
        found[name] = "is not to be done here"
    if pending:
        found.update(_wrong_call(index, text))
    return [(n, r) for n, r in found.items() if not any(n in index.rests_on(o) for o in found if o != n)]


def _at_issue(view: View) -> dict[str, Known]:
    """What is claimed: in a delivery that it is shown, or by itself."""
    text = view.messages[-1].content
    if "Delivered:\n" not in text:
        return view.beliefs
    return {name: known for name, known in parse(text).notes if name in view.index.finder}


def _wrong_call(index: Index, text: str) -> dict[str, str]:
    """The acting steps with this tool, unless the call that is about to be made is one of them as it should be; where
    the solution has none, it oversteps."""
    truths = {name: Known(index.truth(name)) for name in index.producer}
    able = [s for s in index.steps.values() if skill_of(s) == "act"]
    acts = [way for s in able for way in index.ways[s.id] if way.tool and f"call {way.tool}(" in text]
    if any(_says_all(templates.fill(step.args, truths).values(), text) for step in acts):
        return {}
    if not acts:
        return {OVERSTEPS: "nothing of that kind is to be done"}
    return {step.id: "the call does not say what was worked out" for step in acts}


def _says_all(values: Iterable[Any], text: str) -> bool:
    """Whether a call's text has every number and every short word of a step's arguments."""
    shown = [f"{float(v):g}" if str(v).replace(".", "", 1).isdigit() else str(v) for v in values]
    return all(value in text for value in shown if len(value) < 40)


def _facts_due(view: View) -> set[str]:
    """What a delivery that is not the final answer must report."""
    if view.index.final in view.scope:
        return set()
    return {name for step in view.index.steps_in(view.scope) if not step.optional for name in step.facts}


def _delivered(view: View) -> str:
    """The text under review: after "Delivered:" in somebody else's words, or its own last reply."""
    text = view.messages[-1].content
    if "Delivered:\n" in text:
        return text.partition("Delivered:\n")[2].partition("\n\nIt rests on:")[0]
    return next((m.content for m in reversed(view.messages) if m.role == "assistant"), text)


def decide(view: View, profile: Profile, difficulty: Difficulty, rng: random.Random) -> Filled:
    """Done, unless the review names a problem or a finding is missing that it notices is missing."""
    index = view.index
    last = parse(view.messages[-1].content)
    redo = []
    for name in last.problems:
        redo += [
            {"subtask": _subtask_of(view, fact), "about": fact, "reason": "the review found fault with it"}
            for fact in index.facts_about(name)[:1]
        ]
    reported = {name for name, known in last.notes if known.value != UNKNOWN}
    named = {item["about"] for item in redo}
    for name, step in index.producer.items():
        due = (
            not step.optional
            and name not in reported
            and index.subtask_of[step.id] != index.final
            and name not in named
        )
        if due and rng.random() < _notices(view, profile, difficulty, name, profile.check.other):
            redo.append({"subtask": _subtask_of(view, name), "about": name, "reason": "nobody has found this out"})
    return {"done": not redo, "answer": "", "redo": redo}, None


def _subtask_of(view: View, fact: str) -> str:
    """The subtask that finds it out; the final one where the plan at hand does not have that."""
    subtask = view.index.subtask_of[view.index.finder[fact].id]
    planned = any(f"[report: {subtask}]" in message.content for message in view.messages)
    return subtask if planned else view.index.final


def bid(view: View, profile: Profile, difficulty: Difficulty, rng: random.Random) -> Filled:
    """What it expects to use, from the number of steps, and how sure it is, from its skill at them."""
    steps = view.index.steps_in(view.scope)
    rate = 1.0
    for step in steps:
        rate *= 1 - profile.error[skill_of(step)]
    price = TOKENS_PER_STEP * (1 + len(steps)) * rng.uniform(0.8, 1.2)
    return {"take": True, "price": round(price), "confidence": round(rate * rng.uniform(0.9, 1.0), 3)}, None


def ballot(view: View, profile: Profile, difficulty: Difficulty, rng: random.Random) -> Filled:
    """The first candidate in which it notices nothing wrong; the first of all where it finds fault with each."""
    candidates = _CANDIDATE.split(view.messages[-1].content)[1:]
    wrong = [_seems_wrong(view, text, profile, difficulty, rng) for text in candidates]
    choice = next((number for number, found in enumerate(wrong, 1) if not found), 1)
    return {"choice": choice, "reason": "nothing in it looks wrong" if not all(wrong) else "none looks right"}, None


def _seems_wrong(view: View, text: str, profile: Profile, difficulty: Difficulty, rng: random.Random) -> bool:
    index = view.index
    stated = dict(parse(text).notes)
    answer = text.partition("\n\nIt rests on:")[0]
    about = {name for name in index.producer if skill_of(index.producer[name]) != "act"}
    false = {name for name in about & stated.keys() if stated[name].value != index.truth(name)}
    missing = {name for name in about & index.answer_facts if index.truth(name) not in answer}
    if not false | missing:
        return rng.random() < difficulty.error(profile.check.false_alarm, next(reversed(index.steps), "plan"))
    sighted = any(view.in_sight(index.truth(name)) for name in false | missing)
    chance = profile.check.other * (1.0 if sighted else profile.check.blind)
    return rng.random() < max(_notices(view, profile, difficulty, name, chance) for name in false | missing)


def summary(view: View, profile: Profile, difficulty: Difficulty, rng: random.Random) -> Filled:
    """What it believes, a line each; now and then one is lost."""
    names = list(view.beliefs)
    lost = [n for n in names if rng.random() < profile.mix.get("loses_history", 0) / 100]
    fault = Fault("loses_history", view.index.finder[lost[0]].id, f"left {', '.join(lost)} out") if lost else None
    notes = [note(name, view.beliefs[name]) for name in names if name not in lost]
    return {"notes": notes or ["nothing yet"]}, fault


def selection(view: View, profile: Profile, difficulty: Difficulty, rng: random.Random) -> Filled:
    """Whoever was spoken to last."""
    text = view.messages[-1].content
    listed = _CHOICE.search(text)
    names = re.findall(r"\w+", listed[1]) if listed else []
    spoken_to = re.findall(rf"^\w+: ({'|'.join(names)})[,:] ", text, re.MULTILINE) if names else []
    return {"speaker": spoken_to[-1] if spoken_to else (names or [""])[0]}, None


def ledger(view: View, profile: Profile, difficulty: Difficulty, rng: random.Random) -> Filled:
    """The first subtask that was not given to anybody yet, or whose findings have not come; twice at most."""
    said = [name for m in view.messages if m.role == "assistant" for name in parse(m.content).subtasks]
    todo = next((s for s in view.index.subtasks.values() if _to_give(view, s, said.count(s.id))), None)
    done = todo is None
    listed = re.search(r"select from: ([\w, ]+)\)", view.messages[-1].content)
    names = re.findall(r"\w+", listed[1]) if listed else [""]
    who = next((n for n in names if todo is not None and n.startswith(todo.role)), names[0])
    instruction = f"[subtask: {todo.id}] {todo.goal}" if todo is not None else "Nothing."

    def told(answer: Any, reason: str) -> dict[str, Any]:
        return {"reason": reason, "answer": answer}

    return {
        "is_request_satisfied": told(done, "every part has been reported" if done else "parts are open"),
        "is_in_loop": told(False, "each part is given out in turn"),
        "is_progress_being_made": told(True, "reports come in"),
        "next_speaker": told(who, "has the role for it"),
        "instruction_or_question": told(instruction, "it is next"),
    }, None


def _to_give(view: View, subtask: Subtask, given: int) -> bool:
    if given == 0:
        return True
    due = [s for s in view.index.steps_in((subtask.id,)) if skill_of(s) != "act" and not s.optional]
    missing = [n for s in due for n in s.facts if n not in view.beliefs]
    return given < 2 and bool(missing) and subtask.id != view.index.final


FORMS = {
    "Ballot": ballot,
    "Bid": bid,
    "Decision": decide,
    "Ledger": ledger,
    "Plan": plan,
    "Review": review,
    "Selection": selection,
    "Summary": summary,
}
