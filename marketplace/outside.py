"""Agents from outside: any process may see the postings, bid and deliver over HTTP on this machine's loopback.

GET  /postings     those that are open to you, and those that you hold, with their assignment
POST /bids         {"posting", "price", "confidence"?, "seconds"?}
POST /deliveries   {"posting", "content"}

Every request names its agent (`Headcount-Agent`), has a number above that of the agent's last one (`Headcount-Nonce`),
and is signed with the token that the agent was issued (`Headcount-Signature`, see `signature`). The token itself never
travels: who listens can send a request again, which is refused and recorded, but can make none of its own.
Errors are {"error": text}: 400 what was sent is wrong, 401 who is asking, 403 barred, 409 not now, 429 too often.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from marketplace.board import HIGHEST_PRICE, LONGEST_S
from traces import bounds, strict
from traces.errors import HeadcountError
from traces.kernel import BidMade, Event, Noted

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

LARGEST = 100_000
"""Bytes of a request's body, at most."""
BURST, RATE = 20, 5.0
"""So many requests at once, and so many a second after that."""
STRIKES = 3
"""So often may an agent misbehave before it is barred from the rest of the run."""
HOSTS = ("127.0.0.1", "localhost")
NOT_SIGNED = "unknown agent, or not signed with its token"


NONCES = 2**63
"""A nonce is a whole number from 1 to below this; nanoseconds of the clock are good ones."""


def signature(token: str, agent: str, nonce: int, method: str, path: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) in hex, with the token as the key, over `agent`, `nonce`, `method` and `path` with its
    query, each with a line break after it, and the body."""
    head = "".join(f"{part}\n" for part in (agent, nonce, method, path))
    return hmac.new(token.encode(), head.encode() + body, hashlib.sha256).hexdigest()


class Refused(HeadcountError):
    """What an outside agent asked for is refused; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Offered(Struct, frozen=True):
    """What an outside agent sees of a posting. `assignment` is for its holder alone."""

    posting: str
    goal: str
    role: str
    state: str
    assignment: str = ""


class _Price(Struct, forbid_unknown_fields=True):
    posting: str
    price: float
    confidence: float = 0.5
    seconds: float | None = None


class _Work(Struct, forbid_unknown_fields=True):
    posting: str
    content: str


@dataclass
class Bucket:
    """BURST requests, and RATE a second after that. `flooding`: more have come, and it has not been half full since."""

    left: float = BURST
    seen: float = 0.0
    flooding: bool = False

    def take(self, now: float) -> bool:
        """Whether there is one more at the time `now`, in seconds."""
        self.left = min(BURST, self.left + RATE * (now - self.seen))
        self.seen = now
        if self.left >= BURST / 2:
            self.flooding = False
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def floods(self) -> bool:
        """There was none: whether that is a flood's first."""
        before, self.flooding = self.flooding, True
        return not before


@dataclass
class Outsider:
    """One of them: its token, the nonce of its last request, how fast it asks, how often it misbehaved."""

    name: str
    role: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    strikes: int = 0
    nonce: int = 0
    bucket: Bucket = field(default_factory=Bucket)

    @property
    def barred(self) -> bool:
        return self.strikes >= STRIKES


