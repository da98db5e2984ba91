"""The ledger: who has how much, and why. Double entry in whole units (tokens): nothing appears, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from traces.errors import InputError
from traces.kernel import Event, MoneyMoved

MINT = "mint"
"""Where endowments come from: the only account that may go as far below 0 as it likes."""
HOUSE = "market"
"""Where fees go."""


class Overdrawn(InputError):
    """A payment would take its payer below its limit."""


class Escrow(Struct, gc=False):
    """What is held for a posting until it is accepted or has failed."""

    payer: str
    payee: str
    amount: int


class Ledger:
    """Accounts by name. Each entry takes an amount from one and gives it to another, so that all balances and escrows
    sum to 0 at every moment; each names the event that it follows from. Every action takes a fixed time.

    fee_percent: the market's share of each payment, rounded down.
    """

    def __init__(self, record: Callable[[Event], object] = lambda event: None, *, fee_percent: int = 0) -> None:
        if not 0 <= fee_percent <= 100:
            raise InputError(f"fee_percent: {fee_percent} is no share: give 0 to 100")
        self._record, self._fee = record, fee_percent
        self.balances: dict[str, int] = {MINT: 0, HOUSE: 0}
        self._limits: dict[str, int] = {HOUSE: 0}
        self.escrows: dict[str, Escrow] = {}

    def open(self, account: str, endowment: int = 0, *, limit: int = 0) -> None:
        """A new account with a start from the mint. `limit`: the lowest balance that it may ever have, at most 0."""
        if account in self.balances:
            raise InputError(f"there is already an account {account!r}")
        if limit > 0 or endowment < 0:
            raise InputError(f"account {account!r}: the limit must be at most 0, the endowment at least 0")
        self.balances[account], self._limits[account] = 0, limit
        if endowment:
            self._move("", MINT, account, endowment, "endowment", "run_started")

    def available(self, account: str) -> int:
        """What the account can still pay before it reaches its limit."""
        return self.balances[account] - self._limits[account]

    def hold(self, posting: str, payer: str, payee: str, amount: int) -> None:
        """At the award: what `payee` will get for the posting is set aside. Raises Overdrawn."""
        if posting in self.escrows:
            raise InputError(f"money is already held for {posting!r}")
        self._known(payee)
        self._take(payer, amount)
        self.escrows[posting] = Escrow(payer, payee, amount)
        self._entry(posting, payer, _held(posting), amount, "escrow", "award")

    def pay(self, posting: str) -> int:
        """At the acceptance: what was held goes to who did the work, less the fee; what it got."""
        escrow = self._release(posting)
        fee = escrow.amount * self._fee // 100
        self._give(posting, escrow.payee, escrow.amount - fee, "payment", "acceptance")
        if fee:
            self._give(posting, HOUSE, fee, "fee", "acceptance")
        return escrow.amount - fee

    def refund(self, posting: str, *, cause: str, penalty: int = 0) -> int:
        """At a failure: what was held goes back, and who failed pays the payer a penalty, as far as its limit lets it;
        what it paid. `cause` is the type of the event that says so: task_reposted or task_closed."""
        escrow = self._release(posting)
        self._give(posting, escrow.payer, escrow.amount, "refund", cause)
        fine = max(0, min(penalty, self.available(escrow.payee)))
        if fine and escrow.payee != escrow.payer:
            self._move(posting, escrow.payee, escrow.payer, fine, "penalty", cause)
            return fine
        return 0

    @property
    def total(self) -> int:
        """Of everything there is, the mint's debt with it: always 0."""
        return sum(self.balances.values()) + sum(escrow.amount for escrow in self.escrows.values())

    def _release(self, posting: str) -> Escrow:
        escrow = self.escrows.pop(posting, None)
        if escrow is None:
            raise InputError(f"no money is held for {posting!r}")
        return escrow

    def _move(self, posting: str, payer: str, payee: str, amount: int, kind: str, cause: str) -> None:
        self._take(payer, amount)
        self.balances[payee] += amount
        self._entry(posting, payer, payee, amount, kind, cause)

    def _take(self, account: str, amount: int) -> None:
        self._known(account)
        if amount < 0:
            raise InputError(f"an amount of {amount}: it must be at least 0")
        if account != MINT and self.available(account) < amount:
            raise Overdrawn(f"{account} can pay {self.available(account):,} at most, not {amount:,}")
        self.balances[account] -= amount

    def _give(self, posting: str, account: str, amount: int, kind: str, cause: str) -> None:
        self.balances[account] += amount
        self._entry(posting, _held(posting), account, amount, kind, cause)

    def _known(self, account: str) -> None:
        if account not in self.balances:
            raise InputError(f"there is no account {account!r}")

    def _entry(self, posting: str, payer: str, payee: str, amount: int, kind: str, cause: str) -> None:
        self._record(MoneyMoved(posting, payer, payee, amount, kind, cause))


def _held(posting: str) -> str:
    return f"escrow:{posting}"
