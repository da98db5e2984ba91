"""Documents on the terminal: what a query finds, and recall by way of cutting."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import cast

import msgspec
from rich import box
from rich.table import Table

from experiments.documents import corpora
from experiments.documents.corpora import Corpus
from experiments.terminal import printing
from tools.chunking import Strategy
from tools.retrieval import Knowledge

SHOWN = 10


def show_ranks(corpus: Corpus, query: str, *, json: bool) -> None:
    """The fused ranking, with each passage's rank by meaning and by words."""
    knowledge = corpus.open()
    rows = rank_rows(knowledge, query)
    show_left_out(knowledge)
    if json:
        print(msgspec.json.encode(rows).decode())
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("fused", "meaning", "words"):
        table.add_column(name, justify="right", min_width=len(name))
    table.add_column("passage", no_wrap=True, min_width=24)
    table.add_column("text", no_wrap=True, overflow="ellipsis")
    for row in rows[:SHOWN]:
        table.add_row(
            *(str(row[name] or "-") for name in ("fused", "meaning", "words")),
            str(row["passage"]),
            " ".join(str(row["text"]).split()),
        )
    table.caption = f"{min(SHOWN, len(rows))} of {len(rows)} passages that either search found"
    printing.console().print(table)


def show_left_out(knowledge: Knowledge) -> None:
    """The files that are not among the documents, on stderr."""
    for one in knowledge.left_out:
        print(f"left out: {one}", file=sys.stderr)


def rank_rows(knowledge: Knowledge, query: str) -> list[dict[str, object]]:
    """A row for each passage that either search found among its first 20, best first."""
    ranks = knowledge.ranks(query)
    rows: list[dict[str, object]] = []
    for place, chunk_id in enumerate(ranks.fused, 1):
        chunk = knowledge.chunk(chunk_id)
        rows.append(
            {
                "fused": place,
                "meaning": ranks.vector.index(chunk_id) + 1 if chunk_id in ranks.vector else None,
                "words": ranks.text.index(chunk_id) + 1 if chunk_id in ranks.text else None,
                "passage": chunk_id,
                "title": chunk.title if chunk else "",
                "text": chunk.text if chunk else "",
            }
        )
    return rows


def show_recall(corpus: Corpus, strategies: Sequence[str], lengths: Sequence[int], k: int, *, json: bool) -> None:
    """Recall at k and mean reciprocal rank, a row for each way of cutting."""
    rows = recall_rows(corpus, strategies, lengths, k)
    show_left_out(corpus.open())
    if json:
        print(msgspec.json.encode(rows).decode())
        return
    table = Table(
        title=f"{corpus.name}: {len(corpus.questions)} questions, the first {k} passages",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "cut by" else "right")
    for row in rows:
        table.add_row(*map(_shown, row.values()))
    table.caption = (
        "recall: share of what the answers rest on that is found; MRR: mean of 1 / rank of the first hit;\n"
        "cut: texts that stand in no single passage"
    )
    printing.console().print(table)


def _shown(value: str | int | float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def recall_rows(
    corpus: Corpus, strategies: Sequence[str], lengths: Sequence[int], k: int
) -> list[dict[str, str | int | float]]:
    """For the terminal and the app: a row for each way of cutting."""
    rows: list[dict[str, str | int | float]] = []
    for strategy, length, chunks, found in corpora.compare(corpus, cast("list[Strategy]", strategies), lengths, k):
        row: dict[str, str | int | float] = {"cut by": strategy, "chars": length, "passages": chunks}
        for recall in found:
            name = {"vector": "meaning", "text": "words", "fused": "fused"}[recall.way]
            row |= {f"{name} recall": recall.recall, f"{name} MRR": recall.mrr}
        rows.append({**row, "cut": found[0].cut})
    return rows
