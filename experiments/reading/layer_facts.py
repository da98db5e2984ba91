"""What a trace says about each layer of the stack: sums over the events of one run, or of a whole experiment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from traces.store import Store

Row = dict[str, Any]


class Step(Struct, frozen=True):
    """A place in a run that is worth a look."""

    words: str
    run: int
    seq: int


class Facts(Struct, frozen=True):
    """Rows of the queries below, by their names there; `steps` by name of the layer."""

    rows: dict[str, list[Row]]
    steps: dict[str, list[Step]]

    def one(self, name: str) -> Row:
        return self.rows[name][0] if self.rows[name] else {}


_USAGE = "body->>'$.usage."

_FIRST = "body->>'$.added[0]."

QUERIES = {
    "calls": f"""
        SELECT count(*) AS calls, sum(tokens) AS tokens, sum(({_USAGE}input_tokens')::BIGINT) AS input,
            sum(({_USAGE}output_tokens')::BIGINT) AS output, sum(({_USAGE}cached_tokens')::BIGINT) AS cached,
            sum(({_USAGE}latency_s')::DOUBLE) AS latency, sum(({_USAGE}queue_s')::DOUBLE) AS queue,
            sum(({_USAGE}first_token_s')::DOUBLE) AS first_token, count({_USAGE}first_token_s') AS timed,
            sum(({_USAGE}retries')::BIGINT) AS retries, count(body->>'$.error') AS errors,
            max((body->>'$.kv_bytes')::BIGINT) AS kv_bytes, max((body->>'$.window')::BIGINT) AS window,
            max(tokens) AS largest, count(body->>'$.fault.mode') AS faults,
            count(*) FILTER (body->>'$.finish_reason' = 'length') AS cut,
            CASE WHEN count(*) = count(cost_nano_usd) THEN sum(cost_nano_usd) / 1e9 END AS cost
        FROM events WHERE type = 'chat' AND {{where}}""",
    "purposes": """
        SELECT body->>'$.purpose' AS purpose, count(*) AS calls, sum(tokens) AS tokens,
            CASE WHEN count(*) = count(cost_nano_usd) THEN sum(cost_nano_usd) / 1e9 END AS cost
        FROM events WHERE type = 'chat' AND {where} GROUP BY ALL ORDER BY tokens DESC""",
    "instructions": f"""
        SELECT count(DISTINCT {_FIRST}content') AS different, min(length({_FIRST}content')) AS shortest,
            max(length({_FIRST}content')) AS longest
        FROM events WHERE type = 'chat' AND {_FIRST}role' = 'system' AND {{where}}""",
    "servers": """
        SELECT coalesce(body->>'$.server', '') AS server, body->>'$.model' AS model, count(*) AS calls
        FROM events WHERE type = 'chat' AND {where} GROUP BY ALL ORDER BY calls DESC""",
    "faults": """
        SELECT body->>'$.fault.mode' AS mode, count(*) AS times
        FROM events WHERE type = 'chat' AND body->>'$.fault.mode' IS NOT NULL AND {where}
        GROUP BY ALL ORDER BY times DESC""",
    "agents": """
        SELECT agent, count(*) AS calls, sum(tokens) AS tokens
        FROM events WHERE type = 'chat' AND {where} GROUP BY ALL ORDER BY tokens DESC LIMIT 12""",
    "tools": """
        SELECT body->>'$.tool' AS tool, count(*) AS calls, count(*) FILTER (NOT (body->>'$.ok')::BOOLEAN) AS failed,
            sum(coalesce((body->>'$.latency_s')::DOUBLE, 0)) AS latency,
            sum(coalesce(json_array_length(body, '$.chunks'), 0)) AS chunks
        FROM events WHERE type = 'execute_tool' AND {where} GROUP BY ALL ORDER BY calls DESC""",
    "messages": """
        SELECT body->>'$.message.kind' AS kind, count(*) AS messages,
            count(*) FILTER (NOT coalesce((body->>'$.message.trusted')::BOOLEAN, true)) AS untrusted
        FROM events WHERE type = 'message' AND {where} GROUP BY ALL ORDER BY messages DESC""",
    "notes": """
        SELECT body->>'$.kind' AS kind, count(*) AS times
        FROM events WHERE type = 'note' AND {where} GROUP BY ALL ORDER BY times DESC""",
    "approvals": """
        SELECT split_part(body->>'$.approver', ':', 1) AS by, count(*) AS asked,
            count(*) FILTER ((body->>'$.approved')::BOOLEAN) AS approved
        FROM events WHERE type = 'approval' AND {where} GROUP BY ALL ORDER BY asked DESC""",
    "others": """
        SELECT type, count(*) AS events FROM events WHERE {where} GROUP BY ALL ORDER BY events DESC""",
    "limits": """
        SELECT body->>'$.kind' AS kind, count(*) AS times
        FROM events WHERE type = 'limit' AND {where} GROUP BY ALL ORDER BY times DESC""",
    "runs": """
        SELECT count(*) AS runs, count(*) FILTER (success) AS won, count(success) AS graded,
            avg(score) AS score, avg(latency_s) AS latency, avg(waited_s) AS waited,
            sum(messages) AS messages, sum(calls) AS calls, sum(events) AS events,
            count(*) FILTER (status = 'limited') AS limited, count(*) FILTER (status = 'failed') AS failed,
            CASE WHEN count(*) = count(cost_nano_usd) THEN sum(cost_nano_usd) / 1e9 END AS cost
        FROM runs WHERE {where}""",
}

_FAILED = "type = 'evaluation' AND NOT (body->>'$.success')::BOOLEAN"

# Layer → (how the place is called, which event it is). The first of each query is linked.
STEPS = {
    "hardware": [("the slowest model call", "type = 'chat'", "(body->>'$.usage.latency_s')::DOUBLE DESC")],
    "architecture": [("the model call with the most tokens", "type = 'chat'", "tokens DESC")],
    "alignment": [("a reply that could not be read", "type = 'output_rejected'", "run")],
    "prompts and adaptation": [("an agent's instructions", f"type = 'chat' AND {_FIRST}role' = 'system'", "run")],
    "knowledge and tools": [
        ("a tool call that failed", "type = 'execute_tool' AND NOT (body->>'$.ok')::BOOLEAN", "run"),
        ("a search", "type = 'execute_tool' AND json_array_length(body, '$.chunks') > 0", "run"),
    ],
    "workflow": [
        ("a plan", "type = 'chat' AND body->>'$.purpose' = 'plan'", "run"),
        ("a limit that was hit", "type = 'limit'", "run"),
    ],
    "agent": [("a self-check", "type = 'chat' AND body->>'$.purpose' = 'check'", "run")],
    "team": [("a message", "type = 'message'", "run"), ("an award", "type = 'award'", "run")],
    "tracing, evals and safety": [
        ("an outside effect that was refused", "type = 'approval' AND NOT (body->>'$.approved')::BOOLEAN", "run"),
        ("an outside effect that was allowed", "type = 'approval' AND (body->>'$.approved')::BOOLEAN", "run"),
        ("a labelled error", "type = 'chat' AND body->>'$.fault.mode' IS NOT NULL", "run"),
    ],
    "product": [
        (
            "a run that failed its grader",
            "type = 'evaluation' AND run IN (SELECT run FROM runs WHERE {where} AND NOT success)",
            "run",
        ),
        ("a run that broke off", "type = 'run_finished' AND body->>'$.status' = 'failed'", "run"),
    ],
}


def gather(store: Store, experiment: str, run: int | None = None) -> Facts:
    """All facts of an experiment that is over, or of one of its runs."""
    where = f"experiment = '{experiment}'" + (f" AND run = {run:d}" if run is not None else "")

    def ask(query: str) -> list[Row]:
        return store.ask(experiment, query.format(where=where))

    rows = {name: ask(query) for name, query in QUERIES.items()}
    steps = {layer: [step for place in places for step in _step(ask, *place)] for layer, places in STEPS.items()}
    return Facts(rows, steps)


def _step(ask: Callable[[str], list[Row]], words: str, which: str, order: str) -> list[Step]:
    rows = ask(f"SELECT run, seq FROM events WHERE {{where}} AND {which} ORDER BY {order}, run, seq LIMIT 1")
    return [Step(words, row["run"], row["seq"]) for row in rows]
