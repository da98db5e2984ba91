"""The virtual clock: exact times, no waiting, a deadlock is an error."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces.clock import Deadlock, VirtualLoop, is_virtual, run


def test_sleeps_overlap_and_take_no_real_time() -> None:
    async def main() -> float:
        await asyncio.gather(*(asyncio.sleep(seconds) for seconds in (3600, 7200, 60)))
        return asyncio.get_running_loop().time()

    assert run(main(), virtual=True) == 7200


@settings(max_examples=50)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_things_happen_in_the_order_of_their_times(delays: list[int]) -> None:
    async def main() -> list[tuple[float, int]]:
        happened: list[tuple[float, int]] = []

        async def one(number: int, delay: int) -> None:
            await asyncio.sleep(delay)
            happened.append((asyncio.get_running_loop().time(), number))

        await asyncio.gather(*(one(n, d) for n, d in enumerate(delays)))
        return happened

    happened = run(main(), virtual=True)
    assert happened == sorted(happened)
    assert [delays[number] for _, number in happened] == [time for time, _ in happened]


def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    async def main() -> float:
        async with asyncio.timeout(1000):
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    assert run(main(), virtual=True) == 2


def test_waiting_for_nothing_is_a_deadlock() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(main(), virtual=True)


def test_synchronous_work_can_charge_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.advance(5)
        await asyncio.sleep(1)
        return loop.time()

    assert run(main(), virtual=True) == 6


def test_the_same_code_runs_under_real_time() -> None:
    async def main() -> bool:
        await asyncio.sleep(0)
        return is_virtual()

    assert run(main(), virtual=False) is False
    assert run(main(), virtual=True) is True
