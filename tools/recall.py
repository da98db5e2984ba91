"""How well a search finds what answers a question: recall and reciprocal rank, by way of searching."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from tools.retrieval import Knowledge
from traces.wording import says

Way = Literal["vector", "text", "fused"]
WAYS: tuple[Way, ...] = ("vector", "text", "fused")


class Question(Struct, frozen=True):
    """`support`: texts that the passages which answer it hold; each must be found for a full answer."""

    text: str
    support: tuple[str, ...]


class Recall(Struct, frozen=True):
    """`recall` is the mean share of a question's supports that stand in the first `k` passages; `mrr` the mean of one
    over the rank of the first passage with any (0 where none is among the first 20); `cut` counts supports that stand
    in no single passage: they were cut in two, or are in no document."""

    way: Way
    k: int
    questions: int
    recall: float
    mrr: float
    cut: int


def measure(knowledge: Knowledge, questions: Sequence[Question], k: int) -> list[Recall]:
    """Recall at `k` and mean reciprocal rank (Manning, Raghavan & Schütze 2008, ch. 8) of each way of searching."""
    where = [[_holders(knowledge, support) for support in question.support] for question in questions]
    ranks = [knowledge.ranks(question.text) for question in questions]
    cut = sum(not holders for supports in where for holders in supports)
    return [
        Recall(
            way,
            k,
            len(questions),
            _mean(_found(getattr(rank, way)[:k], supports) for rank, supports in zip(ranks, where, strict=True)),
            _mean(_reciprocal(getattr(rank, way), supports) for rank, supports in zip(ranks, where, strict=True)),
            cut,
        )
        for way in WAYS
    ]


def _holders(knowledge: Knowledge, support: str) -> frozenset[str]:
    return frozenset(chunk.id for chunk in knowledge.chunks() if says(chunk.text.replace("*", ""), support))


def _found(seen: Sequence[str], supports: Sequence[frozenset[str]]) -> float:
    return sum(not holders.isdisjoint(seen) for holders in supports) / len(supports)


def _reciprocal(seen: Sequence[str], supports: Sequence[frozenset[str]]) -> float:
    wanted = frozenset().union(*supports)
    return next((1 / rank for rank, chunk_id in enumerate(seen, 1) if chunk_id in wanted), 0.0)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
