"""A market of simulated bidders, from the first posting to the last, under the virtual clock.

Postings come in at random times. Each is called out to a few agents of its skill, who bid in the order in which they
answer; after a while the mechanism awards. The winner does its work one piece after the other, and delivers, fails, or
never delivers; what failed is put up again. All of it goes through the board and all money through the ledger; what is
drawn comes from the seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from experiments.market import population
from experiments.market.agenda import Agenda
from experiments.market.bidders import IDLERS
from experiments.market.population import ENDOWMENT, PACE, PLACES, SKILLS, TOKENS, Job, Setting, Trader
from experiments.market.tally import Summary, Tally
from marketplace import mechanisms
from marketplace.board import Board, Posting, State
from marketplace.ledger import Ledger
from marketplace.mechanisms import MECHANISMS, Award, Terms
from marketplace.reputation import Reputation
from traces import clock
from traces.errors import InputError
from traces.kernel import BidMade, Event
from traces.streams import stream

CALL_S = 2.0  # from a call for bids to the award
ROUND = 32
TOGETHER = 16  # postings that come in while a slot of the agenda lasts
POSTER = "poster"

Record = Callable[[Event], object]


def check(setting: Setting) -> Setting:
    """The setting with everything picked that it leaves open. Raises InputError for what cannot be simulated."""
    mechanisms.find(setting.mechanism)
    for name, least in (("agents", 1), ("tasks", 1), ("reach", 1), ("tries", 1), ("round", 0), ("trace", 0)):
        if getattr(setting, name) < least:
            raise InputError(f"--{name}: {getattr(setting, name)} is too few: give at least {least}")
    if not 0 < setting.load <= 1:
        raise InputError(f"--load: {setting.load:g} is no share of the agents' time: give more than 0, at most 1")
    for name in ("fee_percent", "penalty_percent"):
        if not 0 <= getattr(setting, name) <= 100:
            raise InputError(f"--{name.replace('_', '-')}: {getattr(setting, name)} is no share: give 0 to 100")
    if setting.round:
        return setting
    known = MECHANISMS.get(setting.mechanism)
    whole = {"bundles": 8}.get(setting.mechanism, ROUND) if known and known.whole_round else 1
    return msgspec.structs.replace(setting, round=whole)


class Market:
    """One simulated market. `record` is given the events of every posting, `watch` how many jobs have ended, now and
    then; `traders` are the setting's population unless they are given."""

    def __init__(
        self,
        setting: Setting,
        record: Record = lambda event: None,
        watch: Callable[[int], object] = lambda ended: None,
        traders: list[Trader] | None = None,
    ) -> None:
        self.setting = setting = check(setting)
        self.traders = population.traders(setting) if traders is None else traders
        self.standing = Reputation()
        self.tally = Tally(setting, self.traders)
        self._watch = watch
        self._by_name = {trader.name: trader for trader in self.traders}
        self._by_skill = [[t for t in self.traders if t.skill == n] for n in range(len(SKILLS))]
        self._reserve: dict[str, float] = {}
        self._skill: dict[str, str] = {}
        terms = Terms(self._reserve, self._skill, self.standing.mean, setting.seed)
        self._board = Board(record, mechanisms.find(setting.mechanism), setting.mechanism, lambda: terms)
        self.ledger = Ledger(record, fee_percent=setting.fee_percent)
        self.ledger.open(POSTER, setting.tasks * population.DEAREST)
        for trader in self.traders:
            self.ledger.open(trader.name, ENDOWMENT)
        self._draw = {name: stream(setting.seed, "market", name) for name in ("arrivals", "jobs", "calls", "work")}
        self._alike = setting.mechanism == "double_auction"
        self._rate = setting.load * setting.agents / (PACE * TOKENS)
        self._agenda = Agenda(TOGETHER / self._rate)
        self._now = 0.0
        self._rounds: list[list[Job]] = [[] for _ in SKILLS]

    async def run(self) -> Summary:
        """Until every job has ended."""
        start = asyncio.get_running_loop().time()
        self._later(0.0, self._arrive, 0)
        while self._agenda or self._flush():
            when, action, arguments = self._agenda.take()
            if when > self._now:
                await clock.until(start + when)
                self._now = when
            action(*arguments)
        return self.tally.summary(self._now, self._reputation, self.ledger)

    def _reputation(self, trader: Trader) -> float:
        return self.standing.mean(trader.name, SKILLS[trader.skill])

    def _later(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        self._agenda.put(self._now + seconds, action, arguments)

    def _flush(self) -> bool:
        """Close the rounds that nothing more will come to fill."""
        for jobs in self._rounds:
            if jobs:
                self._later(CALL_S, self._close, tuple(jobs))
                jobs.clear()
        return bool(self._agenda)

    def _arrive(self, number: int) -> None:
        self._post(population.job(number, self._draw["jobs"], alike=self._alike))
        if number + 1 < self.setting.tasks:
            self._later(self._draw["arrivals"].expovariate(self._rate), self._arrive, number + 1)

    def _post(self, job: Job) -> None:
        skill = SKILLS[job.skill]
        self._reserve[job.id], self._skill[job.id] = job.value, skill
        self._board.post(Posting(job.id, f"{job.tokens:.0f} tokens of {skill}", skill), by=POSTER)
        round_ = self._rounds[job.skill]
        round_.append(job)
        if len(round_) >= self.setting.round:
            self._later(CALL_S, self._close, tuple(round_))
            round_.clear()

    def _close(self, jobs: tuple[Job, ...]) -> None:
        """The call is over: those who were asked have bid, and the mechanism awards."""
        bids: list[BidMade] = []
        for job in jobs:
            asked = self._asked(job)
            bids += self._bids(job, asked)
            self.tally.called(job, asked, self._now)
        awards = {award.posting: award for award in self._board.trade(bids)} if bids else {}
        for job in jobs:
            if job.id in awards:
                self._begin(job, awards[job.id])
            else:
                self._board.close(job.id, State.EXPIRED, "no bid was taken")
                self._again(job)

    def _asked(self, job: Job) -> list[Trader]:
        """Agents of the skill with room for more, drawn at random, in the order in which they answer."""
        pool = self._by_skill[job.skill]
        heard = self._draw["calls"].sample(pool, min(self.setting.reach, len(pool)))
        free = [trader for trader in heard if trader.in_hand < PLACES]
        return sorted(free, key=lambda trader: trader.reply_s)

    def _bids(self, job: Job, asked: list[Trader]) -> list[BidMade]:
        posting, bids = job.id, []
        for trader, sight in zip(asked, population.sights(job, asked, self._now), strict=True):
            offer = trader.bid(sight)
            if offer is not None:
                trader.bids += 1
                bids.append(BidMade(posting, trader.name, offer.price, offer.confidence, seconds=offer.seconds))
        return bids

    def _begin(self, job: Job, award: Award) -> None:
        """The winner queues the work behind what it has in hand; it is due at the deadline."""
        trader = self._by_name[award.agent]
        self.ledger.hold(job.id, POSTER, trader.name, round(award.price))
        self.tally.awarded(job, trader, award.price, self._now)
        trader.in_hand += 1
        if trader.strategy in IDLERS:
            self._later(job.slack_s, self._fail, job, trader, "never_delivered")
            return
        work_s = trader.pace * job.tokens
        trader.free_at = max(self._now, trader.free_at) + work_s
        trader.busy_s += work_s
        trader.spent += trader.rate * job.tokens
        due_s = trader.free_at - self._now
        if due_s > job.slack_s:
            self._later(job.slack_s, self._fail, job, trader, "missed_deadline")
        else:
            self._later(due_s, self._deliver, job, trader)

    def _deliver(self, job: Job, trader: Trader) -> None:
        self._board.deliver(job.id, trader.name, "done")
        if self._draw["work"].random() >= trader.quality:
            self._board.send_back(job.id, by=POSTER, reason="not good enough")
            self._fail(job, trader, "rejected")
            return
        self._board.accept(job.id, by=POSTER)
        trader.earned += self.ledger.pay(job.id)
        self._board.settle(job.id)
        self._over(trader, job, accepted=True)
        trader.settled += 1
        self.tally.settled(job, trader)
        self._let_go(job)

    def _fail(self, job: Job, trader: Trader, why: str) -> None:
        self._over(trader, job, accepted=False)
        trader.failed += 1
        self._board.close(job.id, State.WITHDRAWN, why)
        due = self.ledger.escrows[job.id].amount * self.setting.penalty_percent // 100
        penalty = self.ledger.refund(job.id, cause="task_closed", penalty=due)
        trader.earned -= penalty
        self.tally.failed(job, trader, why, penalty)
        self._again(job)

    def _over(self, trader: Trader, job: Job, *, accepted: bool) -> None:
        trader.in_hand -= 1
        self.standing.observe(trader.name, SKILLS[job.skill], accepted)

    def _again(self, job: Job) -> None:
        """Its posting is off the board; the job is put up once more while it has tries left."""
        again = job.attempt < self.setting.tries
        self._let_go(job, ended=not again)
        if again:
            self._post(job.again())

    def _let_go(self, job: Job, *, ended: bool = True) -> None:
        self._board.forget(job.id)
        del self._reserve[job.id], self._skill[job.id]
        if ended and self.tally.end() % 1000 == 0:
            self._watch(self.tally.ended)