@dataclass
class _Call:
    """An open posting: who is asked for a bid, the bids so far, one of each agent, and whether all have made one."""

    offered: Offered
    asked: set[str]
    bids: dict[str, BidMade] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class Outside:
    """The door of one run's market. What comes in is untrusted, and says so to whoever it is passed on to.

    A market calls out each posting (`bids`), hands the winner its assignment and waits (`work`), and reports what it
    thinks of it (`strike`). Times are seconds of the running loop's clock. Without its token, nobody can use up an
    agent's requests, or have it barred.
    """

    def __init__(self, record: Callable[[Event], object], agents: Iterable[tuple[str, str]]) -> None:
        self._record = record
        self.agents = {name: Outsider(name, role) for name, role in agents}
        self._strangers = Bucket()
        self._calls: dict[str, _Call] = {}
        self._held: dict[str, tuple[str, Offered, asyncio.Future[str]]] = {}

    def able(self, role: str) -> list[Outsider]:
        return [agent for agent in self.agents.values() if agent.role == role and not agent.barred]

    async def bids(
        self, posting: str, goal: str, role: str, within_s: float, without: Collection[str] = ()
    ) -> list[BidMade]:
        """The sealed bids of all who can do it, `without` some, in the order of their names: those that come within
        `within_s` seconds, sooner where each of them has made one."""
        asked = {agent.name for agent in self.able(role)}.difference(without)
        if not asked:
            return []
        call = self._calls[posting] = _Call(Offered(posting, goal, role, "open"), asked)
        try:
            async with asyncio.timeout(within_s):
                await call.complete.wait()
        except TimeoutError:
            pass
        finally:
            del self._calls[posting]
        return [call.bids[name] for name in sorted(call.bids) if not self.agents[name].barred]

    async def work(self, agent: str, posting: str, goal: str, assignment: str, within_s: float) -> str | None:
        """What the agent delivers; None, and a strike, where it does not in time."""
        offered = Offered(posting, goal, self.agents[agent].role, "yours", assignment)
        delivered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._held[posting] = (agent, offered, delivered)
        try:
            async with asyncio.timeout(within_s):
                return await delivered
        except TimeoutError:
            self.strike(agent, f"did not deliver {posting} within {within_s:g} s")
            return None
        finally:
            del self._held[posting]

    def strike(self, agent: str, why: str) -> None:
        """It misbehaved: that is recorded, and at the third time it is barred."""
        outsider = self.agents[agent]
        if outsider.barred:
            return
        outsider.strikes += 1
        self._record(Noted(agent, "outside_misconduct", why))
        if outsider.strikes == STRIKES:
            self._record(Noted(agent, "outside_barred", f"misbehaved {STRIKES} times"))

    def app(self) -> Starlette:
        from starlette.applications import Starlette
        from starlette.routing import Route

        def route(path: str, method: str, answer: Callable[[Outsider, bytes], Any]) -> Route:
            return Route(path, self._answering(answer), methods=[method])

        return Starlette(
            routes=[
                route("/postings", "GET", lambda agent, body: self._postings(agent)),
                route("/bids", "POST", self._bid),
                route("/deliveries", "POST", self._deliver),
            ]
        )

    def _answering(self, answer: Callable[[Outsider, bytes], Any]) -> Callable[[Request], Awaitable[Response]]:
        from starlette.responses import Response

        async def endpoint(request: Request) -> Response:
            try:
                body = await _body(request)
                status, value = 200, answer(self._who(request, body), body)
            except Refused as refused:
                status, value = refused.status, {"error": str(refused)}
            return Response(msgspec.json.encode(value), status, media_type="application/json")

        return endpoint

    def _who(self, request: Request, body: bytes) -> Outsider:
        """Who is asking. Browsers are kept out: no page of another site may speak for an agent."""
        if request.url.hostname not in HOSTS or "origin" in request.headers:
            raise Refused(401, "only programs on this machine may ask, at 127.0.0.1")
        claimed, nonce = request.headers.get("headcount-agent", ""), _nonce(request)
        agent = self._signer(request, claimed, nonce, body)
        if agent is None:
            self._forged(self.agents.get(claimed), "was not signed with its token")
            raise Refused(401, NOT_SIGNED)
        if nonce <= agent.nonce:
            self._forged(agent, "came again, or its nonce had been used")
            raise Refused(401, f"Headcount-Nonce: {nonce} has been used; give more than {agent.nonce}")
        agent.nonce = nonce
        if agent.name != claimed:
            self.strike(agent.name, f"its token was used in the name of {self._known(claimed)}")
            raise Refused(401, NOT_SIGNED)
        self._limit(agent)
        if agent.barred:
            raise Refused(403, f"{agent.name} has misbehaved {STRIKES} times and is barred from this run")
        return agent

    def _known(self, name: str) -> str:
        return name if name in self.agents else "somebody unknown"

    def _signer(self, request: Request, claimed: str, nonce: int, body: bytes) -> Outsider | None:
        """Whose token signed it; every token is tried, so that the time taken tells nothing."""
        given = request.headers.get("headcount-signature", "").encode()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        signers = [
            agent
            for agent in self.agents.values()
            if hmac.compare_digest(signature(agent.token, claimed, nonce, request.method, path, body).encode(), given)
        ]
        return signers[0] if signers else None

    def _forged(self, agent: Outsider | None, what: str) -> None:
        """Somebody asked in an agent's name. That is recorded, and is no strike against the agent, or whoever overhears
        it could have it barred. All who do so share one bucket, and so the trace cannot be flooded either."""
        if self._strangers.take(asyncio.get_running_loop().time()):
            if agent is not None:
                self._record(Noted(agent.name, "outside_forgery", f"a request in its name {what}"))
            return
        if self._strangers.floods():
            self._record(Noted("market", "outside_flood", f"strangers asked more than {BURST} times at once"))
        raise Refused(429, f"at most {RATE:g} requests a second")

    def _limit(self, agent: Outsider) -> None:
        """One flood is one strike, however long."""
        if agent.bucket.take(asyncio.get_running_loop().time()):
            return
        if agent.bucket.floods():
            self.strike(agent.name, f"asked more than {BURST} times at once")
        raise Refused(429, f"at most {RATE:g} requests a second")

    def _postings(self, agent: Outsider) -> list[Offered]:
        open_ = [call.offered for call in self._calls.values() if agent.name in call.asked]
        return open_ + [offered for holder, offered, _ in self._held.values() if holder == agent.name]

    def _bid(self, agent: Outsider, body: bytes) -> dict[str, bool]:
        bid = self._read(agent, body, _Price)
        call = self._calls.get(bid.posting)
        if call is None or agent.name not in call.asked:
            raise Refused(409, f"{bid.posting!r} is not open to you")
        in_range = (
            0 <= bid.price <= HIGHEST_PRICE
            and 0 <= bid.confidence <= 1
            and (bid.seconds is None or 0 <= bid.seconds <= LONGEST_S)
        )
        if not in_range:
            ranges = f"price from 0 to {HIGHEST_PRICE:g}, confidence from 0 to 1, seconds from 0 to {LONGEST_S:g}"
            raise Refused(400, f"a figure is out of range: {ranges}")
        call.bids[agent.name] = BidMade(bid.posting, agent.name, bid.price, bid.confidence, seconds=bid.seconds)
        if call.bids.keys() == call.asked:
            call.complete.set()
        return {"bid": True}

    def _deliver(self, agent: Outsider, body: bytes) -> dict[str, bool]:
        work = self._read(agent, body, _Work)
        holder, _, delivered = self._held.get(work.posting, ("", None, None))
        if delivered is None or holder != agent.name or delivered.done():
            raise Refused(409, f"{work.posting!r} is not yours to deliver")
        if not work.content.strip():
            self.strike(agent.name, f"delivered nothing for {work.posting}")
            raise Refused(400, "content: there is nothing in it")
        delivered.set_result(work.content)
        return {"delivered": True}

    def _read(self, agent: Outsider, body: bytes, form: type[Any]) -> Any:
        try:
            return msgspec.convert(strict.loads(body), form)
        except (bounds.Malformed, msgspec.ValidationError) as error:
            self.strike(agent.name, f"sent what cannot be read: {str(error)[:200]}")
            raise Refused(400, str(error)) from None


def _nonce(request: Request) -> int:
    given = request.headers.get("headcount-nonce", "")
    if not (given.isascii() and given.isdecimal() and len(given) < 20 and 0 < int(given) < NONCES):
        raise Refused(401, "Headcount-Nonce: give a whole number above that of your last request")
    return int(given)


async def _body(request: Request) -> bytes:
    """The body, read no further than it may be long."""
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > LARGEST:
            raise Refused(413, f"at most {LARGEST:,} bytes")
    return bytes(read)
