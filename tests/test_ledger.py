"""The ledger: sums are kept, limits hold, every entry says what it is for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.ledger import HOUSE, MINT, Ledger, Overdrawn
from traces.errors import InputError
from traces.kernel import Event, MoneyMoved

_NAMES = st.sampled_from("abc")
_STEP = st.one_of(
    st.tuples(st.just("hold"), st.sampled_from("xyz"), _NAMES, _NAMES, st.integers(-5, 400)),
    st.tuples(st.just("pay"), st.sampled_from("xyz")),
    st.tuples(st.just("refund"), st.sampled_from("xyz"), st.integers(0, 300)),
)


@settings(max_examples=2000, deadline=None)
@given(st.integers(0, 100), st.lists(st.integers(-200, 0), min_size=3, max_size=3), st.lists(_STEP, max_size=25))
def test_no_history_makes_or_loses_money_or_breaks_a_limit(fee: int, limits: list[int], script: list[tuple]) -> None:  # type: ignore[type-arg]
    entries: list[Event] = []
    ledger = Ledger(entries.append, fee_percent=fee)
    for name, limit in zip("abc", limits, strict=True):
        ledger.open(name, 300, limit=limit)
    for step in script:
        before = (dict(ledger.balances), len(entries))
        try:
            match step:
                case ("hold", posting, payer, payee, amount):
                    ledger.hold(posting, payer, payee, amount)
                case ("pay", posting):
                    ledger.pay(posting)
                case (_, posting, penalty):
                    ledger.refund(posting, cause="task_reposted", penalty=penalty)
        except InputError:
            assert (ledger.balances, len(entries)) == before
        assert ledger.total == 0
        assert all(ledger.balances[name] >= limit for name, limit in zip("abc", limits, strict=True))
    rebuilt: dict[str, int] = {}
    for entry in entries:
        assert isinstance(entry, MoneyMoved)
        assert entry.cause
        rebuilt[entry.payer] = rebuilt.get(entry.payer, 0) - entry.amount
        rebuilt[entry.payee] = rebuilt.get(entry.payee, 0) + entry.amount
    assert {name: rebuilt.get(name, 0) for name in ledger.balances} == ledger.balances


def test_work_is_paid_at_acceptance_less_the_fee() -> None:
    ledger = Ledger(fee_percent=5)
    ledger.open("poster", 1000)
    ledger.open("ann")
    ledger.hold("job", "poster", "ann", 110)
    assert (ledger.balances["poster"], ledger.balances["ann"]) == (890, 0)
    assert ledger.pay("job") == 105
    assert (ledger.balances["ann"], ledger.balances[HOUSE], ledger.balances[MINT]) == (105, 5, -1000)


def test_who_fails_pays_no_more_than_it_has() -> None:
    ledger = Ledger()
    ledger.open("poster", 1000)
    ledger.open("ann", 30)
    ledger.hold("job", "poster", "ann", 200)
    assert ledger.refund("job", cause="task_reposted", penalty=50) == 30
    assert (ledger.balances["poster"], ledger.balances["ann"]) == (1030, 0)


def test_nobody_promises_what_it_does_not_have() -> None:
    ledger = Ledger()
    ledger.open("poster", 100)
    ledger.open("ann")
    with pytest.raises(Overdrawn, match="poster can pay 100 at most, not 101"):
        ledger.hold("job", "poster", "ann", 101)
    with pytest.raises(InputError, match="no account 'bob'"):
        ledger.hold("job", "poster", "bob", 1)
    with pytest.raises(InputError, match="no money is held"):
        ledger.pay("job")
