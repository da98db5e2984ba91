"""What a simulated market is made of: its setting, and the work that is posted."""

from __future__ import annotations

from random import Random

from msgspec import Struct, field, structs

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


def job(number: int, draw: Random, *, alike: bool = False) -> Job:
    """The next piece of work: 500 to 3500 tokens (or the mean for all, where they are to be alike), worth 1.2 to 1.8
    a token."""
    tokens = TOKENS if alike else draw.uniform(0.25 * TOKENS, 1.75 * TOKENS)
    return Job(f"p{number}", number, draw.randrange(len(SKILLS)), tokens, tokens * draw.uniform(1.2, 1.8))
