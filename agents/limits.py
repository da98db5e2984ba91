"""The numbers that may cut an agent's or a team's work short, in one place: what each is, who meets it, and how the
trace tells. docs/limits.md is the same list for users; a test holds the two together.

By default a run's budget ends its work, and nothing else. What is left here is met alike by one agent and by every
team, is a team's own design (its rounds), or is what a model or a page of text needs to have an end.
"""

from __future__ import annotations

from msgspec import Struct

from marketplace.mechanisms.combinatorial import MOST_POSTINGS
from marketplace.outside import LARGEST, STRIKES
from tools.approvals import WAIT_S
from tools.making import LONGEST
from tools.sql import ROWS
from tools.tool import World
from tools.usercode import LIMIT_S

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


IDLE_S = 120.0
"""Seconds of real time in which a run may record nothing while no model, tool or person is waited for: its team, its
engine or its mechanism hangs."""

SMALLEST_REPLY = 256
"""Tokens of a reply of the shipped small model, which often does not find its end. Other files have REPLY_ROOM."""

RESERVE = 20_000
"""Tokens that the poster of a subtask pays for it in a market, at most."""


class Limit(Struct, frozen=True):
    """`number` is the default, None is no limit. `who` meets it, and what `shows` it in a trace."""

    name: str
    number: float | None
    what: str
    who: str
    shows: str


ALL = "one agent and every team alike"
LIMITS = (
    Limit("budget", None, "tokens, dollars, seconds, model calls of a run", ALL, "`limit`, status limited"),
    Limit("default calls", CALLS, "model calls, where tokens, seconds and calls have no limit", ALL, "as the budget"),
    Limit("max_steps", None, "turns with tool calls, of all agents of a run together", ALL, "`limit`, status limited"),
    Limit("in_circles", CIRCLES, "the same calls with the same results in a row", ALL, "`limit`, a note"),
    Limit(
        "max_rounds", MENDINGS, "times that work is sent back", "solo, debate, supervisor, hybrid, market", "`limit`"
    ),
    Limit("tries", TRIES, "tries of a node by its holder, if it fails", "graph", "a note"),
    Limit("repairs", REPAIRS, "times that an unreadable reply is asked for again", ALL, "`output_rejected`"),
    Limit("reply room", REPLY_ROOM, "tokens of the context window kept for the reply", ALL, "a note (context_cut)"),
    Limit("local reply", SMALLEST_REPLY, "tokens of a reply of the shipped small model", ALL, "a note (at_limit)"),
    Limit("items", ITEMS, "items of a list in a form, of models held to a schema", ALL, "a note (at_limit)"),
    Limit("text", TEXT, "characters of a reason or argument, of models held to a schema", ALL, "a note (at_limit)"),
    Limit("thought", THOUGHT, "characters of a thought, of models held to a schema", ALL, "the reply"),
    Limit("tool result", LONGEST, "characters of a tool's result", ALL, "the result says it"),
    Limit("rows", ROWS, "rows of query_database", ALL, "the result says it"),
    Limit("passages", World.results, "passages of a search", ALL, "the result"),
    Limit("tool seconds", LIMIT_S, "seconds of a call of a tool of yours", ALL, "the result says it"),
    Limit("idle", IDLE_S, "seconds of real time in which a team does nothing", ALL, "`limit`, status limited"),
    Limit("person", WAIT_S, "seconds in which a person must answer", ALL, "`approval`"),
    Limit("recalled", RECALLS, "facts from earlier cases, with `remember`", ALL, "a note (recalled)"),
    Limit(
        "inbox",
        1,
        "assignments that wait for a worker; the sender waits too",
        "supervisor, graph",
        "none: no work is lost",
    ),
    Limit(
        "reserve", RESERVE, "tokens that a poster pays for a subtask; dearer bids do not count", "market", "the award"
    ),
    Limit(
        "round", MOST_POSTINGS, "postings that `bundles` decides at once; more come in the next round", "market", "none"
    ),
    Limit("outside body", LARGEST, "bytes that an agent from outside may send at once", "market", "a note"),
    Limit("strikes", STRIKES, "times that an agent from outside may misbehave", "market", "a note"),
)
