"""The running sums of a simulated market, and the summary that they come to."""

from __future__ import annotations

from collections import Counter
from statistics import fmean, median

from msgspec import Struct

from experiments.market.population import PLACES, Job, Setting
from experiments.market.traders import KINDS, NUMBER, Row, Trader, Traders, worth
from marketplace import measures
from marketplace.ledger import HOUSE, MINT, Ledger

WINDOW = 200
WINDOWS = 50
KEPT_PRICES = 100_000


class Lot(Struct, frozen=True):
    """How one strategy fared. `share`: of all awards; `won`: awards by bids; `accepted`: settled by awards that ended;
    `profit`: earned less spent, a trader, in tokens; `early` and `late`: its share of awards in the first and the last
    tenth of the jobs; `reputation`: the mean over its traders that were awarded anything."""

    traders: int
    bids: int
    awards: int
    share: float
    won: float | None
    accepted: float | None
    profit: float
    early: float
    late: float
    reputation: float | None


class Summary(Struct, frozen=True):
    """What a simulated market came to. Welfare is value of what settled less true costs, in tokens. `efficiency` is the
    welfare to expect from the awards by that from the best assignment of the same postings to those who were asked and
    had room, over sampled windows of consecutive calls. `price` is the mean price by reserve of the awards. `idle`: the
    share of all traders' time without work. `gini` and `hhi` are of what traders earned, losses as 0. `fees` are what
    the market took, `penalties` what failing traders paid to the poster, in tokens; `imbalance` is the sum of all
    accounts, 0 where no token was made or lost, and `overdrawn` how many accounts are below 0."""

    mechanism: str
    agents: int
    tasks: int
    seed: int
    seconds: float
    settled: int
    given_up: int
    calls: int
    unanswered: int
    failures: dict[str, int]
    failure_rate: float | None
    welfare: float
    welfare_per_job: float
    efficiency: float | None
    price: float | None
    price_median: float | None
    idle: float
    gini: float
    hhi: float
    fees: int
    penalties: int
    imbalance: int
    overdrawn: int
    strategies: dict[str, Lot]


