"""An agent from outside, as small as it can be: it bids on what it sees, and delivers what it is awarded.

python docs/outside_agent.py INVITATION.json       (headcount market invitations lists them)
"""

import json
import sys
import time

import httpx


def answer(assignment: str) -> str:
    """Put your own agent here."""
    return f"I looked at it: {assignment.splitlines()[0]}"


def main(invitation: str) -> None:
    with open(invitation) as file:
        invited = json.load(file)
    who = {"Headcount-Agent": invited["agent"], "Authorization": f"Bearer {invited['token']}"}
    bid_on: set[str] = set()
    with httpx.Client(base_url=invited["url"], headers=who) as market:
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
