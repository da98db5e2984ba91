"""A recorded market, read for people: which runs traded, what became of one run's postings, and a window of them.

Times are seconds of the run's clock, amounts are tokens. Only events of the market are read, at most `MOST` of a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from marketplace import measures
from marketplace.ledger import HOUSE, MINT
from marketplace.measures import Story
from marketplace.reputation import credible
from traces import kernel as k
from traces.kernel import Record
from traces.store import Store

MOST = 100_000
STATES = ("posted", "open", "awarded", "in progress", "delivered", "accepted", "settled", "withdrawn", "expired")
_KINDS = (
    "create_agent",
    "task_posted",
    "task_opened",
    "bid",
    "award",
    "task_started",
    "task_reposted",
    "delivery",
    "acceptance",
    "task_closed",
    "ledger",
    "reputation",
)
_event = msgspec.json.Decoder(k.Event).decode


class Traded(Struct, frozen=True):
    """A run in which work was posted. `settled`: postings whose delivery was accepted and paid for."""

    run: int
    team: str
    case: str
    postings: int
    settled: int


class Market(Struct, frozen=True):
    """The events of one run's market, as many as were read `of` those there are, and its postings' stories."""

    records: list[Record]
    of: int
    stories: dict[str, Story]

    @property
    def until(self) -> float:
        return self.records[-1].t if self.records else 0.0


class Standing(Struct, frozen=True):
    """What is thought of an agent in a skill: the mean and the 95 % interval of the probability that its next delivery
    is accepted, after so many outcomes."""

    agent: str
    skill: str
    mean: float
    low: float
    high: float
    outcomes: int


class Dealer(Struct, frozen=True):
    """An agent's part in a market. `won`: awards by bids; `idle`: the share of the time without work that it had to
    deliver; `centrality`: PageRank in the network of who works for whom; `balance`: None without a ledger."""

    agent: str
    role: str
    bids: int
    awards: int
    settled: int
    earned: float
    idle: float
    centrality: float
    balance: int | None

    @property
    def won(self) -> float | None:
        return self.awards / self.bids if self.bids else None


def runs(store: Store, experiment: str) -> list[Traded]:
    """The runs of an experiment that is over in which work was posted, by number."""
    rows = store.ask(
        experiment,
        """SELECT e.run, any_value(r.team) AS team, any_value(r.case_id) AS case_id,
            count(*) FILTER (e.type = 'task_posted') AS postings,
            count(*) FILTER (e.type = 'task_closed' AND e.body->>'$.state' = 'settled') AS settled
        FROM events e JOIN runs r ON r.experiment = e.experiment AND r.run = e.run
        WHERE e.part = $part AND e.type IN ('task_posted', 'task_closed') GROUP BY e.run ORDER BY e.run""",
    )
    return [Traded(r["run"], r["team"], r["case_id"], r["postings"], r["settled"]) for r in rows if r["postings"]]


def read(store: Store, experiment: str, run: int, most: int = MOST) -> Market:
    """The market of one run, as far as its first `most` events go."""
    where = f"part = $part AND run = {run:d} AND type IN {_KINDS}"
    total = store.ask(experiment, f"SELECT count(*) AS n FROM events WHERE {where}")[0]["n"]
    records = _records(store, experiment, run, f"{where} ORDER BY seq LIMIT {most:d}")
    return Market(records, total, measures.stories(records))


def count(store: Store, experiment: str, run: int, state: str | None = None) -> int:
    """How many postings there are; of those that ended in this state, where one is named."""
    return int(store.ask(experiment, f"{_ended(run, state)} SELECT count(*) AS n FROM ended")[0]["n"])


def postings(
    store: Store, experiment: str, run: int, *, state: str | None = None, limit: int = 25, offset: int = 0
) -> tuple[list[Story], list[Record]]:
    """A window of the postings in the order posted: their stories and their events. Nothing else of the run is read."""
    listed = f"{_ended(run, state)} SELECT posting FROM ended ORDER BY first LIMIT {limit:d} OFFSET {offset:d}"
    names = [row["posting"] for row in store.ask(experiment, listed)]
    if not names:
        return [], []
    among = f"body->>'$.posting' IN ({', '.join(map(_quoted, names))})"
    where = f"part = $part AND run = {run:d} AND type IN {_KINDS[1:]} AND {among}"
    records = _records(store, experiment, run, f"{where} ORDER BY seq")
    told = measures.stories(records)
    return [told[name] for name in names], records


class Moment(Struct, frozen=True):
    """A run's market at a step: the story so far of the posting that was dealt with last, None before the first, and
    what each account has, escrows apart (empty where there is no ledger)."""

    story: Story | None
    balances: dict[str, int]


def at(store: Store, experiment: str, run: int, step: int) -> Moment:
    """The market of a run that is over as it was at a step. Read in SQL: the events of one posting, and sums."""
    so_far = f"part = $part AND run = {run:d} AND seq <= {step:d}"
    last = store.ask(
        experiment,
        f"""SELECT body->>'$.posting' AS posting FROM events
        WHERE {so_far} AND type IN {_KINDS[1:]} AND coalesce(body->>'$.posting', '') <> ''
        ORDER BY seq DESC LIMIT 1""",
    )
    if not last:
        return Moment(None, _balances_at(store, experiment, so_far))
    name = last[0]["posting"]
    where = f"{so_far} AND type IN {_KINDS[1:]} AND body->>'$.posting' = {_quoted(name)} ORDER BY seq"
    told = measures.stories(_records(store, experiment, run, where))
    return Moment(told[name], _balances_at(store, experiment, so_far))


def _balances_at(store: Store, experiment: str, so_far: str) -> dict[str, int]:
    rows = store.ask(
        experiment,
        f"""WITH moved AS (
            SELECT body->>'$.payer' AS payer, body->>'$.payee' AS payee, (body->>'$.amount')::BIGINT AS amount
            FROM events WHERE {so_far} AND type = 'ledger'
        )
        SELECT account, sum(amount)::BIGINT AS balance
        FROM (SELECT payer AS account, -amount AS amount FROM moved UNION ALL SELECT payee, amount FROM moved)
        WHERE NOT starts_with(account, 'escrow:') GROUP BY account ORDER BY balance DESC, account""",
    )
    return {row["account"]: row["balance"] for row in rows}


def _ended(run: int, state: str | None) -> str:
    """The postings of a run with their first event and the state that they ended in; `open` until then."""
    wanted = f"HAVING state = {_quoted(state)}" if state else ""
    return f"""WITH ended AS (
        SELECT body->>'$.posting' AS posting, min(seq) AS first,
            coalesce(any_value(body->>'$.state') FILTER (type = 'task_closed'), 'open') AS state
        FROM events WHERE part = $part AND run = {run:d} AND type IN ('task_posted', 'task_closed')
        GROUP BY body->>'$.posting' {wanted}
    )"""


def _records(store: Store, experiment: str, run: int, where: str) -> list[Record]:
    rows = store.ask(experiment, f"SELECT seq, t, wall, body FROM events WHERE {where}")
    return [Record(run, row["seq"], row["t"], row["wall"], _event(row["body"])) for row in rows]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def over_time(market: Market, steps: int = 60) -> list[tuple[float, str, int]]:
    """How many postings are in each state at `steps` equal moments from the first event to the last: (time, state,
    postings), without those that no posting was ever in."""
    now: dict[str, str] = {}
    found: list[tuple[float, Counter[str]]] = []
    start, length = (market.records[0].t if market.records else 0.0), market.until
    moments = [start + (length - start) * (step + 1) / steps for step in range(steps)]
    records = iter(market.records)
    record = next(records, None)
    for moment in moments:
        while record is not None and record.t <= moment:
            state = _state(record.event)
            if state:
                now[record.event.posting] = state  # type: ignore[union-attr]
            record = next(records, None)
        found.append((moment, Counter(now.values())))
    seen = [state for state in STATES if any(counts[state] for _, counts in found)]
    return [(moment, state, counts[state]) for moment, counts in found for state in seen]


def _state(event: k.Event) -> str:
    match event:
        case k.TaskPosted():
            return "posted"
        case k.TaskOpened() | k.TaskReposted():
            return "open"
        case k.TaskAwarded():
            return "awarded"
        case k.TaskStarted():
            return "in progress"
        case k.TaskDelivered():
            return "delivered"
        case k.TaskReviewed():
            return "accepted" if event.accepted else "in progress"
        case k.TaskClosed():
            return event.state
    return ""


def balances(records: Iterable[Record]) -> dict[str, int]:
    """What each account has at the end, escrows apart; empty where there is no ledger. The mint owes what it gave."""
    found: Counter[str] = Counter()
    for record in records:
        if isinstance(record.event, k.MoneyMoved):
            found[record.event.payer] -= record.event.amount
            found[record.event.payee] += record.event.amount
    return {account: amount for account, amount in found.items() if not account.startswith("escrow:")}


def standings(records: Iterable[Record]) -> list[Standing]:
    """What is thought of each agent in each skill at the end, best first; the interval is that of the Beta distribution
    with the recorded mean and standard deviation."""
    last: dict[tuple[str, str], k.ReputationChanged] = {}
    outcomes: Counter[tuple[str, str]] = Counter()
    for record in records:
        if isinstance(record.event, k.ReputationChanged):
            key = (record.event.agent, record.event.skill)
            last[key] = record.event
            outcomes[key] += 1
    found = [Standing(*key, e.mean, *_interval(e.mean, e.deviation), outcomes[key]) for key, e in last.items()]
    return sorted(found, key=lambda one: (-one.mean, one.agent))


def _interval(mean: float, deviation: float) -> tuple[float, float]:
    if not 0 < mean < 1 or deviation <= 0:
        return mean, mean
    evidence = mean * (1 - mean) / deviation**2 - 1
    return credible(mean * evidence, (1 - mean) * evidence)


def dealers(market: Market) -> list[Dealer]:
    """Everybody who bid or was awarded work, those who earned most first."""
    told = list(market.stories.values())
    roles = {r.event.agent: r.event.role for r in market.records if isinstance(r.event, k.AgentCreated)}
    bids = Counter(bid.agent for story in told for bid in story.bids)
    awards = Counter(story.holder for story in told if story.holder)
    settled = Counter(story.holder for story in told if story.settled)
    names = sorted({*bids, *awards})
    earned = measures.earnings(told, names)
    idle = measures.idle(told, names, market.until)
    central = measures.centrality(measures.network(told))
    owned = balances(market.records)
    found = [
        Dealer(
            name,
            roles.get(name, ""),
            bids[name],
            awards[name],
            settled[name],
            earned[name],
            idle[name],
            central.get(name, 0.0),
            owned.get(name),
        )
        for name in names
    ]
    return sorted(found, key=lambda one: (-one.earned, one.agent))


def others(owned: dict[str, int], agents: Sequence[Dealer]) -> dict[str, int]:
    """The accounts that are no bidder's: the poster's, the house's (fees); without the mint, whose debt is the rest."""
    known = {one.agent for one in agents}
    return {("fees" if name == HOUSE else name): amount for name, amount in owned.items() if name not in {*known, MINT}}
