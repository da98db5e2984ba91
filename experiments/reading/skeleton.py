"""What happened in a run, without what was said: of each event a few numbers, as columns, made in SQL. A run of any
length is looked over by them; what is in an event is read when it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from traces import kernel as k
from traces.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

GROUPS = ("message", "model call", "tool", "market", "run", "note")
NOBODY = 0xFFFF

# Who acts, and who is acted upon: kind:name, in SQL. Recorded pairs, never guessed ones.
_AGENT = "'agent:' || nullif(agent, '')"
_TOOLS, _BOARD, _NONE = "'tools:tools'", "'board:board'", "NULL"
_ADDRESSED = "coalesce('agent:' || nullif(addressee, ''), 'topic:' || coalesce(nullif(topic, ''), 'all'))"


class Kind(NamedTuple):
    """What a type of event is in the skeleton; the last three are SQL over an event."""

    group: str
    sender: str = _AGENT
    to: str = _NONE
    wrong: str = "false"


KINDS: dict[type[Any], Kind] = {
    k.MessageSent: Kind("message", to=_ADDRESSED),
    k.DeadLetter: Kind("message", to="'agent:' || undelivered", wrong="true"),
    k.Chat: Kind("model call", wrong="coalesce(error, '') <> '' OR fault IS NOT NULL"),
    k.EffectIntended: Kind("tool", to=_TOOLS),
    k.ApprovalDecided: Kind("tool", to=_TOOLS, wrong="NOT approved::BOOLEAN"),
    k.ToolExecuted: Kind("tool", to=_TOOLS, wrong="NOT ok::BOOLEAN"),
    k.TaskPosted: Kind("market", to=_BOARD),
    k.TaskOpened: Kind("market", sender=_BOARD),
    k.BidMade: Kind("market", to=_BOARD),
    k.TaskAwarded: Kind("market", sender=_BOARD, to=_AGENT),
    k.TaskStarted: Kind("market", sender=_BOARD, to=_AGENT),
    k.TaskReposted: Kind("market", sender=_BOARD, to=_AGENT, wrong="true"),
    k.TaskDelivered: Kind("market", to=_BOARD),
    k.TaskReviewed: Kind("market", to=_BOARD, wrong="NOT accepted::BOOLEAN"),
    k.TaskClosed: Kind("market", sender=_BOARD, wrong="state <> 'settled'"),
    k.MoneyMoved: Kind("market", sender=_BOARD),
    k.ReputationChanged: Kind("market", sender=_BOARD, to=_AGENT),
    k.RunStarted: Kind("run"),
    k.AgentCreated: Kind("run"),
    k.AnswerHandedIn: Kind("run"),
    k.Evaluated: Kind("run", wrong="NOT success::BOOLEAN"),
    k.RunFinished: Kind("run", wrong="status <> 'completed'"),
    k.OutputRejected: Kind("note", wrong="true"),
    k.LimitHit: Kind("note", wrong="true"),
    k.Noted: Kind("note"),
}

_FIELDS = {
    "addressee": "$.message.to",
    "topic": "$.message.topic",
    "undelivered": "$.to",
    "error": "$.error",
    "fault": "$.fault",
    "approved": "$.approved",
    "ok": "$.ok",
    "accepted": "$.accepted",
    "state": "$.state",
    "success": "$.success",
    "status": "$.status",
    "call_s": "$.usage.latency_s",
    "tool_s": "$.latency_s",
}


class Node(NamedTuple):
    """Somebody or something that events are between. `kind`: agent, topic, tools or board."""

    kind: str
    name: str


@dataclass(frozen=True)
class Skeleton:
    """The events of a run as columns, one value an event: `t`, and how long it `lasted`, in seconds; `cost` in
    nano-dollars, NaN where the price is unknown; `tokens`; `from` and `to` (places in `nodes`, or NOBODY); `group` (a
    place in GROUPS); `wrong`, whether something went wrong."""

    count: int
    nodes: list[Node]
    columns: Mapping[str, NDArray[Any]]

    def has(self, group: str) -> bool:
        """Whether there are events of this group."""
        return bool((self.columns["group"] == GROUPS.index(group)).any())


def read(store: Store, experiment: str, run: int) -> Skeleton:
    """The skeleton of a run, as far as it is written."""
    return store.about_run(experiment, run, _read)


def _read(con: DuckDBPyConnection, events: str) -> Skeleton:
    con.execute(f"CREATE OR REPLACE TEMP TABLE seen AS {_SEEN.format(events=events)}")
    con.execute(_NODES)
    nodes = [Node(*node.split(":", 1)) for (node,) in con.execute("SELECT node FROM nodes ORDER BY place").fetchall()]
    columns = cast("dict[str, NDArray[Any]]", con.execute(_COLUMNS).fetchnumpy())
    return Skeleton(len(columns["t"]), nodes, columns)


def tag(kind: type[Any]) -> str:
    """The name of a type of event in a trace."""
    return str(kind.__struct_config__.tag)


def _by_type(values: Mapping[type[Any], str], otherwise: str) -> str:
    """SQL that is another for each type of event."""
    types: dict[str, list[str]] = {}
    for kind, value in values.items():
        types.setdefault(value, []).append(f"'{tag(kind)}'")
    cases = " ".join(f"WHEN type IN ({', '.join(names)}) THEN {value}" for value, names in types.items())
    return f"CASE {cases} ELSE {otherwise} END"


def _column(name: str) -> str:
    return _by_type({kind: getattr(known, name) for kind, known in KINDS.items()}, "NULL")


_GROUP = _by_type({kind: str(GROUPS.index(known.group)) for kind, known in KINDS.items()}, str(GROUPS.index("note")))
_PATHS = ", ".join(f"'{path}'" for path in _FIELDS.values())
_NAMED = ", ".join(f"j[{place}] AS {name}" for place, name in enumerate(_FIELDS, 1))

_SEEN = f"""
SELECT seq, t, {_GROUP} AS group_, {_column("sender")} AS sender, {_column("to")} AS recipient,
    coalesce({_column("wrong")}, false) AS wrong, coalesce(tokens, 0) AS tokens,
    CASE WHEN type = 'chat' THEN coalesce(cost_nano_usd::DOUBLE, 'NaN'::DOUBLE) ELSE 0 END AS cost,
    CASE type WHEN 'chat' THEN call_s::FLOAT WHEN 'execute_tool' THEN tool_s::FLOAT END AS lasted
FROM (
    SELECT seq, t, type, agent, tokens, cost_nano_usd, {_NAMED}
    FROM (SELECT *, json_extract_string(body, [{_PATHS}]) AS j FROM {{events}})
)
"""

_NODES = f"""
CREATE OR REPLACE TEMP TABLE nodes AS
SELECT node, least({NOBODY}, row_number() OVER (ORDER BY min(place)) - 1)::USMALLINT AS place
FROM (SELECT sender AS node, 2 * seq AS place FROM seen UNION ALL SELECT recipient, 2 * seq + 1 FROM seen)
WHERE node IS NOT NULL GROUP BY node
"""

_COLUMNS = f"""
SELECT t, cost, coalesce(lasted, 0)::FLOAT AS lasted, tokens::UINTEGER AS tokens,
    coalesce(a.place, {NOBODY})::USMALLINT AS "from", coalesce(b.place, {NOBODY})::USMALLINT AS "to",
    group_::UTINYINT AS "group", wrong::UTINYINT AS wrong
FROM seen LEFT JOIN nodes a ON a.node = sender LEFT JOIN nodes b ON b.node = recipient
ORDER BY seq
"""
