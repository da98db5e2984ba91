"""The types that are written into a trace, and nothing else.

Names follow OpenTelemetry's semantic conventions for generative AI where they have a word for the thing
(`chat`, `execute_tool`, `create_agent`, `input_tokens`, `finish_reason`, ...).
Times (`t`, `latency_s`) are seconds on the run's clock: simulated under the virtual clock, real otherwise.
Money is an integer number of nano-dollars (1e-9 USD), so that sums are exact; None means the price is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

from traces.bounds import COUNT, PLACE

NANO = 1_000_000_000

# Numbers beyond these are nobody's: what has one is not read (traces.journal).
Count = Annotated[int, Meta(ge=0, le=COUNT)]
Place = Annotated[int, Meta(ge=0, le=PLACE)]
Money = Annotated[int, Meta(ge=0, le=1 << 60)]
Amount = Annotated[int, Meta(ge=-(1 << 60), le=1 << 60)]

Origin = Literal["measured", "estimated", "unknown"]
"""Where a count of tokens comes from: who served the model counted, we did, or nobody."""
WORSE = {origin: place for place, origin in enumerate(get_args(Origin))}

CANCELLED, STOPPED = "cancelled", "stopped"
UNFINISHED = (CANCELLED, STOPPED)
"""The `finish_reason` of a model call whose reply nobody waited for: its run's limit or its team cancelled it, or its
run was stopped from outside, and makes the call again when it goes on."""


class _Fixed(Struct, frozen=True, gc=False):
    """Never changed once it is made, so never part of a cycle: Python's garbage collector need not look at it."""


class ToolCall(_Fixed, frozen=True):
    """A model asks for a tool. `arguments` is the JSON text as it came over the wire."""

    id: str
    name: str
    arguments: str


class ChatMessage(_Fixed, frozen=True, omit_defaults=True):
    """One entry of a model's prompt. `trusted` is False for text that came from outside the run's instructions:
    documents, tool results, customers' mail and whatever was derived from them by quoting."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    trusted: bool = True


class Message(_Fixed, frozen=True, omit_defaults=True):
    """What one agent says to another (`to`) or to a topic, over the bus. `id` counts from 1 in a run."""

    id: Count
    sender: str
    kind: str
    content: str
    to: str | None = None
    topic: str | None = None
    reply_to: Count | None = None
    trusted: bool = True


def least_certain(origins: Iterable[Origin]) -> Origin:
    """The origin of a sum; of nothing it is measured."""
    return max(origins, key=WORSE.__getitem__, default="measured")


class Usage(_Fixed, frozen=True, omit_defaults=True):
    """What model calls used. `cost_nano_usd` is None as soon as one price in the sum is unknown, never 0 for it.

    `origin` is that of the tokens, and so of a cost that follows from them: the least certain one in the sum.
    `latency_s` is all of it, from asking to the last token: in it `queue_s` is the waiting for a place, and
    `first_token_s` the time from then to the first token (0 where it was not observed). `errors` counts calls that
    failed for good, `retries` the attempts that were made again."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cached_tokens: Count = 0
    calls: Count = 0
    cost_nano_usd: Money | None = 0
    latency_s: float = 0.0
    queue_s: float = 0.0
    first_token_s: float = 0.0
    errors: Count = 0
    retries: Count = 0
    origin: Origin = "measured"

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def tokens_origin(self) -> Origin:
        """`origin`; but calls that have succeeded without a token, as in traces of old, were never counted."""
        return "unknown" if self.calls > self.errors and not self.tokens else self.origin

    @property
    def cost_usd(self) -> float | None:
        return None if self.cost_nano_usd is None else self.cost_nano_usd / NANO

    def __add__(self, other: Usage) -> Usage:
        known = self.cost_nano_usd is not None and other.cost_nano_usd is not None
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.calls + other.calls,
            (self.cost_nano_usd or 0) + (other.cost_nano_usd or 0) if known else None,
            self.latency_s + other.latency_s,
            self.queue_s + other.queue_s,
            self.first_token_s + other.first_token_s,
            self.errors + other.errors,
            self.retries + other.retries,
            self.origin if WORSE[self.origin] >= WORSE[other.origin] else other.origin,
        )


class Budget(_Fixed, frozen=True, omit_defaults=True):
    """What one run may use, shared by its whole team; None is no limit. `seconds` is on the run's clock."""

    tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    calls: int | None = None


