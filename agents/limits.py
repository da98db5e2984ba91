"""The numbers that may cut an agent's or a team's work short, in one place: what each is, who meets it, and how the
trace tells. docs/limits.md is the same list for users; a test holds the two together.

By default a run's budget ends its work, and nothing else. What is left here is met alike by one agent and by every
team, is a team's own design (its rounds), or is what a model or a page of text needs to have an end.
"""

from __future__ import annotations

from msgspec import Struct

CALLS = 1_000
"""Model calls of a run whose budget limits neither tokens nor seconds nor calls: a team that never ends must end."""

CIRCLES = 5
"""How often in a row the same calls with the same results are going in circles."""

CIRCLE = 4
"""The longest such row, in calls: looking for longer ones would find work that is done again for a reason."""

MENDINGS = 2
"""How often a team's work is sent back, where its file does not say: checks of `solo`, rounds of `debate`, and what
follows the first round of `supervisor`, `hybrid` and `market`."""

TRIES = 2
"""How often its holder tries a node of `graph` that fails with an error, before another agent does."""

REPAIRS = 3
"""How often a reply that cannot be read is asked for again."""

REPLY_ROOM = 1024
"""Tokens of a model's context window that are kept free for its reply."""

ITEMS = 200
"""Items of a list in a form, in the schema to which a small model is held. Replies are not checked against it."""

TEXT = 2_000
"""Characters of a reason in a form and of an argument of a call, likewise; answers and reports have no such end.
llama.cpp and what is built on it refuse a schema with more."""

THOUGHT = 400
"""Characters of the thought beside an action, likewise."""

RECALLS = 6
"""Facts from earlier cases that a team with `remember` is told."""


class Limit(Struct, frozen=True):
    """`number` is its default. `who` meets it, and what `shows` it in a trace. `setting`: how a user sets it."""

    name: str
    number: float | None
    what: str
    who: str
    shows: str
    setting: str = ""


EVERYONE = "one agent and every team alike"
