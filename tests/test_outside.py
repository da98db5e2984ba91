"""Outside agents: a real server on loopback, an honest client, and those that misbehave."""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.teams import door
from agents.teams.door import Invitation
from experiments import plan as plans
from experiments.plan import Plan
from experiments.running.trial import Bench, run_trial
from marketplace.outside import BURST, LARGEST, Outside, signature
from tests.trials import profile
from traces import kernel as k
from traces.clock import run
from traces.errors import InputError
from traces.recorder import Recorder

CLIENT = Path(__file__).parent.parent / "docs" / "outside_agent.py"
Signed: Any = runpy.run_path(str(CLIENT))["Signed"]
Talk = Callable[[Outside, httpx.AsyncClient, dict[str, Invitation]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path))


def _with_server(talk: Talk) -> list[k.Noted]:
    events: list[k.Event] = []

    async def main() -> None:
        outside = Outside(events.append, [("ann", "coder"), ("bob", "coder")])
        async with door.serving(outside) as files:
            assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
            found = {file.stem: msgspec.json.decode(file.read_bytes(), type=Invitation) for file in files}
            async with httpx.AsyncClient(base_url=found["ann"].url) as client:
                await talk(outside, client, found)
        assert not any(file.exists() for file in files)

    run(main(), virtual=False)
    return [event for event in events if isinstance(event, k.Noted)]


class _As(Signed):  # type: ignore[misc]
    """Asks as the invited agent, with the example client's signature; `name` is whose name it signs in, `nonce` and
    `over` replace what it would send."""

    def __init__(self, invited: Invitation, name: str = "", **over: str) -> None:
        super().__init__(name or invited.agent, invited.token)
        self.over = over

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        for signed in super().auth_flow(request):
            signed.headers.update({name.replace("_", "-"): value for name, value in self.over.items()})
            yield signed