class Chunk(_Fixed, frozen=True, omit_defaults=True):
    """A retrieved piece of a document. `id` is `source#position`; scores are higher-is-better, ranks count from 1.
    In a trace `text` is left out: it stands in the tool's result."""

    id: str
    source: str
    title: str
    position: int
    score: float = 0.0
    text: str = ""
    vector_rank: int | None = None
    text_rank: int | None = None


class Check(_Fixed, frozen=True, omit_defaults=True):
    """One thing that a grader looked at. `failed`: the grader itself did, and says nothing of the run."""

    name: str
    passed: bool
    detail: str = ""
    weight: float = 1.0
    failed: bool = False


class Fault(_Fixed, frozen=True, omit_defaults=True):
    """The true label of an error that a simulated model made: a failure mode of MAST (Cemri et al. 2025)."""

    mode: str
    step: str = ""
    detail: str = ""


class Lineage(_Fixed, frozen=True, omit_defaults=True):
    """Where a forked run comes from: it shares with run `run` of `experiment` what came before event `step`, where
    `changes` were made (what is changed: to what). `draws` is the parent's trial, which names its random draws."""

    experiment: str
    run: Place
    step: Place
    changes: dict[str, str] = {}
    draws: int = 0


class Run(_Fixed, frozen=True, omit_defaults=True):
    """One trial: one team on one case with one seed. `simulated` says that its model was."""

    scenario: str
    case: str
    team: str
    engine: str
    model: str
    trial: Place
    seed: int
    budget: Budget
    clock: Literal["virtual", "real"]
    simulated: bool
    scenario_digest: str = ""
    difficulty: str = ""
    features: tuple[str, ...] = ()
    parent: Lineage | None = None


# --- events: the closed, tagged union that a trace is made of ---------------------------------------------------


class _Event(_Fixed, frozen=True, omit_defaults=True, tag_field="type"):
    pass


class RunStarted(_Event, frozen=True, tag="run_started"):
    run: Run
    request: str


class AgentCreated(_Event, frozen=True, tag="create_agent"):
    """`prompt_version` names the template (`researcher@1`) that its instructions were made from; they stand in its
    first model call."""

    agent: str
    role: str
    model: str
    prompt_version: str = ""
    tools: tuple[str, ...] = ()


class MessageSent(_Event, frozen=True, tag="message"):
    message: Message


class DeadLetter(_Event, frozen=True, tag="dead_letter"):
    """A message that was not delivered to `to`, and why."""

    message: Message
    to: str
    reason: str


class Chat(_Event, frozen=True, tag="chat"):
    """One model call. The prompt is the first `kept` messages of this agent's previous call (over the whole run)
    followed by `added`; `traces.prompts.prompt_at` puts it together. `purpose` is act, plan, review, bid, ...
    With a `finish_reason` of UNFINISHED no reply came, and what the call used is estimated.
    `window` is the model's context window in tokens, `kv_bytes` the size of the KV cache at the call's end, `server`
    the address that answered; each is left out where it is not known. `reasoning` is what the model thought before its
    reply; `sent_as` tells how the call was put to a server that does not take all of it."""

    agent: str
    purpose: str
    model: str
    kept: Place
    added: tuple[ChatMessage, ...]
    text: str
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    tools: tuple[str, ...] = ()
    error: str = ""
    fault: Fault | None = None
    window: Count | None = None
    kv_bytes: Amount | None = None
    server: str = ""
    reasoning: str = ""
    sent_as: tuple[str, ...] = ()


class OutputRejected(_Event, frozen=True, tag="output_rejected"):
    """A reply that could not be read. `attempt` counts from 1; `final` means that no further repair was made."""

    agent: str
    reason: str
    attempt: int
    final: bool = False


class EffectIntended(_Event, frozen=True, tag="effect_intended"):
    """Written, and synced to disk, before a tool with an outside effect runs. `key` makes the effect idempotent."""

    agent: str
    tool: str
    call_id: str
    arguments: dict[str, Any]
    key: str


class ApprovalDecided(_Event, frozen=True, tag="approval"):
    """`approver` is `policy:<rule>`, `simulated:<rule>` or a person's name."""

    agent: str
    tool: str
    call_id: str
    approver: str
    approved: bool
    reason: str


class ToolExecuted(_Event, frozen=True, tag="execute_tool"):
    """`writes`: the SQL with which a call that cannot be made again has changed the run's own database."""

    agent: str
    tool: str
    call_id: str
    effect: str
    arguments: dict[str, Any]
    ok: bool
    result: str
    latency_s: float = 0.0
    chunks: tuple[Chunk, ...] = ()
    trusted: bool = False
    writes: tuple[str, ...] = ()


