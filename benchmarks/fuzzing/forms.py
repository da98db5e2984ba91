"""Forms (bids, plans, reviews, ...) as broken models fill them in: each is read whole and in range, or refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import msgspec

from agents import asking
from agents.agent import read_form
from benchmarks.fuzzing.mutating import ODD_NUMBERS, changed, damaged
from traces.errors import MalformedOutput

GOOD: dict[type[asking.Form], dict[str, object]] = {
    asking.Bid: {"take": True, "price": 500, "confidence": 0.9},
    asking.Plan: {"subtasks": [{"id": "look", "goal": "look it up", "role": "researcher", "needs": []}]},
    asking.Review: {"ok": False, "problems": [{"about": "amount", "reason": "is wrong"}]},
    asking.Decision: {"done": False, "answer": "", "redo": [{"subtask": "look", "about": "", "reason": "wrong"}]},
    asking.Ballot: {"choice": 1, "reason": "it is right"},
    asking.Summary: {"notes": ["- days: 14 [r.md]"]},
}


def prepare() -> Callable[[random.Random], str]:
    forms = list(GOOD.items())

    def attempt(draw: random.Random) -> str:
        form, good = draw.choice(forms)
        try:
            value = read_form(form, _written(good, draw))
        except MalformedOutput:
            return "refused"
        plain = value.model_dump()
        assert msgspec.json.decode(msgspec.json.encode(plain)) == plain, f"{plain} is not the same again once written"
        return "read"

    return attempt


def _written(good: object, draw: random.Random) -> str:
    text = json.dumps(changed(good, draw) if draw.random() < 0.5 else good)
    if draw.random() < 0.3:
        text = text.replace(draw.choice(["500", "0.9", "1"]), draw.choice(ODD_NUMBERS))
    if draw.random() < 0.3:
        text = damaged(text.encode(), draw).decode("utf-8", "replace")
    return text if draw.random() < 0.7 else f"```json\n{text}\n```"
