"""What became of a market: pure functions over its events, for simulated markets and for runs of a team alike.

`stories` reads the market's events into one story for each posting; the other functions read stories. Prices are in
the currency of the bids (tokens), times in seconds of the run's clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from traces import kernel as k
from traces.kernel import Record

if TYPE_CHECKING:
    import networkx as nx

A = TypeVar("A")  # how agents are named


@dataclass
class Story:
    """A posting's life. `holder` and `price` are those of its last award; times are None where it did not come to
    that. `state` is posted, open, awarded, delivered, settled, withdrawn or expired."""

    posting: str
    goal: str = ""
    role: str = ""
    by: str = ""
    state: str = "posted"
    bids: list[k.BidMade] = field(default_factory=list)
    mechanism: str = ""
    reason: str = ""
    holder: str = ""
    price: float | None = None
    posted: float = 0.0
    awarded: float | None = None
    delivered: float | None = None
    closed: float | None = None
    awards: int = 0
    deliveries: int = 0
    sent_back: int = 0

    @property
    def settled(self) -> bool:
        return self.state == "settled"

    @property
    def failed(self) -> bool:
        """It was awarded, and ended without an accepted delivery."""
        return self.awards > 0 and self.state in ("withdrawn", "expired")


def stories(records: Iterable[Record]) -> dict[str, Story]:
    """One story for each posting of one run, by its id, in the order posted."""
    found: dict[str, Story] = {}
    for record in records:
        posting = getattr(record.event, "posting", None)
        if posting:
            _tell(found.setdefault(posting, Story(posting, posted=record.t)), record.event, record.t)
    return found


def _tell(story: Story, event: k.Event, t: float) -> None:
    match event:
        case k.TaskPosted():
            story.goal, story.role, story.by, story.posted = event.goal, event.role, event.by, t
        case k.TaskOpened():
            story.state = "open"
        case k.BidMade():
            story.bids.append(event)
        case k.TaskAwarded():
            story.state, story.holder, story.price, story.awarded = "awarded", event.agent, event.price, t
            story.mechanism, story.reason = event.mechanism, event.reason
            story.awards += 1
        case k.TaskDelivered():
            story.state, story.delivered = "delivered", t
            story.deliveries += 1
        case k.TaskReposted():
            story.state = "open"
        case k.TaskReviewed(accepted=False):
            story.state = "awarded"
            story.sent_back += 1
        case k.TaskClosed():
            story.state, story.closed = event.state, t


def prices(told: Iterable[Story]) -> list[float]:
    """What was promised for each posting that was awarded."""
    return [story.price for story in told if story.price is not None]


def earnings(told: Iterable[Story], agents: Iterable[str] = ()) -> dict[str, float]:
    """What each agent was paid for accepted work; 0 for those of `agents`, and of the bidders, who got nothing."""
    paid = dict.fromkeys(agents, 0.0)
    for story in told:
        for bid in story.bids:
            paid.setdefault(bid.agent, 0.0)
        if story.settled and story.holder and story.price is not None:
            paid[story.holder] = paid.get(story.holder, 0.0) + story.price
    return paid


def gini(amounts: Iterable[float]) -> float:
    """The Gini coefficient of amounts of at least 0: 0 where all have the same, towards 1 where one has everything.
    Of nothing, or of nothing but zeros, it is 0."""
    ranked = sorted(amounts)
    total = sum(ranked)
    if total <= 0:
        return 0.0
    n = len(ranked)
    return 2 * sum(rank * amount for rank, amount in enumerate(ranked, 1)) / (n * total) - (n + 1) / n


def concentration(amounts: Iterable[float]) -> float:
    """The Herfindahl-Hirschman index: the sum of squared shares, from 1/n to 1; 0 where there is nothing to share."""
    kept = list(amounts)
    total = sum(kept)
    return sum((amount / total) ** 2 for amount in kept) if total > 0 else 0.0


def idle(told: Iterable[Story], agents: Iterable[str], until: float) -> dict[str, float]:
    """The share of the time from 0 to `until` in which each agent held no award that it had yet to deliver.
    Where an award was sent back, all the time to the last delivery counts as work."""
    spans: dict[str, list[tuple[float, float]]] = {agent: [] for agent in agents}
    for story in told:
        if story.awarded is not None and story.holder in spans:
            ends = (story.delivered, story.closed, until)
            end = min(e for e in ends if e is not None and e >= story.awarded)
            spans[story.holder].append((story.awarded, end))
    return {agent: 1.0 - _covered(held) / until if until > 0 else 1.0 for agent, held in spans.items()}


def _covered(spans: list[tuple[float, float]]) -> float:
    """The length of the union."""
    covered, reached = 0.0, 0.0
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def failures(told: Iterable[Story]) -> float | None:
    """The share of awarded and ended postings that ended without an accepted delivery; None where none has ended."""
    ended = [story for story in told if story.awards and story.closed is not None]
    return sum(story.failed for story in ended) / len(ended) if ended else None


def asked_worth(bid: k.BidMade) -> float:
    """A bid's worth from what it says alone: the fewer tokens for each expected success, the better."""
    return -bid.price / max(bid.confidence, 0.01)