class TaskPosted(_Event, frozen=True, tag="task_posted"):
    posting: str
    goal: str
    role: str
    needs: tuple[str, ...] = ()
    by: str = ""


class TaskOpened(_Event, frozen=True, tag="task_opened"):
    """What the posting needs has been accepted; it is open for bids."""

    posting: str


class BidMade(_Event, frozen=True, tag="bid"):
    """`price` is in tokens: what the bidder wants for it. `confidence` is the quality that it promises, as the
    probability (0 to 1) that the delivery is accepted, `seconds` how soon. A bid on a `bundle` of further postings is
    for all of them together with `posting`, or for none."""

    posting: str
    agent: str
    price: float
    confidence: float = 1.0
    note: str = ""
    seconds: float | None = None
    bundle: tuple[str, ...] = ()


class TaskAwarded(_Event, frozen=True, tag="award"):
    posting: str
    agent: str
    price: float
    mechanism: str
    reason: str = ""


class TaskStarted(_Event, frozen=True, tag="task_started"):
    """Its holder has begun to work on it."""

    posting: str
    agent: str


class TaskReposted(_Event, frozen=True, tag="task_reposted"):
    """Its holder failed or was late: it is taken away and open for bids again, for the `times`-th time."""

    posting: str
    agent: str
    reason: str
    times: int


class TaskDelivered(_Event, frozen=True, tag="delivery"):
    posting: str
    agent: str
    content: str
    attempt: int = 1


class TaskReviewed(_Event, frozen=True, tag="acceptance"):
    posting: str
    by: str
    accepted: bool
    reason: str = ""


class TaskClosed(_Event, frozen=True, tag="task_closed"):
    """A posting ended: `settled`, `expired` or `withdrawn`."""

    posting: str
    state: str
    reason: str = ""


class MoneyMoved(_Event, frozen=True, tag="ledger"):
    """`amount` whole units (tokens) go from `payer` to `payee`. `kind`: endowment, escrow, payment, fee, refund or
    penalty. `cause` is the event that it follows from, by its type: the last one of that type on the posting."""

    posting: str
    payer: str
    payee: str
    amount: Amount
    kind: str
    cause: str


class ReputationChanged(_Event, frozen=True, tag="reputation"):
    """What is now thought of an agent in a skill, after a delivery was accepted or not: the mean and the standard
    deviation of the probability that its next one is accepted."""

    agent: str
    skill: str
    accepted: bool
    mean: float
    deviation: float


class AnswerHandedIn(_Event, frozen=True, tag="answer"):
    """The best answer so far. A run that is cut short is graded on the last one."""

    agent: str
    content: str


class LimitHit(_Event, frozen=True, tag="limit"):
    kind: str
    value: float
    limit: float
    agent: str = ""


class Noted(_Event, frozen=True, tag="note"):
    """Something worth seeing in a replay that has no event of its own: a fallback, a cut context, a re-plan."""

    agent: str
    kind: str
    text: str


class Evaluated(_Event, frozen=True, tag="evaluation"):
    """With an `error` (which grader failed, and how) nobody knows whether the run succeeded: `success` and `score` say
    nothing then."""

    success: bool
    score: float
    checks: tuple[Check, ...]
    error: str = ""


class RunFinished(_Event, frozen=True, tag="run_finished"):
    """`status`: completed, limited (a budget or another limit ended it) or failed. `ended_by` is the rule, in words.
    `waited_s`: seconds in which the run only waited for a person; they are not in `latency_s`."""

    status: Literal["completed", "limited", "failed"]
    ended_by: str
    answer: str
    usage: Usage
    latency_s: float
    messages: Count
    error: str = ""
    waited_s: float = 0.0


Event = (
    RunStarted
    | AgentCreated
    | MessageSent
    | DeadLetter
    | Chat
    | OutputRejected
    | EffectIntended
    | ApprovalDecided
    | ToolExecuted
    | TaskPosted
    | TaskOpened
    | BidMade
    | TaskAwarded
    | TaskStarted
    | TaskReposted
    | TaskDelivered
    | TaskReviewed
    | TaskClosed
    | MoneyMoved
    | ReputationChanged
    | AnswerHandedIn
    | LimitHit
    | Noted
    | Evaluated
    | RunFinished
)


class Record(_Fixed, frozen=True):
    """One line of a journal: event `seq` (from 0) of run number `run` of an experiment, at `t` seconds of the run's
    clock; `wall` is Unix time. Everything but `wall` is the same again for the same seed."""

    run: Place
    seq: Place
    t: float
    wall: float
    event: Event
