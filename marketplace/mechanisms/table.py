"""The mechanisms by name, with what can be said of each; users' own by import path."""

from __future__ import annotations

from msgspec import Struct

from marketplace.mechanisms.combinatorial import MOST_POSTINGS
from marketplace.mechanisms.mechanism import Mechanism
from traces import imports
from traces.errors import InputError


class Known(Struct, frozen=True):
    """A shipped mechanism and its properties, as its docstring explains them.

    truthful: bidding one's cost is a dominant strategy. efficient: the awards have the highest welfare that the bids
    allow. rational: a winner is paid at least its bid. balanced: what posters pay is what winners get, within the
    reserves. needs_budget: each posting must have a reserve. whole_round: made for many postings at once, at most
    `most` of them.
    """

    path: str
    about: str
    truthful: bool = False
    efficient: bool = False
    rational: bool = True
    balanced: bool = True
    needs_budget: bool = False
    whole_round: bool = False
    most: int | None = None


_HERE = "marketplace.mechanisms."
MECHANISMS: dict[str, Known] = {
    "first_claim": Known(_HERE + "claims:first_claim", "whoever comes first, at its price"),
    "posted_price": Known(
        _HERE + "claims:posted_price", "the poster names the price", truthful=True, needs_budget=True
    ),
    "lowest_bid": Known(_HERE + "sealed:lowest_bid", "sealed bids, lowest price per expected success (contract net)"),
    "scored": Known(_HERE + "sealed:scored", "sealed bids, scored on price, quality, reputation and speed"),
    "vickrey": Known(
        _HERE + "sealed:vickrey", "lowest sealed bid, paid the second price", truthful=True, efficient=True
    ),
    "assignment": Known(
        _HERE + "matching:assignment",
        "a round matched at once, for the highest worth",
        efficient=True,
        whole_round=True,
    ),
    "double_auction": Known(
        _HERE + "double_auction:double_auction",
        "many alike tasks at one price (McAfee)",
        truthful=True,
        balanced=False,
        needs_budget=True,
        whole_round=True,
    ),
    "bundles": Known(
        _HERE + "combinatorial:bundles",
        "bids on bundles, decided exactly (VCG)",
        truthful=True,
        efficient=True,
        whole_round=True,
        most=MOST_POSTINGS,
    ),
}


def find(name: str) -> Mechanism:
    """The mechanism called `name`, or the function at an import path, `my_module:function`. Raises InputError."""
    known = MECHANISMS.get(name)
    path = known.path if known else name if ":" in name else ""
    if not path:
        raise InputError(
            f"no mechanism {name!r}; there are: {', '.join(MECHANISMS)}, or an import path module:function"
        )
    found = imports.load(path, f"mechanism {name!r}")
    if not callable(found):
        raise InputError(f"mechanism {name!r} is no function: it must take (bids, terms) and return a list of awards")
    return found  # type: ignore[no-any-return]
