"""An agent from outside, as small as it can be: it bids on what it sees, and delivers what it is awarded.

python docs/outside_agent.py INVITATION.json       (headcount market invitations lists them)
"""

import hashlib
import hmac
import json
import sys
import time
from collections.abc import Generator

import httpx


def answer(assignment: str) -> str:
    """Put your own agent here."""
    return f"I looked at it: {assignment.splitlines()[0]}"


class Signed(httpx.Auth):
    """Signs each request with the agent's token, over a nonce that grows: no other can make one, or send it again."""

    requires_request_body = True

    def __init__(self, agent: str, token: str) -> None:
        self.agent, self.key, self.nonce = agent, token.encode(), 0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self.nonce = max(time.time_ns(), self.nonce + 1)
        path = request.url.raw_path.decode()
        head = "".join(f"{part}\n" for part in (self.agent, self.nonce, request.method, path))
        signature = hmac.new(self.key, head.encode() + request.content, hashlib.sha256).hexdigest()
        request.headers["Headcount-Agent"] = self.agent
        request.headers["Headcount-Nonce"] = str(self.nonce)
        request.headers["Headcount-Signature"] = signature
        yield request


def main(invitation: str) -> None:
    with open(invitation) as file:
        invited = json.load(file)
    who = Signed(invited["agent"], invited["token"])
    bid_on: set[str] = set()
    with httpx.Client(base_url=invited["url"], auth=who) as market:
        while True:
            try:
                postings = market.get("/postings").raise_for_status().json()
                for posting in postings:
                    name = posting["posting"]
                    if posting["state"] == "yours":
                        market.post("/deliveries", json={"posting": name, "content": answer(posting["assignment"])})
                    elif name not in bid_on:
                        bid_on.add(name)
                        market.post("/bids", json={"posting": name, "price": 500, "confidence": 0.9})
            except httpx.ConnectError:
                return  # the market is over
            except httpx.TransportError:
                pass  # busy, or over: the next request will tell
            time.sleep(0.5)


if __name__ == "__main__":
    main(sys.argv[1])
