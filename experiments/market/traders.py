"""The agents of a simulated market: what they are, and what has become of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from operator import itemgetter
from random import Random
from typing import Final

from msgspec import Struct

from experiments.market.bidders import STRATEGIES, Sight
from experiments.market.population import PACE, PLACES, SKILLS, Job, Setting
from marketplace.reputation import Reputation
from traces.streams import stream

KINDS = tuple(STRATEGIES)
_UNKNOWN = Reputation().mean("", "")
_RING = KINDS.index("ring")
_ROW = struct.Struct("=4q6d2q2d")  # a trader's fields in their order
_SEEN = struct.Struct("=4q6d")  # those that a call looks at
_WIDTH = 16  # numbers to a row: two lines of a processor's cache
_BYTES = 8 * _WIDTH
_MANY = 12  # times as many as are wanted


class Trader(Struct, frozen=True, gc=False):
    """An agent as it stands at a moment. `kind`: its strategy, by number. `in_hand`: what it has been awarded and not
    done yet. `rate`: its cost a token of work; `quality`: its chance of being accepted; `pace`: its seconds a token;
    `reply_s`: how long it takes to answer a call. `free_at`: when all it has in hand will be done. `reputation`: what
    is thought of it. `earned`: payments less fees and penalties. `busy_s`, `spent`: the seconds and the tokens of all
    its work."""

    number: int
    kind: int
    in_hand: int
    settled: int
    rate: float
    quality: float
    pace: float
    reply_s: float
    free_at: float
    reputation: float
    failed: int
    earned: int
    busy_s: float
    spent: float

    @property
    def name(self) -> str:
        return named(self.number)

    @property
    def strategy(self) -> str:
        return KINDS[self.kind]

    @property
    def skill(self) -> int:
        return self.number % len(SKILLS)


def named(number: int) -> str:
    return f"a{number}"


def numbered(name: str) -> int:
    return int(name[1:])


Row = tuple[int, int, int, int, float, float, float, float, float, float]
"""The first ten fields of a trader, which are all that a call for bids looks at."""
NUMBER: Final = 0
KIND: Final = 1
REPUTATION: Final = 9
_IN_HAND, _SETTLED, _RATE, _QUALITY, _PACE, _REPLY_S, _FREE_AT = range(2, 9)
_FAILED, _EARNED, _BUSY_S, _SPENT = range(10, 14)
_in_order = itemgetter(_REPLY_S)


class Traders:
    """All agents of a market, by number: costs uniform from 0.5 to 1.5 a token, qualities Beta(8, 2), paces uniform
    around the mean.

    They stand in one table, an agent's numbers side by side: the objects of a hundred thousand agents would lie all
    over the memory, and a call, which looks at eight agents, would wait for it.
    """

    def __init__(self, setting: Setting) -> None:
        draw = stream(setting.seed, "market", "agents")
        names = list(setting.mix)
        strategies = draw.choices(names, list(setting.mix.values()), k=setting.agents)
        self._table = bytearray(_BYTES * setting.agents)
        for number, strategy in enumerate(strategies):
            _ROW.pack_into(self._table, number * _BYTES, *_drawn(number, strategy, draw))
        self._skilled = [range(skill, setting.agents, len(SKILLS)) for skill in range(len(SKILLS))]
        self._whole = memoryview(self._table).cast("q")
        self._real = memoryview(self._table).cast("d")

    def __len__(self) -> int:
        return len(self._table) // _BYTES

    def __getitem__(self, number: int) -> Trader:
        return Trader(*_ROW.unpack_from(self._table, number * _BYTES))

    def __iter__(self) -> Iterator[Trader]:
        return (self[number] for number in range(len(self)))

    def strategy(self, number: int) -> str:
        return KINDS[self._whole[number * _WIDTH + KIND]]

    def asked(self, skill: int, most: int, draw: Random) -> list[Row]:
        """At most so many of a skill, drawn at random: those with room for more, in the order in which they answer."""
        table, seen = self._table, _SEEN.unpack_from
        rows = [seen(table, number * _BYTES) for number in _some(self._skilled[skill], most, draw)]
        return sorted([row for row in rows if row[_IN_HAND] < PLACES], key=_in_order)

    def idles(self, number: int) -> None:
        """It takes work that it will never do."""
        self._whole[number * _WIDTH + _IN_HAND] += 1

    def works(self, number: int, tokens: float, now: float) -> float:
        """It takes work behind what it has in hand; when that will be done."""
        place, real = number * _WIDTH, self._real
        self._whole[place + _IN_HAND] += 1
        seconds = real[place + _PACE] * tokens
        until = real[place + _FREE_AT] = max(now, real[place + _FREE_AT]) + seconds
        real[place + _BUSY_S] += seconds
        real[place + _SPENT] += real[place + _RATE] * tokens
        return until

    def succeeds(self, number: int, draw: Random) -> bool:
        """Whether a delivery of its is good enough."""
        return draw.random() < self._real[number * _WIDTH + _QUALITY]

    def over(self, number: int, accepted: bool, reputation: float, earned: int) -> None:
        """What it had been awarded has been accepted or has failed, and this is what is now thought of it."""
        place, whole = number * _WIDTH, self._whole
        whole[place + _IN_HAND] -= 1
        whole[place + (_SETTLED if accepted else _FAILED)] += 1
        whole[place + _EARNED] += earned
        self._real[place + REPUTATION] = reputation


def _some(of: range, most: int, draw: Random) -> Iterable[int]:
    """Different ones, each as likely. Few of many are drawn as `Random.sample` does it, less its care for the rest."""
    many = len(of)
    if many < _MANY * most:
        return draw.sample(of, min(most, many))
    bits, drawn = many.bit_length(), dict[int, None]()
    while len(drawn) < most:
        place = draw.getrandbits(bits)
        if place < many:
            drawn[of[place]] = None
    return drawn


def _drawn(number: int, strategy: str, draw: Random) -> tuple[float, ...]:
    rate = draw.uniform(0.5, 1.5)
    quality = draw.betavariate(8, 2) if strategy != "never_delivers" else 0.0
    pace = draw.uniform(0.5 * PACE, 1.5 * PACE)
    reply_s = draw.uniform(0.2, 1.8)
    return (number, KINDS.index(strategy), 0, 0, rate, quality, pace, reply_s, 0.0, _UNKNOWN, 0, 0, 0.0, 0.0)


def sights(job: Job, asked: list[Row], now: float) -> list[Sight]:
    """What each of the agents that are asked about a job sees."""
    ring = [row[_RATE] / row[_QUALITY] for row in asked if row[KIND] == _RING]
    rivals, tokens, value, slack_s = len(asked) - 1, job.tokens, job.value, job.slack_s
    allies, cheapest = len(ring) - 1, min(ring, default=0.0)
    found = []
    for _, kind, in_hand, settled, rate, quality, pace, _, free_at, _ in asked:
        unit, wait_s, work_s = rate / quality if quality else rate, max(0.0, free_at - now), pace * tokens
        among, first = (allies, unit <= cheapest) if kind == _RING else (0, False)
        cost = unit * tokens
        found.append(
            Sight(cost, quality, value, rivals, among, first, work_s, wait_s, slack_s, in_hand, PLACES, settled)
        )
    return found


def worth(job: Job, agent: Trader, now: float) -> float:
    """The welfare to expect if this agent takes this job now: its value by the chance of success, less the true cost.
    Work that would be late is worth nothing, and costs what it costs."""
    if not agent.quality:
        return 0.0
    late = max(0.0, agent.free_at - now) + agent.pace * job.tokens > job.slack_s
    return (0.0 if late else job.value * agent.quality) - agent.rate * job.tokens
