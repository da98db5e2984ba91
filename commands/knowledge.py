"""Documents: what a search over them finds, and how often it is the right passage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import options
from commands.options import Json

cli = typer.Typer()


@cli.command()
def knowledge(
    documents: Annotated[str, typer.Argument(help="A scenario, or a folder of documents.")],
    query: Annotated[
        str | None, typer.Option(help="Search, and show the ranks by meaning, by words and fused.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="CSV of question,support (default: the scenario's cases).")
    ] = None,
    chunking: Annotated[str, typer.Option(help="Ways of cutting, separated by commas, or all.")] = "all",
    chunk_chars: Annotated[str, typer.Option(help="Lengths of chunks, separated by commas.")] = "500,900",
    k: Annotated[int, typer.Option(min=1, help="How many passages a search gives back.")] = 4,
    json: Json = False,
) -> None:
    """Search documents, or measure how well they are found. By each way of cutting them, on questions."""
    from experiments.documents import corpora
    from experiments.terminal import corpora_report
    from traces.errors import InputError

    if query is not None and not query.strip():
        raise InputError("--query: give words to search for")
    corpus = corpora.find(documents)
    if query is not None:
        corpora_report.show_ranks(corpus, query, json=json)
        return
    if questions is not None:
        corpus = corpora.asking(corpus, corpora.questions_in(questions))
    if not corpus.questions:
        raise InputError("no questions to measure with: give --questions FILE, or --query TEXT to search")
    lengths = [_length(word) for word in options.words(chunk_chars)]
    corpora_report.show_recall(corpus, _strategies(chunking), lengths, k, json=json)


def _strategies(text: str) -> list[str]:
    from experiments.documents.corpora import STRATEGIES
    from traces.errors import InputError

    words: list[str] = [*STRATEGIES] if text == "all" else [*options.words(text)]
    for word in words:
        if word not in STRATEGIES:
            raise InputError(f"--chunking: no {word!r}; there are: {', '.join(STRATEGIES)}")
    return words


def _length(word: str) -> int:
    from traces.errors import InputError

    if not word.isdigit() or int(word) < 100:
        raise InputError(f"--chunk-chars: {word!r} should be a whole number of at least 100")
    return int(word)