class Tally:
    """Counts what happens in one market."""

    def __init__(self, setting: Setting, traders: Traders) -> None:
        self.setting, self.traders = setting, traders
        self.ended = 0
        self.bids = [0] * len(KINDS)
        """By the kind of trader."""
        self._settled = self._calls = self._awards = 0
        self._value = 0.0
        self._penalties = 0
        self._failures: Counter[str] = Counter()
        self._prices: list[float] = []
        self._price_sum = 0.0
        self._tenth = max(1, setting.tasks // 10)
        self._early: Counter[str] = Counter()
        self._late: Counter[str] = Counter()
        self._window = _Window(setting.tasks, traders)

    def called(self, job: Job, asked: list[Row], now: float) -> None:
        self._calls += 1
        self._window.called(self._calls - 1, job, asked, now)

    def awarded(self, job: Job, number: int, price: float, now: float) -> None:
        self._awards += 1
        by_reserve = price / job.value
        self._price_sum += by_reserve
        if len(self._prices) < KEPT_PRICES:
            self._prices.append(by_reserve)
        if job.number < self._tenth:
            self._early[self.traders.strategy(number)] += 1
        elif job.number >= self.setting.tasks - self._tenth:
            self._late[self.traders.strategy(number)] += 1
        self._window.awarded(job, number, now)

    def settled(self, job: Job) -> None:
        self._settled += 1
        self._value += job.value

    def failed(self, why: str, penalty: int) -> None:
        self._penalties += penalty
        self._failures[why] += 1

    def end(self) -> int:
        """A job has ended; how many have now."""
        self.ended += 1
        return self.ended

    def summary(self, seconds: float, ledger: Ledger) -> Summary:
        """After `seconds`, when every job has ended."""
        self._window.close()
        traders = list(self.traders)
        setting, welfare = self.setting, self._value - sum(trader.spent for trader in traders)
        failed = sum(self._failures.values())
        earned = [max(0, trader.earned) for trader in traders]
        busy = sum(min(trader.busy_s, seconds) for trader in traders)
        return Summary(
            mechanism=setting.mechanism,
            agents=setting.agents,
            tasks=setting.tasks,
            seed=setting.seed,
            seconds=round(seconds, 3),
            settled=self._settled,
            given_up=self.ended - self._settled,
            calls=self._calls,
            unanswered=self._calls - self._awards,
            failures=dict(sorted(self._failures.items())),
            failure_rate=failed / self._awards if self._awards else None,
            welfare=welfare,
            welfare_per_job=welfare / max(self.ended, 1),
            efficiency=self._window.share,
            price=self._price_sum / self._awards if self._awards else None,
            price_median=median(self._prices) if self._prices else None,
            idle=1 - busy / (seconds * setting.agents) if seconds else 1.0,
            gini=measures.gini(earned),
            hhi=measures.concentration(earned),
            fees=ledger.balances[HOUSE],
            penalties=self._penalties,
            imbalance=ledger.total,
            overdrawn=sum(ledger.available(a) < 0 for a in ledger.balances if a != MINT),
            strategies={name: self._lot(name, [t for t in traders if t.strategy == name]) for name in setting.mix},
        )

    def _lot(self, strategy: str, mine: list[Trader]) -> Lot:
        bids = self.bids[KINDS.index(strategy)]
        awards = sum(t.settled + t.failed for t in mine)  # each has ended
        known = [t.reputation for t in mine if t.settled + t.failed]
        return Lot(
            traders=len(mine),
            bids=bids,
            awards=awards,
            share=awards / max(self._awards, 1),
            won=awards / bids if bids else None,
            accepted=sum(t.settled for t in mine) / awards if awards else None,
            profit=fmean(t.earned - t.spent for t in mine) if mine else 0.0,
            early=self._early[strategy] / max(self._early.total(), 1),
            late=self._late[strategy] / max(self._late.total(), 1),
            reputation=fmean(known) if known else None,
        )


class _Window:
    """Welfare against the best possible: of every so many windows of 200 consecutive calls one is looked at, about 50
    in all. The best assignment gives each posting to one of those who were asked and had room, and each agent no more
    than it had room for in that time; a posting that nobody is worth having stays undone. It knows all costs and
    qualities and what is called out next, so no mechanism that awards to those who were asked gets past it."""

    def __init__(self, tasks: int, traders: Traders) -> None:
        self._traders = traders
        self._every = max(1, tasks // WINDOW // WINDOWS)
        self._number = -1
        self._offers: dict[str, dict[int, float]] = {}
        self._room: dict[int, int] = {}
        self._got: Counter[int] = Counter()
        self._reached = self._best = 0.0

    def called(self, call: int, job: Job, asked: list[Row], now: float) -> None:
        window = call // WINDOW
        if window != self._number:
            self._look()
            self._number = window
        if window % self._every:
            return
        traders = [self._traders[row[NUMBER]] for row in asked]
        self._offers[job.id] = {trader.number: worth(job, trader, now) for trader in traders}
        for trader in traders:
            room = PLACES - trader.in_hand + self._got[trader.number]
            self._room[trader.number] = max(room, self._room.get(trader.number, 0))

    def awarded(self, job: Job, number: int, now: float) -> None:
        if job.id in self._offers:
            self._got[number] += 1
            self._reached += worth(job, self._traders[number], now)

    def close(self) -> None:
        self._look()

    @property
    def share(self) -> float | None:
        return self._reached / self._best if self._best > 0 else None

    def _look(self) -> None:
        if self._offers:
            self._best += measures.best_assignment(list(self._offers.values()), self._room, undone=0.0)
        self._offers, self._room, self._got = {}, {}, Counter()