@dataclass(frozen=True)
class Efficiency:
    """`reached`: the worth of the awards that were made; `best`: of the best assignment of the same postings to the
    same bidders. `loss` is how much was given away."""

    reached: float
    best: float

    @property
    def loss(self) -> float:
        return self.best - self.reached

    @property
    def share(self) -> float | None:
        """Reached by best; None where the best is not above 0, and a share says nothing."""
        return self.reached / self.best if self.best > 0 else None


def efficiency(
    told: Iterable[Story], worth: Callable[[k.BidMade], float] = asked_worth, places: Mapping[str, int] | None = None
) -> Efficiency:
    """The awards against the best possible assignment of the awarded postings among those who bid.

    worth: of a bid's winning, e.g. value · quality - cost where these are known; by default what the bids say.
    places: how many of these postings each agent can take, all of them where it is not named."""
    awarded = [story for story in told if story.holder and story.bids]
    offers = [{bid.agent: worth(bid) for bid in story.bids} for story in awarded]
    reached = sum(offer.get(story.holder, 0.0) for story, offer in zip(awarded, offers, strict=True))
    return Efficiency(reached, best_assignment(offers, places))


def best_assignment(
    offers: Sequence[Mapping[A, float]], places: Mapping[A, int] | None = None, undone: float | None = None
) -> float:
    """The highest sum of worth when each row of `offers` (agent → worth) goes to one of its agents, and each agent
    takes at most its `places` (without an entry, any number). A row that goes to nobody is worth `undone`; None is to
    give away as many as can be, and then counts 0 for the others."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    columns: dict[A, list[int]] = {}
    width = 0
    for agent, wanted in Counter(agent for offer in offers for agent in offer).items():
        seats = min(wanted, (places or {}).get(agent, wanted))
        columns[agent] = list(range(width, width + seats))
        width += seats
    much = 1.0 + 2 * len(offers) * max((abs(w) for offer in offers for w in offer.values()), default=0.0)
    matrix = np.full((len(offers), width + len(offers)), -2 * much)
    matrix[:, width:] = -much if undone is None else undone
    for row, offer in enumerate(offers):
        for agent, value in offer.items():
            matrix[row, columns[agent]] = value
    rows, cols = linear_sum_assignment(matrix, maximize=True)
    values = matrix[rows, cols]
    return float(values[values > -much].sum())


def network(told: Iterable[Story]) -> nx.DiGraph[str]:
    """Who works for whom: an edge from each poster to each agent that it awarded work, with `awards`, `settled` and
    `paid` (tokens for accepted work)."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    for story in told:
        if not story.holder:
            continue
        poster = story.by or "poster"
        if not graph.has_edge(poster, story.holder):
            graph.add_edge(poster, story.holder, awards=0, settled=0, paid=0.0)
        edge = graph.edges[poster, story.holder]
        edge["awards"] += 1
        edge["settled"] += story.settled
        edge["paid"] += (story.price or 0.0) if story.settled else 0.0
    return graph


def centrality(graph: nx.DiGraph[str]) -> dict[str, float]:
    """How much of the network's work runs through each: PageRank with awards as weights (Brin and Page 1998); an agent
    counts for more, the more it is awarded by those who are awarded much themselves. Sums to 1."""
    import networkx as nx

    return dict(nx.pagerank(graph, weight="awards")) if graph else {}
