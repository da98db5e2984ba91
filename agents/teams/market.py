"""A market: the planner posts the subtasks, agents bid for them, and what they deliver is judged and paid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agents.agent import Agent
from agents.asking import NO_BID, Bid, PlannedTask
from agents.limits import MENDINGS
from agents.settings import Trade
from agents.teams import door
from agents.teams.crew import SENT_BACK, assignment, on_duty, plan
from agents.teams.quality import JUDGEMENTS, Delivery, Floor
from agents.workspace import Workspace
from marketplace import mechanisms
from marketplace.board import Board, Posting, State
from marketplace.bus import NoReply, Undelivered
from marketplace.ledger import Ledger
from marketplace.mechanisms import MECHANISMS, Award, Terms
from marketplace.outside import Outside
from marketplace.reputation import Reputation, thompson
from traces.kernel import AgentCreated, BidMade

CALL_FOR_BIDS = """[subtask: {id}] {goal}
This work is on offer. Do you take it, for how many tokens, and how sure are you to get it right?"""


@dataclass(frozen=True)
class AgentBidder:
    """An agent as a Bidder: it reads the posting and bids, with nothing else in mind."""

    agent: Agent

    @property
    def name(self) -> str:
        return self.agent.name

    async def bid(self, posting: Posting) -> BidMade | None:
        text = CALL_FOR_BIDS.format(id=posting.id, goal=posting.goal)
        bid = await self.agent.fresh().ask(text, Bid, purpose="bid", otherwise=NO_BID)
        return BidMade(posting.id, self.name, bid.price, bid.confidence) if bid.take else None


async def market(work: Workspace) -> str:
    """Subtasks open when what they need has been accepted; the mechanism says who gets them, and they are paid for when
    they are accepted."""
    settings = work.settings
    planner, reviewer = work.one(settings.lead, "planner"), work.one(settings.reviewer, "reviewer")
    workers = work.staff()
    outside = Outside(work.record, settings.trade.outside.items())
    async with _open_door(work, outside), on_duty(work, [*workers, reviewer]) as group:
        tasks = await plan(work, planner, workers)
        trading = _Trading(Floor(work, planner, reviewer, workers), outside, tasks, group)
        await trading.trade()
    return trading.board.postings[tasks[-1].id].delivery or work.answer


@asynccontextmanager
async def _open_door(work: Workspace, outside: Outside) -> AsyncIterator[None]:
    """While inside, agents from outside can join, where the team lets any."""
    if not outside.agents:
        yield
        return
    for agent in outside.agents.values():
        work.bus.join(agent.name)
        work.record(AgentCreated(agent.name, agent.role, "outside"))
    async with door.serving(outside) as invitations:
        work.note("market", "outside", f"invitations in {invitations[0].parent}")
        yield


@dataclass
class _Trading:
    """Every open posting is called out at once, alone or in a round with the others where the mechanism is made for
    that; each that is awarded is then followed to its end by a small task of its own."""

    floor: Floor
    outside: Outside
    tasks: list[PlannedTask]
    group: asyncio.TaskGroup
    running: set[asyncio.Task[None]] = field(default_factory=set)
    called: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        work, trade = self.floor.work, self.floor.work.settings.trade
        self.trade_rules: Trade = trade
        self.deliveries = work.settings.stop.max_rounds or 1 + MENDINGS
        self.reputation = Reputation(work.record, known=trade.known)
        self.ledger = Ledger(work.record, fee_percent=trade.fee_percent)
        self.ledger.open(self.floor.poster.name, trade.reserve * len(self.tasks))
        for name in (*(worker.name for worker in self.floor.workers), *self.outside.agents):
            self.ledger.open(name, trade.endowment)
        self.planned = {task.id: task for task in self.tasks}
        self.draw = work.draw("market")
        name = work.settings.mechanism
        known = MECHANISMS.get(name)
        self.round = (known.most or len(self.tasks)) if known is not None and known.whole_round else 1
        self.board = Board(work.record, mechanisms.find(name), name, self._terms)
        for task in self.tasks:
            posting = Posting(task.id, task.goal, task.role, tuple(task.needs), self.deliveries - 1, trade.reposts)
            self.board.post(posting, by=self.floor.poster.name)

    async def trade(self) -> None:
        while not self.board.done:
            waiting = [p for p in self.board.in_state(State.OPEN) if p.id not in self.called]
            for start in range(0, len(waiting), self.round):
                called = waiting[start : start + self.round]
                self.called |= {posting.id for posting in called}
                self._run(self._call(called))
            done, _ = await asyncio.wait(self.running, return_when=asyncio.FIRST_COMPLETED)
            self.running -= done
            for task in done:
                task.result()

    def _run(self, job: Coroutine[Any, Any, None]) -> None:
        self.running.add(self.group.create_task(job))

    async def _beyond(self, postings: list[Posting]) -> list[list[BidMade]]:
        """The bids of agents from outside."""
        if not self.outside.agents:
            return []
        calls = [self.outside.bids(p.id, p.goal, p.role, self.trade_rules.call_s, p.failed) for p in postings]
        with self.floor.work.toolbox.waiting.working():
            return await asyncio.gather(*calls)

    def _terms(self) -> Terms:
        trusted = thompson(self.reputation, self.draw) if self.trade_rules.explore else self.reputation.mean
        reserve = {task.id: float(self.trade_rules.reserve) for task in self.tasks}
        skill = {task.id: task.role for task in self.tasks}
        return Terms(reserve, skill, trusted, self.draw.getrandbits(32) if self.trade_rules.explore else 0)

    async def _call(self, postings: list[Posting]) -> None:
        """Call for bids, and set those to work who are awarded something. What nobody wants is assigned."""
        asked = [bidder.bid(posting) for posting in postings for bidder in self._able(posting)]
        inside, beyond = await asyncio.gather(asyncio.gather(*asked), self._beyond(postings))
        bids = [bid for bid in inside if bid is not None]
        bids += [bid for some in beyond for bid in some]
        awards = self.board.trade(bids) if bids else []
        if not awards:
            assigned = [BidMade(p.id, self._able(p)[0].name, 0, 0.5, "nobody bid: assigned") for p in postings]
            awards = self.board.trade(assigned)
            awards = awards or [self.board.assign(b.posting, b.agent, "its mechanism awards nothing") for b in assigned]
        for award in awards:
            self._run(self._follow(self.board.postings[award.posting], award))
        self.called -= {p.id for p in postings if p.state is State.OPEN}

    def _able(self, posting: Posting) -> list[AgentBidder]:
        """Those of the role, without those it was taken from unless there are no others."""
        able = [AgentBidder(worker) for worker in self.floor.workers if worker.role == posting.role]
        return [bidder for bidder in able if bidder.name not in posting.failed] or able

    async def _follow(self, posting: Posting, award: Award) -> None:
        """From the award to the acceptance, or to being posted again."""
        self.ledger.hold(posting.id, self.floor.poster.name, award.agent, round(award.price))
        self.board.start(posting.id, award.agent)
        text = assigned = assignment(self.planned[posting.id], self._reports(posting))
        while True:
            try:
                content = await self._delivered(posting, award.agent, text)
            except (NoReply, Undelivered) as missing:
                self._fail(posting, str(missing))
                return
            self.board.deliver(posting.id, award.agent, content)
            self.floor.work.hand_in(award.agent, content)
            last = posting.sent_back + 1 >= self.deliveries
            taken_as_it_is = last and not self._may_repost(posting)
            problems = "" if taken_as_it_is else await self._judged(posting, assigned)
            if not taken_as_it_is:
                self.reputation.observe(award.agent, posting.role, not problems)
            if not problems:
                self._accept(posting, "last attempt, taken as it is" if taken_as_it_is else "")
                return
            if last:
                if award.agent in self.outside.agents:
                    self.outside.strike(award.agent, f"what it delivered for {posting.id} was not right")
                self._fail(posting, f"not right after {self.deliveries} deliveries")
                return
            self.board.send_back(posting.id, by=self.floor.reviewer.name, reason=problems)
            text = SENT_BACK.format(id=posting.id, problems=problems)

    async def _delivered(self, posting: Posting, agent: str, text: str) -> str:
        """Raises NoReply where it is not delivered in time, Undelivered where its holder's inbox is full."""
        bus, poster, within_s = self.floor.work.bus, self.floor.poster.name, self.trade_rules.deadline_s
        if agent not in self.outside.agents:
            reply = await bus.ask(poster, agent, text, kind="award", trusted=False, within_s=within_s)
            return reply.content
        bus.send(poster, text, to=agent, kind="award", trusted=False)
        within_s = within_s or self.trade_rules.outside_s
        with self.floor.work.toolbox.waiting.working():
            content = await self.outside.work(agent, posting.id, posting.goal, text, within_s)
        if content is None:
            raise NoReply(f"{agent} did not deliver to {poster} within {within_s:g} s")
        bus.send(agent, content, to=poster, kind="report", trusted=False)
        return content

    async def _judged(self, posting: Posting, assigned: str) -> str:
        reports = self._reports(posting)
        rests_on = "\n".join(reports[need] for need in posting.needs if need in reports)
        return await JUDGEMENTS[self.trade_rules.quality](self.floor, Delivery(posting, assigned, rests_on))

    def _reports(self, posting: Posting) -> dict[str, str]:
        return {need: self.board.postings[need].delivery for need in posting.needs}

    def _may_repost(self, posting: Posting) -> bool:
        return posting.reposts is None or posting.reposted < posting.reposts

    def _accept(self, posting: Posting, reason: str) -> None:
        self.board.accept(posting.id, by=self.floor.reviewer.name, reason=reason)
        self.ledger.pay(posting.id)
        self.board.settle(posting.id)

    def _fail(self, posting: Posting, reason: str) -> None:
        """Its holder was late, or did not get it right: somebody else may try; without another try it expires, and what
        needs it with it."""
        again = self._may_repost(posting)
        if posting.state is not State.DELIVERED:  # a delivery that was not good enough has been counted
            self.reputation.observe(posting.holder, posting.role, False)
        if again:
            self.board.repost(posting.id, reason)
        else:
            self.board.close(posting.id, State.EXPIRED, reason)
        penalty = self.ledger.escrows[posting.id].amount * self.trade_rules.penalty_percent // 100
        self.ledger.refund(posting.id, cause="task_reposted" if again else "task_closed", penalty=penalty)
        self.called.discard(posting.id)
