"""Who is in a simulated market: agents with costs, qualities and speeds of their own, and the work that is posted."""

from __future__ import annotations

from random import Random

from msgspec import Struct, field, structs

from experiments.market.bidders import STRATEGIES, Sight, Strategy
from traces.streams import stream

SKILLS = ("research", "coding", "review", "writing", "data", "design", "testing", "support")
PLACES = 3  # how much an agent takes on at once
PACE = 0.02  # seconds a token, in the mean
TOKENS = 2000  # of a posting, in the mean
DEAREST = 6300  # tokens that a job may be worth at most: 1.75 times the mean, at 1.8 a token
ENDOWMENT = 2000  # what each trader has to begin with, in tokens
SLACK = 4.0  # a deadline is this many times what the work takes at the mean pace


MIX = {
    "shading": 0.4,
    "truthful": 0.1,
    "capacity_aware": 0.2,
    "overconfident": 0.1,
    "newcomer": 0.05,
    "ring": 0.1,
    "never_delivers": 0.05,
}


class Setting(Struct, frozen=True):
    """A simulated market. `mix`: shares of the strategies. `reach`: how many agents of its skill hear of a posting.
    `load`: the share of all agents' time that the work would fill. `tries`: how often a posting is put up, at most.
    `round`: how many postings of a skill are traded together; 0 picks by the mechanism. `trace`: about how many
    postings are recorded. `fee_percent`: of each payment, to the market. `penalty_percent`: of the price, from who
    fails to its poster, as far as it has it; each trader starts with ENDOWMENT tokens."""

    agents: int
    tasks: int
    mechanism: str = "scored"
    seed: int = 1
    mix: dict[str, float] = field(default_factory=lambda: dict(MIX))
    reach: int = 8
    load: float = 0.5
    tries: int = 3
    round: int = 0
    trace: int = 1000
    fee_percent: int = 2
    penalty_percent: int = 10


class Trader(Struct, gc=False):
    """An agent of the market, and what has become of it. `rate`: its cost a token of work; `pace`: its seconds a token;
    `reply_s`: how long it takes to answer a call. `free_at`: when all it has in hand will be done. `earned`: payments
    less fees and penalties."""

    name: str
    skill: int
    strategy: str
    bid: Strategy
    rate: float
    quality: float
    pace: float
    reply_s: float
    in_hand: int = 0
    free_at: float = 0.0
    busy_s: float = 0.0
    bids: int = 0
    awards: int = 0
    settled: int = 0
    failed: int = 0
    earned: int = 0
    spent: float = 0.0


class Job(Struct, frozen=True, gc=False):
    """A piece of work, as it stands on the board under `id`; each attempt has a posting of its own. `value`: what it
    is worth to its poster, which is the reserve."""

    id: str
    number: int
    skill: int
    tokens: float
    value: float
    attempt: int = 1

    @property
    def slack_s(self) -> float:
        return SLACK * PACE * self.tokens

    def again(self) -> Job:
        """The same, put up once more."""
        attempt = self.attempt + 1
        return structs.replace(self, id=f"p{self.number}.{attempt}", attempt=attempt)


def traders(setting: Setting) -> list[Trader]:
    """The agents: costs uniform from 0.5 to 1.5 a token, qualities Beta(8, 2), paces uniform around the mean."""
    draw = stream(setting.seed, "market", "agents")
    names = list(setting.mix)
    strategies = draw.choices(names, list(setting.mix.values()), k=setting.agents)
    return [_trader(n, strategy, draw) for n, strategy in enumerate(strategies)]


def _trader(number: int, strategy: str, draw: Random) -> Trader:
    return Trader(
        name=f"a{number}",
        skill=number % len(SKILLS),
        strategy=strategy,
        bid=STRATEGIES[strategy],
        rate=draw.uniform(0.5, 1.5),
        quality=draw.betavariate(8, 2) if strategy != "never_delivers" else 0.0,
        pace=draw.uniform(0.5 * PACE, 1.5 * PACE),
        reply_s=draw.uniform(0.2, 1.8),
    )


def job(number: int, draw: Random, *, alike: bool = False) -> Job:
    """The next piece of work: 500 to 3500 tokens (or the mean for all, where they are to be alike), worth 1.2 to 1.8
    a token."""
    tokens = TOKENS if alike else draw.uniform(0.25 * TOKENS, 1.75 * TOKENS)
    return Job(f"p{number}", number, draw.randrange(len(SKILLS)), tokens, tokens * draw.uniform(1.2, 1.8))


def sights(job: Job, asked: list[Trader], now: float) -> list[Sight]:
    """What each of the agents that are asked about a job sees."""
    ring = [agent.rate / agent.quality for agent in asked if agent.strategy == "ring"]
    rivals, slack_s = len(asked) - 1, job.slack_s
    return [_sight(job, agent, rivals, slack_s, ring, now) for agent in asked]


def _sight(job: Job, agent: Trader, rivals: int, slack_s: float, ring: list[float], now: float) -> Sight:
    unit = agent.rate / agent.quality if agent.quality else agent.rate
    allied = agent.strategy == "ring"
    return Sight(
        cost=unit * job.tokens,
        quality=agent.quality,
        reserve=job.value,
        rivals=rivals,
        allies=len(ring) - 1 if allied else 0,
        cheapest=allied and unit <= min(ring),
        work_s=agent.pace * job.tokens,
        wait_s=max(0.0, agent.free_at - now),
        slack_s=slack_s,
        in_hand=agent.in_hand,
        places=PLACES,
        settled=agent.settled,
    )


def worth(job: Job, agent: Trader, now: float) -> float:
    """The welfare to expect if this agent takes this job now: its value by the chance of success, less the true cost.
    Work that would be late is worth nothing, and costs what it costs."""
    if not agent.quality:
        return 0.0
    late = max(0.0, agent.free_at - now) + agent.pace * job.tokens > job.slack_s
    return (0.0 if late else job.value * agent.quality) - agent.rate * job.tokens
