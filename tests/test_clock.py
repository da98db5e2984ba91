"""The virtual clock: exact times, no waiting, a deadlock is an error."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces.clock import Deadlock, VirtualLoop, is_virtual, run, until


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


def test_until_lets_everything_happen_that_is_due_before() -> None:
    seen = []

    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()

        async def other() -> None:
            await asyncio.sleep(3)
            seen.append(("other", loop.time()))

        task = asyncio.create_task(other())
        for when in (1.0, 2.0, 3.0, 4.0, 3.5):
            await until(when)
            seen.append(("until", loop.time()))
        await task
        return seen

    moments = [("until", 1.0), ("until", 2.0), ("other", 3.0), ("until", 3.0), ("until", 4.0), ("until", 4.0)]
    assert run(main(), virtual=True) == moments


def test_who_waits_again_and_again_can_be_interrupted() -> None:
    async def main() -> int:
        step = 0
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        try:
            for step in range(1000):
                await until(step + 1.0)
        except asyncio.CancelledError:
            return step
        return 1000

    assert run(main(), virtual=True) <= 100


def test_until_sleeps_in_real_time() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        when = loop.time() + 0.01
        await until(when)
        return loop.time() >= when

    assert run(main(), virtual=False)


def test_the_same_code_runs_under_real_time() -> None:
    async def main() -> bool:
        await asyncio.sleep(0)
        return is_virtual()

    assert run(main(), virtual=False) is False
    assert run(main(), virtual=True) is True


@pytest.mark.parametrize("virtual", [True, False])
@pytest.mark.parametrize("kind", [SystemExit, ValueError])
def test_what_ends_a_run_ends_it_and_what_a_task_raises_is_for_who_waits_for_it(
    kind: type[BaseException], virtual: bool
) -> None:
    async def leaves() -> None:
        await asyncio.sleep(0.01)
        raise kind(3)

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(leaves())

    async def waits() -> str:
        task = asyncio.create_task(leaves())
        await asyncio.wait([task])
        return type(task.exception()).__name__

    with pytest.raises(kind):
        run(leaves(), virtual=virtual)
    with pytest.raises((kind, ExceptionGroup)):
        run(grouped(), virtual=virtual)
    assert run(waits(), virtual=virtual) == kind.__name__
