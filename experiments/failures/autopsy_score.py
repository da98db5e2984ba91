"""How good the rules of the autopsy are: their labels beside the true ones, which simulated models leave in a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from experiments.failures.autopsy import Autopsy
from experiments.failures.mast import LABELS
from experiments.judging.statistics import wilson
from traces.kernel import Chat, Record

NONE = "none"


class Share(Struct, frozen=True):
    """`part` of `whole`, with a 95 % interval (Wilson 1927, model calls taken as independent); `value` is None for 0 of
    0."""

    part: int
    whole: int
    value: float | None
    low: float
    high: float


class Score(Struct, frozen=True):
    """Over the model calls of `runs` failed simulated runs.

    recall:    true mode → of the calls with that error, the share that got a label which can stand for it
    precision: label → of the calls that got it, the share with a true error that it can stand for
    confusion: (true mode, label) → calls; `none` where there is no true error, or no label
    decisive:  of the decisive errors, the share at a call with a true error of that label
    located:   of the decisive errors, the share at a call with any true error
    explained: of the failed runs, the share with a decisive error
    """

    runs: int
    recall: dict[str, Share]
    precision: dict[str, Share]
    confusion: dict[tuple[str, str], int]
    decisive: Share
    located: Share
    explained: Share


def score(read: Iterable[tuple[Autopsy, Sequence[Record]]]) -> Score:
    """Of autopsies, each with the records that it was made from; of those, one run at a time is held."""
    confusion: Counter[tuple[str, str]] = Counter()
    runs = explained = located = right = 0
    for one, records in read:
        true = {r.seq: r.event.fault.mode for r in records if isinstance(r.event, Chat) and r.event.fault is not None}
        confusion.update(_pairs(one, true))
        runs += 1
        if one.decisive is not None:
            explained += 1
            located += one.decisive.seq in true
            right += fits(one.label, true.get(one.decisive.seq, NONE))
    modes = Counter(mode for mode, _ in confusion.elements() if mode != NONE)
    labels = Counter(label for _, label in confusion.elements() if label != NONE)
    hits = {pair: n for pair, n in confusion.items() if fits(pair[1], pair[0])}
    return Score(
        runs,
        {mode: share(sum(n for (m, _), n in hits.items() if m == mode), n) for mode, n in modes.most_common()},
        {label: share(sum(n for (_, x), n in hits.items() if x == label), n) for label, n in labels.most_common()},
        dict(confusion.most_common()),
        share(right, explained),
        share(located, explained),
        share(explained, runs),
    )


def fits(label: str, mode: str) -> bool:
    """Whether a label can stand for a true mode."""
    return label == mode != NONE or mode in LABELS.get(label, ())


def share(part: int, whole: int) -> Share:
    if not whole:
        return Share(part, whole, None, 0.0, 1.0)
    return Share(part, whole, part / whole, *wilson(part / whole, whole))


def _pairs(one: Autopsy, true: dict[int, str]) -> Iterable[tuple[str, str]]:
    """A pair for each call with an error or a label; of several labels at a call, one that fits, if any does."""
    labels: dict[int, list[str]] = {}
    for error in one.errors:
        labels.setdefault(error.seq, []).append(error.label)
    for seq in true.keys() | labels.keys():
        mode, given = true.get(seq, NONE), labels.get(seq, [NONE])
        yield mode, next((label for label in given if fits(label, mode)), given[0])
