"""A market of simulated bidders, from the first posting to the last, under the virtual clock.

Postings come in at random times. Each is called out to a few agents of its skill, who bid in the order in which they
answer; after a while the mechanism awards. The winner does its work one piece after the other, and delivers, fails, or
never delivers; what failed is put up again. All of it goes through the board and all money through the ledger; what is
drawn comes from the seed.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from experiments.market import population
from experiments.market.agenda import Agenda
from experiments.market.bidders import IDLERS, STRATEGIES
from experiments.market.population import ENDOWMENT, PACE, SKILLS, TOKENS, Job, Setting
from experiments.market.tally import Summary, Tally
from experiments.market.traders import KIND, KINDS, NUMBER, REPUTATION, Row, Traders, named, numbered, sights
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
SELDOM = 1_000_000  # objects more, each a container, before the garbage collector looks
POSTER = "poster"
_BIDS = tuple(STRATEGIES[kind] for kind in KINDS)

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


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """With a garbage collector that seldom looks: nothing of a market is in a cycle. What a mechanism or a watcher
    from elsewhere leaves is still found."""
    often = gc.get_threshold()
    gc.set_threshold(SELDOM, *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)


class Market:
    """One simulated market. `record` is given the events of every posting, `watch` how many jobs have ended, now and
    then; `traders` are the setting's population unless they are given."""

    def __init__(
        self,
        setting: Setting,
        record: Record = lambda event: None,
        watch: Callable[[int], object] = lambda ended: None,
        traders: Traders | None = None,
    ) -> None:
        self.setting = setting = check(setting)
        self.traders = Traders(setting) if traders is None else traders
        self.standing = Reputation()
        self.tally = Tally(setting, self.traders)
        self._watch = watch
        self._reserve: dict[str, float] = {}  # of the round that is being awarded, like the next two
        self._skill: dict[str, str] = {}
        self._known: dict[str, float] = {}
        terms = Terms(self._reserve, self._skill, lambda agent, skill: self._known[agent], setting.seed)
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
        with _seldom_collected():
            while self._agenda or self._flush():
                when, action, arguments = self._agenda.take()
                if when > self._now:
                    await clock.until(start + when)
                    self._now = when
                action(*arguments)
        return self.tally.summary(self._now, self.ledger)

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
        self._board.post(Posting(job.id, f"{job.tokens:.0f} tokens of {skill}", skill), by=POSTER)
        round_ = self._rounds[job.skill]
        round_.append(job)
        if len(round_) >= self.setting.round:
            self._later(CALL_S, self._close, tuple(round_))
            round_.clear()

    def _close(self, jobs: tuple[Job, ...]) -> None:
        """The call is over: those who were asked have bid, and the mechanism awards."""
        for about in (self._reserve, self._skill, self._known):
            about.clear()
        bids: list[BidMade] = []
        for job in jobs:
            self._reserve[job.id], self._skill[job.id] = job.value, SKILLS[job.skill]
            asked = self.traders.asked(job.skill, self.setting.reach, self._draw["calls"])
            bids += self._bids(job, asked)
            self.tally.called(job, asked, self._now)
        awards = {award.posting: award for award in self._board.trade(bids)} if bids else {}
        for job in jobs:
            if job.id in awards:
                self._begin(job, awards[job.id])
            else:
                self._board.close(job.id, State.EXPIRED, "no bid was taken")
                self._again(job)

    def _bids(self, job: Job, asked: list[Row]) -> list[BidMade]:
        posting, bids = job.id, []
        for row, sight in zip(asked, sights(job, asked, self._now), strict=True):
            offer = _BIDS[row[KIND]](sight)
            if offer is not None:
                name = named(row[NUMBER])
                self._known[name] = row[REPUTATION]
                self.tally.bids[row[KIND]] += 1
                bids.append(BidMade(posting, name, offer.price, offer.confidence, seconds=offer.seconds))
        return bids

    def _begin(self, job: Job, award: Award) -> None:
        """The winner queues the work behind what it has in hand; it is due at the deadline."""
        number = numbered(award.agent)
        self.ledger.hold(job.id, POSTER, award.agent, round(award.price))
        self.tally.awarded(job, number, award.price, self._now)
        if self.traders.strategy(number) in IDLERS:
            self.traders.idles(number)
            self._later(job.slack_s, self._fail, job, number, "never_delivered")
            return
        due_s = self.traders.works(number, job.tokens, self._now) - self._now
        if due_s > job.slack_s:
            self._later(job.slack_s, self._fail, job, number, "missed_deadline")
        else:
            self._later(due_s, self._deliver, job, number)

    def _deliver(self, job: Job, number: int) -> None:
        self._board.deliver(job.id, named(number), "done")
        if not self.traders.succeeds(number, self._draw["work"]):
            self._board.send_back(job.id, by=POSTER, reason="not good enough")
            self._fail(job, number, "rejected")
            return
        self._board.accept(job.id, by=POSTER)
        paid = self.ledger.pay(job.id)
        self._board.settle(job.id)
        self._over(job, number, True, paid)
        self.tally.settled(job)
        self._let_go(job)

    def _fail(self, job: Job, number: int, why: str) -> None:
        self._board.close(job.id, State.WITHDRAWN, why)
        due = self.ledger.escrows[job.id].amount * self.setting.penalty_percent // 100
        penalty = self.ledger.refund(job.id, cause="task_closed", penalty=due)
        self._over(job, number, False, -penalty)
        self.tally.failed(why, penalty)
        self._again(job)

    def _over(self, job: Job, number: int, accepted: bool, earned: int) -> None:
        reputation = self.standing.observe(named(number), SKILLS[job.skill], accepted)
        self.traders.over(number, accepted, reputation, earned)

    def _again(self, job: Job) -> None:
        """Its posting is off the board; the job is put up once more while it has tries left."""
        again = job.attempt < self.setting.tries
        self._let_go(job, ended=not again)
        if again:
            self._post(job.again())

    def _let_go(self, job: Job, *, ended: bool = True) -> None:
        self._board.forget(job.id)
        if ended and self.tally.end() % 1000 == 0:
            self._watch(self.tally.ended)
