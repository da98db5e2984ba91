"""Simulated servers against queueing theory; sizes against the published fits; refusals; what is known by heart."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from agents.models.simulated import profile, scaling
from agents.models.simulated.servers import Load, Pool, Servers, Service, in_system
from experiments.plan import Plan
from tests.trials import chats, do
from tests.trials import profile as own_profile
from traces.clock import run
from traces.errors import InputError
from traces.streams import stream

RUNS, WARM_UP = 24, 400


def serve(servers: Servers, arrivals: float, mean: float, calls: int, seed: int = 1) -> list[Service]:
    """Poisson arrivals of exponential work, on the virtual clock."""
    rng = random.Random(seed)

    async def main() -> list[Service]:
        pool, tasks = Pool(servers), []
        for _ in range(calls):
            await asyncio.sleep(rng.expovariate(arrivals))
            tasks.append(asyncio.ensure_future(pool.serve(rng.expovariate(1 / mean))))
        return await asyncio.gather(*tasks)

    return run(main(), virtual=True)


def erlang_c(places: int, load: float) -> float:
    """The chance to wait in M/M/c (Erlang 1917; Kleinrock 1975, equation 3.40)."""
    terms = [load**k / math.factorial(k) for k in range(places)]
    last = load**places / math.factorial(places) * places / (places - load)
    return last / (sum(terms) + last)


def steady(servers: Servers, arrivals: float) -> list[list[Service]]:
    """Independent runs with a mean work of 1 s, each without its beginning."""
    return [serve(servers, arrivals, 1.0, 2400, seed)[WARM_UP:] for seed in range(RUNS)]


def interval(means: list[float]) -> tuple[float, float]:
    """99.9 % of the mean of independent runs."""
    half = stats.t.ppf(0.9995, len(means) - 1) * statistics.stdev(means) / math.sqrt(len(means))
    return statistics.fmean(means) - half, statistics.fmean(means) + half


@pytest.mark.parametrize(
    ("replicas", "slots", "arrivals"),
    [(1, 1, 0.5), (1, 1, 0.8), (2, 1, 1.4), (1, 4, 3.0), (4, 2, 6.4), (3, 8, 20.0)],
)
def test_waiting_times_are_those_of_queueing_theory(replicas: int, slots: int, arrivals: float) -> None:
    """M/M/1 and M/M/c with a mean service of 1 s: W_q = C(c, a) / (c - a)."""
    waits = [[s.queue_s for s in done] for done in steady(Servers(replicas=replicas, slots=slots), arrivals)]
    places = replicas * slots
    chance = erlang_c(places, arrivals)
    low, high = interval([statistics.fmean(run) for run in waits])
    assert low <= chance / (places - arrivals) <= high
    low, high = interval([statistics.fmean(wait > 1e-9 for wait in run) for run in waits])
    assert low <= chance <= high


def test_a_replica_without_slots_to_wait_for_shares_its_speed() -> None:
    """M/M/1 with processor sharing: a stay of 1 / (mu - lambda) on average (Kleinrock 1976, section 4.4), like FIFO."""
    runs = steady(Servers(slots=10_000, batch_slowdown=1.0), 0.7)
    low, high = interval([statistics.fmean(s.service_s for s in done) for done in runs])
    assert low <= 1 / (1 - 0.7) <= high


@pytest.mark.parametrize("slowdown", [0.0, 0.2])
def test_other_users_are_there_from_the_start(slowdown: float) -> None:
    """The first call of many runs finds the servers as a call in the middle of a long run does."""
    servers = Servers(slots=4, batch_slowdown=slowdown, load=Load(calls_per_s=2.0))

    async def first(seed: int) -> float:
        pool, rng = Pool(servers), stream(seed, "others")
        others = await pool.open_to_others(1.0, rng)
        waited = (await pool.serve(0.5)).queue_s
        others.cancel()
        return waited

    low, high = interval([run(first(seed), virtual=True) for seed in range(4000)])
    other_low, other_high = interval([statistics.fmean(s.queue_s for s in done) for done in steady(servers, 2.0)])
    assert max(low, other_low) <= min(high, other_high)


def test_scaling_out_and_up_shorten_the_queue() -> None:
    def mean(servers: Servers, work: float) -> float:
        return statistics.fmean(s.queue_s for s in serve(servers, 3.0, work, 5000))

    base = mean(Servers(slots=4), 1.2)
    assert mean(Servers(replicas=2, slots=4), 1.2) < base / 5
    assert mean(Servers(slots=4), 0.6) < base / 5


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0.01, 5)), min_size=1, max_size=20),
    st.integers(1, 3),
    st.integers(1, 4),
    st.floats(0, 1),
)
def test_no_call_is_lost_and_no_time_is_charged_twice(
    calls: list[tuple[float, float]], replicas: int, slots: int, slowdown: float
) -> None:
    async def main() -> tuple[list[Service], float]:
        pool = Pool(Servers(replicas=replicas, slots=slots, batch_slowdown=slowdown))

        async def one(at: float, work: float) -> Service:
            await asyncio.sleep(at)
            return await pool.serve(work)

        done = await asyncio.gather(*(one(*call) for call in calls))
        return list(done), asyncio.get_running_loop().time()

    done, seconds = run(main(), virtual=True)
    for (_, work), service in zip(calls, done, strict=True):
        assert service.service_s >= work - 1e-6
        assert service.share_s <= service.service_s + 1e-6
    assert sum(service.share_s for service in done) <= replicas * seconds + 1e-6


def test_a_caller_that_gives_up_frees_its_place() -> None:
    async def main() -> float:
        pool = Pool(Servers(slots=1))
        first, waiting = asyncio.ensure_future(pool.serve(10)), asyncio.ensure_future(pool.serve(10))
        third = asyncio.ensure_future(pool.serve(1))
        await asyncio.sleep(1)
        first.cancel()
        waiting.cancel()
        await third
        return asyncio.get_running_loop().time()

    assert run(main(), virtual=True) == pytest.approx(2)


def test_an_api_limit_makes_calls_wait() -> None:
    done = serve(Servers(slots=100, requests_per_minute=60), 10.0, 0.1, 50)
    assert max(service.queue_s for service in done) > 30


def test_more_load_than_the_servers_can_take_has_no_steady_state() -> None:
    assert in_system(Servers(slots=4), 100.0, 1.0, random.Random(1)) == 4


def test_servers_are_seen_in_a_run() -> None:
    one, many = (
        [chat.usage for _, recorder in do(_load(spec)) for chat in chats(recorder)]
        for spec in ("sim:medium,slots=1,load=0.2,gpu_hour=3", "sim:medium,replicas=4,slots=8,load=0.2,gpu_hour=3")
    )
    assert statistics.fmean(u.queue_s for u in one) > 10 * statistics.fmean(u.queue_s for u in many)
    for usage in one:
        assert usage.cost_nano_usd == pytest.approx(3 / 3600 * 1e9 * (usage.latency_s - usage.queue_s), rel=0.01)
        assert 0 < usage.first_token_s < usage.latency_s - usage.queue_s + 1e-6


def _load(model: str) -> Plan:
    return Plan("market_brief", ("solo",), model=model, cases=6, trials=2)


# --- sizes ------------------------------------------------------------------------------------------------------


def test_the_fits_give_the_published_losses() -> None:
    """Chinchilla itself (70e9 parameters, 1.4e12 tokens): 1.936 by Hoffmann et al. 2022 (its table A3's scale), and
    compute-optimal training has about 20 tokens a parameter by both fits at its compute (6 N D)."""
    assert scaling.LAWS["hoffmann"].loss(70e9, 1.4e12) == pytest.approx(1.936, abs=0.002)
    compute = 6 * 70e9 * 1.4e12
    fit = scaling.LAWS["epoch"]
    best = min((10 ** (x / 100) for x in range(900, 1250)), key=lambda n: fit.loss(n, compute / (6 * n)))
    assert 10 < compute / (6 * best) / best < 40


@pytest.mark.parametrize("law", ["epoch", "hoffmann"])
@pytest.mark.parametrize("name", list(scaling.ANCHORS))
def test_the_shipped_sizes_give_the_shipped_profiles(name: str, law: str) -> None:
    parameters, tokens = scaling.ANCHORS[name]
    made, shipped = profile.load(f"params={parameters},tokens={tokens},law={law}"), profile.load(name)
    assert made.error == pytest.approx(shipped.error)
    assert made.check.model_dump() == pytest.approx(shipped.check.model_dump())
    assert made.price.model_dump() == pytest.approx(shipped.price.model_dump())
    assert made.speed.decode_tps == pytest.approx(shipped.speed.decode_tps)


@settings(max_examples=60, deadline=None)
@given(st.floats(8, 13), st.floats(10, 14), st.floats(0.05, 1))
def test_more_parameters_and_more_data_never_hurt(size: float, data: float, more: float) -> None:
    def errors(n: float, d: float) -> dict[str, float]:
        return dict(profile.load(f"params={10**n},tokens={10**d}").error)  # type: ignore[arg-type]

    base = errors(size, data)
    for better in (errors(size + more, data), errors(size, data + more)):
        assert all(better[skill] <= base[skill] + 1e-12 for skill in base)


def test_a_bigger_model_succeeds_more_often_in_a_run() -> None:
    def share(model: str) -> float:
        return statistics.fmean(outcome.success for outcome, _ in do(_load(model)) for _ in (0,))

    assert share("sim:params=1e12,tokens=3e13") > share("sim:params=1e9,tokens=1e12") + 0.2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("medium,replica=2", "'replica=2' is none of .*replicas="),
        ("medium,replicas=two", "replicas: .*'two'"),
        ("medium,slots=0", "slots: .*greater than 0"),
        ("params=8e9", "tokens='' should be a number"),
        ("params=big,tokens=1e12", "params='big' should be a number"),
        ("params=8e9,tokens=1e12,law=moore", "law='moore' is none of epoch, hoffmann"),
        ("huge,slots=2", "no simulated model 'huge'"),
    ],
)
def test_a_wrong_setting_is_named(spec: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        profile.load(spec)


# --- refusals, and what is known by heart -----------------------------------------------------------------------


def test_refusals_come_at_their_rate_and_are_labelled(tmp_path: Path) -> None:
    done = do(Plan("market_brief", ("solo",), model=own_profile(tmp_path / "shy.yaml", refusal=0.3), trials=6))
    first = [next(c for c in chats(recorder) if c.purpose == "act") for _, recorder in done]
    refused = [chat for chat in first if chat.fault and chat.fault.mode == "refuses"]
    assert abs(len(refused) / len(done) - 0.3) < 4 * math.sqrt(0.3 * 0.7 / len(done))
    assert all("can't help" in chat.text and not chat.tool_calls for chat in refused)


@pytest.mark.parametrize(
    ("public", "cutoff", "known"),
    [("2023-05", "2024-06", True), ("2025-01", "2024-06", False), ("", "2024-06", False), ("2023-05", "", False)],
)
def test_only_what_was_public_before_the_cutoff_is_known_by_heart(
    public: str, cutoff: str, known: bool, tmp_path: Path
) -> None:
    """A question that the documents do not answer."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "cheese.md").write_text("# Cheese\n\nHow Emmental is made.\n")
    (tmp_path / "scenario.yaml").write_text(
        "title: T\nstory: S\ngoal: G\nbudget: {tokens: 100000}\nroles: {researcher: {tools: [search]}}\n"
        "knowledge: {folder: docs}\n"
    )
    since = f', public: "{public}"' if public else ""
    (tmp_path / "cases" / "a.yaml").write_text(
        "title: Capital\nrequest: Which?\nanswer: It is {city}.\nplan:\n"
        "  - {id: t, goal: Find out, role: researcher, steps: [{id: s, tool: search, args: {query: capital}, "
        f"facts: {{city: {{value: Bern{since}}}}}}}]}}\n"
        "expect:\n  - {grader: mentions, all: [Bern]}\n"
    )
    model = own_profile(tmp_path / "p.yaml", cutoff=cutoff)
    ((outcome, _),) = do(Plan(str(tmp_path), ("solo",), model=model, trials=1))
    assert outcome.success is known
