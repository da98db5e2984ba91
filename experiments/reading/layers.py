"""One run, or one experiment, through the eleven layers of the stack: what happened there, what it cost, what to change
there. All of it is from the trace, the scenario and the model's card; what none of them says stays unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from agents.models.model import Card
from agents.settings import Inside, Settings
from experiments import words
from experiments.reading.layer_facts import Facts, Row, Step
from tasks.scenario import Scenario
from traces.past import ASK_PERSON

UNKNOWN = "unknown"
ALONE = ("act", "plan", "check", "sum_up", "answer")
"""Purposes of model calls that one agent alone makes too; the others are what working together takes."""


class Layer(Struct, frozen=True):
    """`asks` is what the layer is about, `happened` names with values, `cost` in words, `change` what could be done
    there (Markdown of ours), `steps` where to look."""

    name: str
    asks: str
    happened: dict[str, str]
    cost: str
    change: list[str]
    steps: list[Step]


class Stack(Struct, frozen=True):
    """What the layers are told from. `card` is None where the model cannot be looked up any more, `scenario` where it
    is gone; `teams` are the settings of the teams that can still be read."""

    facts: Facts
    card: Card | None
    scenario: Scenario | None
    teams: dict[str, Settings]
    simulated: bool

    @property
    def calls(self) -> Row:
        return self.facts.one("calls")

    @property
    def runs(self) -> Row:
        return self.facts.one("runs")


def layers(stack: Stack) -> list[Layer]:
    """The eleven layers, from the ground up."""
    return [
        Layer(
            name,
            asks,
            {k: v for k, v in happened(stack).items() if v},
            cost(stack),
            change,
            stack.facts.steps.get(name, []),
        )
        for name, asks, happened, cost, change in _LAYERS
    ]


# --- figures in words -------------------------------------------------------------------------------------------


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else words.count(value)


def _tokens(value: float | None) -> str:
    return UNKNOWN if value is None else f"{words.count(value)} tokens"


def _share(part: float | None, whole: float | None) -> str:
    return f"{part / whole:.1%}" if part is not None and whole else UNKNOWN


def _list(rows: list[Row], name: str, count: str, limit: int = 8) -> str:
    shown = [f"{row[name]} {row[count]:,}" for row in rows[:limit]]
    return ", ".join(shown) + (f" and {len(rows) - limit} more" if len(rows) > limit else "")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _noted(stack: Stack, kind: str) -> int:
    return sum(int(row["times"]) for row in stack.facts.rows["notes"] if row["kind"] == kind)


def _spent(stack: Stack, wanted: Callable[[str], bool]) -> str:
    """Tokens and dollars of the model calls with such purposes."""
    rows = [row for row in stack.facts.rows["purposes"] if wanted(str(row["purpose"]))]
    if not rows:
        return "nothing"
    tokens = sum(int(row["tokens"] or 0) for row in rows)
    costs = [row["cost"] for row in rows]
    cost = None if None in costs else sum(costs)
    share = _share(tokens, stack.calls.get("tokens"))
    return f"{_tokens(tokens)} ({share} of all), {words.money(cost)}"


def _card(stack: Stack, field: str) -> str:
    value = getattr(stack.card, field) if stack.card else None
    return str(value) if value else UNKNOWN


# --- the layers -------------------------------------------------------------------------------------------------


def _hardware(stack: Stack) -> dict[str, str]:
    calls = stack.calls
    latency = calls.get("latency") or 0.0
    writing = latency - (calls.get("queue") or 0.0) - (calls.get("first_token") or 0.0)
    timed = calls.get("timed")
    return {
        "runs": _card(stack, "runs"),
        "servers": ", ".join(
            f"{r['server']} ({r['calls']:,} calls)" for r in stack.facts.rows["servers"] if r["server"]
        )
        or ("none: simulated" if stack.simulated else UNKNOWN),
        "time in model calls": words.seconds(latency) if calls.get("calls") else UNKNOWN,
        "waiting for a place": f"{words.seconds(calls['queue'])} ({_share(calls['queue'], latency)})"
        if calls.get("queue")
        else ("none" if stack.simulated else UNKNOWN),
        "to the first token, mean": f"{calls['first_token'] / timed:.2f} s" if timed else UNKNOWN,
        "writing speed": f"{calls['output'] / writing:,.0f} tokens/s" if timed and writing > 0 else UNKNOWN,
        "largest KV cache": f"{calls['kv_bytes'] / 1e6:,.0f} MB" if calls.get("kv_bytes") else UNKNOWN,
        "tried again": _number(calls.get("retries") or 0),
    }


def _hardware_cost(stack: Stack) -> str:
    price = stack.card.price if stack.card else None
    if price and price.gpu_hour is not None:
        return f"${price.gpu_hour:g} for an hour of its servers"
    return "in the price of the tokens (architecture)" if price and price.known else UNKNOWN


def _data(stack: Stack) -> dict[str, str]:
    card = stack.card
    return {
        "trained on": f"{words.count(card.training_tokens)} tokens" if card and card.training_tokens else UNKNOWN,
        "knowledge cutoff": _card(stack, "cutoff"),
        "data stays": "on this machine" if stack.simulated else _card(stack, "residency"),
        "documents that it was given": _documents(stack),
    }


def _documents(stack: Stack) -> str:
    if stack.scenario is None or stack.scenario.file.knowledge is None:
        return "none" if stack.scenario else UNKNOWN
    folder = stack.scenario.folder / stack.scenario.file.knowledge.folder
    return f"{sum(path.is_file() for path in folder.rglob('*')):,} files"


def _architecture(stack: Stack) -> dict[str, str]:
    calls, card = stack.calls, stack.card
    window = card.context_window if card and card.context_window else calls.get("window")
    return {
        "model": ", ".join(dict.fromkeys(str(r["model"]) for r in stack.facts.rows["servers"])) or UNKNOWN,
        "parameters": words.count(card.parameters) if card and card.parameters else UNKNOWN,
        "context window": _tokens(window),
        "largest call": f"{_tokens(calls.get('largest'))} ({_share(calls.get('largest'), window)} of the window)",
        "tokens in": _tokens(calls.get("input")),
        "of these from the cache": _share(calls.get("cached"), calls.get("input")) if calls.get("cached") else "",
        "tokens out": _tokens(calls.get("output")),
        "replies cut at their limit": _number(calls.get("cut")),
        "reads": ", ".join(card.modalities) if card and card.modalities else UNKNOWN,
    }


def _alignment(stack: Stack) -> dict[str, str]:
    rejected = next((r["events"] for r in stack.facts.rows["others"] if r["type"] == "output_rejected"), 0)
    disobeyed = sum(r["times"] for r in stack.facts.rows["faults"] if str(r["mode"]).startswith("disobeys"))
    return {
        "trained to obey": _card(stack, "alignment"),
        "replies that could not be read": f"{rejected:,} of {stack.calls.get('calls', 0):,}",
        "disobeyed the task or the role": _times(disobeyed) if stack.simulated else UNKNOWN,
        "tool calls": ("native" if stack.card.tool_calls else "as JSON under a schema") if stack.card else UNKNOWN,
    }


def _adaptation(stack: Stack) -> dict[str, str]:
    return {
        "instructions": _instructions(stack),
        "roles with guidance of their own": _guided(stack),
        "adapter of": _card(stack, "adapter_of") if stack.card and stack.card.adapter_of else "none known",
        "tier": stack.card.tier if stack.card else "",
        "went on with a fallback": _times(_noted(stack, "fallback")),
        "answered from the cache": f"{_noted(stack, 'cache_hit'):,} calls",
    }


def _instructions(stack: Stack) -> str:
    found = stack.facts.one("instructions")
    if not found.get("different"):
        return "none"
    return f"{found['different']:,} different, {found['shortest']:,} to {found['longest']:,} characters"


def _guided(stack: Stack) -> str:
    if stack.scenario is None:
        return UNKNOWN
    return ", ".join(name for name, role in stack.scenario.file.roles.items() if role.guidance) or "none"


def _graders(stack: Stack) -> str:
    if stack.scenario is None:
        return UNKNOWN
    used = Counter(check.grader for case in stack.scenario.cases for check in case.expect)
    return ", ".join(f"{name} {count:,}" for name, count in used.most_common())


def _tools(stack: Stack) -> dict[str, str]:
    tools = stack.facts.rows["tools"]
    knowledge = stack.scenario.file.knowledge if stack.scenario else None
    return {
        "tool calls": _list(tools, "tool", "calls") or "none",
        "that failed": _list([r for r in tools if r["failed"]], "tool", "failed") or "none",
        "passages found": _number(sum(int(r["chunks"] or 0) for r in tools)),
        "recalled from earlier cases": _times(_noted(stack, "recalled")),
        "search": f"{knowledge.embedding}, {knowledge.results} results of {knowledge.chunk_chars} characters"
        if knowledge
        else "none"
        if stack.scenario
        else UNKNOWN,
    }


def _tools_cost(stack: Stack) -> str:
    seconds = sum(float(r["latency"] or 0) for r in stack.facts.rows["tools"] if r["tool"] != ASK_PERSON)
    return f"{words.seconds(seconds)} in tools; dollars of tools are {UNKNOWN}"


def _workflow(stack: Stack) -> dict[str, str]:
    case = stack.scenario.cases[0] if stack.scenario else None
    return {
        "shapes": ", ".join(f"{name} ({team.shape})" for name, team in stack.teams.items()) or UNKNOWN,
        "task graph of a case": f"{len(case.plan)} subtasks (the first case)" if case else UNKNOWN,
        "limits that were hit": _list(stack.facts.rows["limits"], "kind", "times") or "none",
        "went in circles": _times(_noted(stack, "in_circles")),
        "stopped by": ", ".join(_stops(team) for team in stack.teams.values()) if len(stack.teams) == 1 else "",
    }


def _stops(team: Settings) -> str:
    given = {name: value for name, value in team.stop.model_dump().items() if value is not None}
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in given.items()) or "no rule of its own"


def _agent(stack: Stack) -> dict[str, str]:
    agents = stack.facts.rows["agents"]
    inside = next(iter(stack.teams.values())).agent if len(stack.teams) == 1 else None
    return {
        "model calls": _list(agents, "agent", "calls") or "none",
        "messages left out of the window": _times(_noted(stack, "context_cut")),
        "memory summed up": _times(_noted(stack, "summed_up")),
        "habits": _habits(inside) if inside else "",
    }


def _habits(inside: Inside) -> str:
    steps = "" if inside.max_steps is None else f", at most {inside.max_steps:,} steps of all agents together"
    return f"check {inside.check}, memory {inside.memory}{steps}"


def _team(stack: Stack) -> dict[str, str]:
    messages, runs = stack.facts.rows["messages"], stack.runs
    sent = sum(int(r["messages"]) for r in messages)
    market = [r for r in stack.facts.rows["others"] if r["type"] in ("task_posted", "bid", "award", "acceptance")]
    return {
        "messages": f"{sent:,} ({sent / runs['runs']:.1f} per run)" if runs.get("runs") else UNKNOWN,
        "kinds": _list(messages, "kind", "messages"),
        "messages per model call": f"{sent / stack.calls['calls']:.2f}" if stack.calls.get("calls") else UNKNOWN,
        "market": _list(market, "type", "events"),
        "asked a person": _times(_noted(stack, "escalated")),
    }


def _safety(stack: Stack) -> dict[str, str]:
    messages = stack.facts.rows["messages"]
    sent, untrusted = (sum(int(r[name]) for r in messages) for name in ("messages", "untrusted"))
    approvals = stack.facts.rows["approvals"]
    return {
        "runs graded": _number(stack.runs.get("graded")),
        "checks of all cases": _graders(stack),
        "events recorded": _number(stack.runs.get("events")),
        "messages with text from outside": f"{untrusted:,} of {sent:,}" if sent else "no messages",
        "outside effects decided": "; ".join(
            f"{r['by']}: {r['approved']:,} of {r['asked']:,} allowed" for r in approvals
        )
        or "none",
        "labelled errors": _list(stack.facts.rows["faults"], "mode", "times").replace("_", " ")
        if stack.simulated
        else UNKNOWN,
        "model calls that failed": _number(stack.calls.get("errors")),
    }


def _product(stack: Stack) -> dict[str, str]:
    runs = stack.runs
    won, count = runs.get("won") or 0, runs.get("runs") or 0
    return {
        "success": f"{won:,} of {count:,} runs",
        "score, mean": f"{runs['score']:.2f}" if runs.get("score") is not None else UNKNOWN,
        "time to the answer, mean": words.seconds(runs["latency"]) if runs.get("latency") is not None else UNKNOWN,
        "waiting for a person, mean": words.seconds(runs["waited"]) if runs.get("waited") else "",
        "ended by a limit": f"{runs.get('limited') or 0:,} runs",
        "broke off": f"{runs.get('failed') or 0:,} runs",
    }


def _product_cost(stack: Stack) -> str:
    cost, won, count = stack.runs.get("cost"), stack.runs.get("won"), stack.runs.get("runs")
    if cost is None or not count:
        return UNKNOWN
    each = words.money(cost / won) if won else "no success to divide by"
    return f"{words.money(cost)} in all, {words.money(cost / count)} per run, {each} per success"


def _all_tokens(stack: Stack) -> str:
    return f"{_tokens(stack.calls.get('tokens'))}, {words.money(stack.calls.get('cost'))}"


def _unknown(stack: Stack) -> str:
    return f"{UNKNOWN}: paid by whoever trained the model"


def _working_together(purpose: str) -> bool:
    return purpose not in ALONE


Told = Callable[[Stack], dict[str, str]]

_LAYERS: list[tuple[str, str, Told, Callable[[Stack], str], list[str]]] = [
    (
        "hardware",
        "What computes, how long calls wait, how fast it writes",
        _hardware,
        _hardware_cost,
        [
            "More servers or places: `servers`, `slots` and `at_once` in models.yaml; on a simulated model "
            "`sim:medium,replicas=2,slots=8`.",
            "Long waits and fast writing: add places. No waits and slow writing: a faster GPU or a smaller model.",
        ],
    ),
    (
        "data",
        "What the model learned from, and what it was given to read",
        _data,
        _unknown,
        [
            "Facts after the cutoff, and private ones, must come from documents or tools: page Knowledge.",
            "Runs that people have judged make training data: annotations of Replay, exported.",
        ],
    ),
    (
        "architecture",
        "The model's size and window, and what passed through it",
        _architecture,
        _all_tokens,
        [
            "Try another size before you pay for one: `--model sim:small`, `sim:large`, `sim:params=8e9,tokens=15e12`.",
            "A window that is nearly full: shorter documents, `memory: summary`, or more agents with less each.",
        ],
    ),
    (
        "alignment",
        "How it was trained to obey, and whether it did",
        _alignment,
        lambda stack: "each reply that could not be read was one more call (in the agent's tokens)",
        [
            "Many unreadable replies: `tool_calls: false` in the model's card makes it answer under a schema.",
            "Disobeys the role: sharper `guidance` of the role in scenario.yaml.",
        ],
    ),
    (
        "prompts and adaptation",
        "What the model was told to be, and whether it was changed for this job",
        _adaptation,
        lambda stack: (
            "instructions are in every call, so in the tokens in (architecture); fine-tuning is paid by whoever did it"
        ),
        [
            "What instructions say is `goal`, `answer_style` and each role's `guidance` in scenario.yaml.",
            "Replay, “Fork from here”, Instructions: other words in one run of a real model (a simulated one does not "
            "read how it is told).",
            "An adapter (LoRA) has its own name in models.yaml, with `adapter_of`.",
            "`headcount calibrate` makes a simulated model like a real one from its runs.",
        ],
    ),
    (
        "knowledge and tools",
        "What agents looked up and did",
        _tools,
        _tools_cost,
        [
            "Wrong passages: chunking and `results` under `knowledge` in scenario.yaml; page Knowledge compares them.",
            "Tools that fail: their descriptions and argument types in tools.py are all that the model sees.",
        ],
    ),
    (
        "workflow",
        "The order of the work, and what ended it",
        _workflow,
        lambda stack: "planning: " + _spent(stack, lambda purpose: purpose == "plan"),
        [
            "One long chain: one agent or a pipeline. Independent parts: graph or supervisor.",
            "Limits that are hit often: a larger budget, or `stop` rules in the team's file.",
        ],
    ),
    (
        "agent",
        "What each agent did, remembered and checked",
        _agent,
        lambda stack: (
            "acting: " + _spent(stack, lambda p: p == "act") + "; checking: " + _spent(stack, lambda p: p == "check")
        ),
        [
            "Habits are in the team's file: `check`, `memory`, `plan_first`, `max_steps`, `escalate` (docs/teams.md).",
        ],
    ),
    (
        "team",
        "Who spoke with whom, and how work changed hands",
        _team,
        lambda stack: "working together: " + _spent(stack, _working_together),
        [
            "Much talk and little gain: fewer members, or one agent. Page Compare says whether the team is worth it.",
            "Errors that pass through: add a reviewer; `mechanism` changes who gets which task.",
        ],
    ),
    (
        "tracing, evals and safety",
        "What was recorded and graded, what text was trusted, which effects were allowed",
        _safety,
        lambda stack: "no tokens: recording, graders, marks and gate are code",
        [
            "What a right answer is: `expect` of each case, and graders of your own in grader.py (docs/scenarios.md).",
            "`policies` in scenario.yaml decide on outside effects; `--approver person` asks a person for the rest.",
        ],
    ),
    (
        "product",
        "What the user got",
        _product,
        _product_cost,
        [
            "Which team is worth it under your limits: page Compare.",
            "What a grader should ask for: `expect` of each case.",
        ],
    ),
]
