"""A market: the planner posts the subtasks, agents bid for them, a reviewer accepts what is delivered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agents.agent import Agent
from agents.asking import Bid, PlannedTask
from agents.teams.crew import REVIEW, SENT_BACK, assignment, on_duty, plan
from agents.workspace import Workspace
from marketplace import mechanisms
from marketplace.board import Board, Posting, State
from traces.errors import MalformedOutput
from traces.kernel import BidMade

DELIVERIES = 3

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
        try:
            bid = await self.agent.fresh().ask(text, Bid, purpose="bid")
        except MalformedOutput:  # a bid that cannot be read is no bid; the trace has why
            return None
        return BidMade(posting.id, self.name, bid.price, bid.confidence) if bid.take else None


async def market(work: Workspace) -> str:
    """Subtasks open when what they need has been accepted; the lowest sealed bid gets the work."""
    settings = work.settings
    planner, reviewer = work.one(settings.lead, "planner"), work.one(settings.reviewer, "reviewer")
    workers = work.staff()
    board = Board(work.record, mechanisms.find(settings.mechanism), settings.mechanism)
    async with on_duty(work, [*workers, reviewer]) as group:
        tasks = await plan(work, planner, workers)
        floor = _Floor(work, board, planner, reviewer, workers, {task.id: task for task in tasks}, group)
        for task in tasks:
            board.post(Posting(task.id, task.goal, task.role, tuple(task.needs)), by=planner.name)
        await floor.trade()
    return board.postings[tasks[-1].id].delivery


@dataclass
class _Floor:
    """Trading: every open posting is traded at once, each by its own small task."""

    work: Workspace
    board: Board
    planner: Agent
    reviewer: Agent
    workers: list[Agent]
    tasks: dict[str, PlannedTask]
    group: asyncio.TaskGroup

    async def trade(self) -> None:
        running: dict[asyncio.Task[None], str] = {}
        while not self.board.done:
            for posting in self.board.in_state(State.OPEN):
                if posting.id not in running.values():
                    running[self.group.create_task(self._one(posting))] = posting.id
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del running[task]
                task.result()

    async def _one(self, posting: Posting) -> None:
        able = [AgentBidder(w) for w in self.workers if w.role == posting.role]
        deliveries = self.work.settings.stop.max_rounds or DELIVERIES
        bids = [bid for bid in await asyncio.gather(*(b.bid(posting) for b in able)) if bid is not None]
        award = self.board.award(
            posting.id, bids or [BidMade(posting.id, able[0].name, 0, 0.5, "nobody bid: assigned")]
        )
        reports = {p.id: p.delivery for p in self.board.in_state(State.SETTLED)}
        text = assignment(self.tasks[posting.id], reports)
        for attempt in range(1, deliveries + 1):
            reply = await self.work.bus.ask(self.planner.name, award.agent, text, kind="award", trusted=False)
            self.board.deliver(posting.id, award.agent, reply.content)
            self.work.hand_in(award.agent, reply.content)
            problems = "" if attempt == deliveries else await self._review(posting, reports)
            if not problems:
                break
            self.board.send_back(posting.id, by=self.reviewer.name, reason=problems)
            text = SENT_BACK.format(id=posting.id, problems=problems)
        reason = "last attempt, taken as it is" if problems == "" and attempt == deliveries else ""
        self.board.accept(posting.id, by=self.reviewer.name, reason=reason)

    async def _review(self, posting: Posting, reports: dict[str, str]) -> str:
        rests_on = "\n".join(reports[need] for need in posting.needs if need in reports)
        delivery = f"{posting.delivery}\n\nIt rests on:\n{rests_on}" if rests_on else posting.delivery
        text = REVIEW.format(id=posting.id, goal=posting.goal, delivery=delivery)
        reply = await self.work.bus.ask(self.planner.name, self.reviewer.name, text, kind="review", trusted=False)
        return reply.content if reply.kind == "problems" else ""