def test_the_best_bid_gets_the_assignment_and_delivers_it() -> None:
    async def talk(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
        ann = _As(invited["ann"])
        call = asyncio.create_task(outside.bids("a", "find it", "coder", 1.0))
        await asyncio.sleep(0)
        assert (await client.get("/postings", auth=ann)).json() == [
            {"posting": "a", "goal": "find it", "role": "coder", "state": "open", "assignment": ""}
        ]
        assert (await client.post("/bids", auth=ann, json={"posting": "a", "price": 7})).json() == {"bid": True}
        assert [(bid.agent, bid.price) for bid in await call] == [("ann", 7)]
        late = await client.post("/bids", auth=ann, json={"posting": "a", "price": 7})
        assert (late.status_code, late.json()["error"]) == (409, "'a' is not open to you")
        work = asyncio.create_task(outside.work("ann", "a", "find it", "all of it", 5.0))
        await asyncio.sleep(0)
        done = {"posting": "a", "content": "found"}
        assert (await client.get("/postings", auth=_As(invited["bob"]))).json() == []
        assert (await client.post("/deliveries", auth=_As(invited["bob"]), json=done)).status_code == 409
        assert (await client.get("/postings", auth=ann)).json()[0]["assignment"] == "all of it"
        assert (await client.post("/deliveries", auth=ann, json=done)).status_code == 200
        assert await work == "found"

    assert _with_server(talk) == []


def test_who_is_not_known_or_comes_from_a_page_is_kept_out() -> None:
    async def talk(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
        ann = invited["ann"]
        stranger = Invitation(ann.url, "ann", "coder", "guess")
        for headers in ({}, {"Headcount-Agent": "ann"}, {"Headcount-Agent": "ann", "Headcount-Nonce": "-1"}):
            assert (await client.get("/postings", headers=headers)).status_code == 401
        for auth in (_As(ann, Origin="http://evil.example"), _As(ann, Host="evil.example"), _As(ann, name="eve")):
            assert (await client.get("/postings", auth=auth)).status_code == 401
        for _ in range(5):
            assert (await client.get("/postings", auth=_As(stranger))).status_code == 401
        outside.agents["ann"].strikes -= 1  # for its token in the name of eve
        assert outside.agents["ann"].strikes == 0

    notes = _with_server(talk)
    assert [note.kind for note in notes] == ["outside_misconduct"] + ["outside_forgery"] * 5


def test_a_request_that_is_sent_again_or_changed_is_refused_and_recorded_but_bars_nobody() -> None:
    async def talk(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
        call = asyncio.create_task(outside.bids("a", "find it", "coder", 1.0))
        await asyncio.sleep(0)
        first = await client.post("/bids", auth=_As(invited["ann"]), json={"posting": "a", "price": 7})
        sent = first.request
        for _ in range(4):
            assert (await client.send(sent)).status_code == 401
        changed = await client.post("/bids", headers=sent.headers, content=sent.content.replace(b"7", b"1"))
        taken = {**sent.headers, "headcount-agent": "bob"}
        moved = await client.post("/bids", headers=taken, content=sent.content)
        assert (changed.status_code, moved.status_code) == (401, 401)
        longer = client.build_request("POST", "/bids?more", headers=dict(sent.headers), content=sent.content)
        assert (await client.send(longer)).status_code == 401
        assert (await client.get("/postings", auth=_As(invited["ann"]))).status_code == 200
        assert [(bid.agent, bid.price) for bid in await call] == [("ann", 7)]
        assert [agent.strikes for agent in outside.agents.values()] == [0, 0]

    notes = _with_server(talk)
    assert [(note.agent, note.kind) for note in notes] == [("ann", "outside_forgery")] * 5 + [
        ("bob", "outside_forgery"),
        ("ann", "outside_forgery"),
    ]
    assert all("came again" in note.text for note in notes[:4])


def test_who_sends_requests_again_is_limited_and_neither_bars_an_agent_nor_uses_up_its_requests() -> None:
    async def talk(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
        posed = await client.get("/postings", auth=_As(invited["ann"], name="bob"))
        sent = (await client.get("/postings", auth=_As(invited["ann"]))).request
        codes = [(await client.send(again)).status_code for again in (posed.request, sent) * (2 * BURST)]
        assert codes[:BURST] == [401] * BURST
        assert 429 in codes
        assert (await client.get("/postings", auth=_As(invited["ann"]))).status_code == 200
        assert outside.agents["ann"].strikes == 1

    notes = _with_server(talk)
    assert (notes[0].kind, notes[0].text) == ("outside_misconduct", "its token was used in the name of bob")
    forged = [note for note in notes if note.kind == "outside_forgery"]
    assert BURST <= len(forged) < 4 * BURST
    assert {note.agent for note in forged} == {"ann"}
    assert [n.text for n in notes[1:] if n not in forged] == ["strangers asked more than 20 times at once"]


@given(*[st.text(st.characters(exclude_characters="\n", codec="utf-8"))] * 4, st.integers(1, 2**63 - 1), st.binary())
def test_a_signature_is_of_one_request_alone(
    token: str, agent: str, method: str, path: str, nonce: int, body: bytes
) -> None:
    """Nothing moves from one part to the next: HTTP lets no line break into a name, a method or a path."""
    signed = signature(token, agent, nonce, method, path, body)
    others = [
        signature(token + "x", agent, nonce, method, path, body),
        signature(token, agent + "x", nonce, method, path, body),
        signature(token, agent, nonce + 1, method, path, body),
        signature(token, agent, nonce, method + "x", path, body),
        signature(token, agent, nonce, method, path + "x", body),
        signature(token, agent, nonce, method, path, body + b"x"),
        signature(token, agent, nonce, method + path[:1] + "x", path[1:], body),
        signature(token, agent, nonce, method, path + "x", b"x" + body),
    ]
    assert signed not in others


@pytest.mark.parametrize("nonce", ["", "0", "-1", "1.5", "1e9", str(2**63), "9" * 5000])
def test_a_nonce_is_a_whole_number(nonce: str) -> None:
    async def talk(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
        answer = await client.get("/postings", auth=_As(invited["ann"], Headcount_Nonce=nonce))
        assert (answer.status_code, "Headcount-Nonce" in answer.json()["error"]) == (401, True)

    assert _with_server(talk) == []


async def _flood(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
    for _ in range(3):
        codes = [(await client.get("/postings", auth=_As(invited["ann"]))).status_code for _ in range(2 * BURST)]
        assert 429 in codes or 403 in codes
        outside.agents["ann"].bucket.left = BURST


async def _never_deliver(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
    for _ in range(3):
        assert await outside.work("ann", "a", "find it", "all of it", 0.01) is None


async def _junk(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
    for junk in (b"\xff\x00", b'{"posting": 5}', b'{"posting": "a", "content": "x", "state": "accepted"}'):
        assert (await client.post("/deliveries", auth=_As(invited["ann"]), content=junk)).status_code == 400


async def _replay(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
    for _ in range(3):
        assert (await client.get("/postings", auth=_As(invited["ann"], name="bob"))).status_code == 401
    assert (await client.get("/postings", auth=_As(invited["bob"]))).status_code == 200


@pytest.mark.parametrize(
    ("misbehave", "said"),
    [
        (_flood, "asked more than"),
        (_never_deliver, "did not deliver a"),
        (_junk, "cannot be read"),
        (_replay, "in the name of bob"),
    ],
)
def test_who_misbehaves_three_times_is_recorded_and_barred(misbehave: Talk, said: str) -> None:
    async def talk(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
        await misbehave(outside, client, invited)
        outside.agents["ann"].bucket.left = BURST
        assert (await client.get("/postings", auth=_As(invited["ann"]))).status_code == 403
        assert [agent.name for agent in outside.able("coder")] == ["bob"]

    notes = _with_server(talk)
    assert [(note.agent, note.kind) for note in notes] == [("ann", "outside_misconduct")] * 3 + [
        ("ann", "outside_barred")
    ]
    assert all(said in note.text for note in notes[:3])


def test_a_body_that_is_too_long_is_not_read() -> None:
    async def talk(outside: Outside, client: httpx.AsyncClient, invited: dict[str, Invitation]) -> None:
        answer = await client.post("/deliveries", auth=_As(invited["ann"]), content=b"x" * (LARGEST + 1))
        assert answer.status_code == 413

    assert _with_server(talk) == []


def _team(folder: Path) -> str:
    file = folder / "open.yaml"
    file.write_text("shape: market\ntrade: {reposts: 1, outside: {ann: researcher}, call_s: 60, outside_s: 60}\n")
    return str(file)


def test_outside_agents_are_refused_where_time_is_simulated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="simulated time, which cannot wait for agents from outside"):
        plans.check(Plan("billing_support", (_team(tmp_path),), model="sim:small"))


def test_the_example_client_works_in_a_run_and_what_it_says_is_untrusted(tmp_path: Path) -> None:
    """A team of simulated agents at the speed of light, in real time, so that a real process can join it."""
    fast: dict[str, Any] = {"first_token_s": 0, "prefill_tps": 1e9, "decode_tps": 1e9, "jitter": 0}
    model = profile(tmp_path / "fast.yaml", speed=fast)
    plan = Plan("billing_support", (_team(tmp_path),), model=model, cases=1, trials=1)
    bench = Bench(plan)
    (trial,) = plans.trials(plan, bench.scenario)

    async def main() -> Recorder:
        recorder = Recorder(0, keep=True)
        running = asyncio.create_task(run_trial(trial, bench, recorder))
        while not (invitations := list(door.folder().glob("*/ann.json"))):
            assert not running.done()
            await asyncio.sleep(0.02)
        client = await asyncio.create_subprocess_exec(sys.executable, str(CLIENT), str(invitations[0]))
        try:
            await running
            assert await asyncio.wait_for(client.wait(), 20) == 0
        finally:
            if client.returncode is None:
                client.kill()
                await client.wait()
        return recorder

    events = [record.event for record in run(main(), virtual=False).records]
    assert any(isinstance(e, k.BidMade) and e.agent == "ann" for e in events)
    assert any(isinstance(e, k.TaskDelivered) and e.agent == "ann" for e in events)
    said = [e.message for e in events if isinstance(e, k.MessageSent) and e.message.sender == "ann"]
    assert said
    assert not any(message.trusted for message in said)
    assert isinstance(events[-1], k.RunFinished)
    assert events[-1].status == "completed"
