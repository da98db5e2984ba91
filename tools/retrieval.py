"""Retrieval with LanceDB: vector and full-text search over the same chunks, fused by reciprocal rank."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tools import chunking, documents, wordindex
from tools.chunking import Strategy
from tools.tool import Effect, Retriever, Tool, ToolOutput, World, from_function
from traces.kept import Kept
from traces.kernel import Chunk

DEPTH = 20  # how many each of the two searches contributes
FUSION_K = 60  # the constant of reciprocal rank fusion
LAYOUT = 2  # goes up when the table's layout changes, or what of a text is indexed

COLUMNS = "columns.json"  # beside the table: in which columns words are looked for

Embed = Callable[[Sequence[str]], list[list[float]]]


class Ranks(Struct, frozen=True):
    """What each search finds for a query, best first: chunk ids by meaning, by words, and by both."""

    vector: tuple[str, ...]
    text: tuple[str, ...]
    fused: tuple[str, ...]


class Knowledge(Retriever):
    """A scenario's documents, searchable. Results are the same for the same query, and kept beside the index, so that
    LanceDB is opened for what was not asked before."""

    def __init__(
        self, place: Path, embedding: str, chunks: list[Chunk], left_out: tuple[documents.LeftOut, ...] = ()
    ) -> None:
        self._place, self._embedding, self.left_out = place, embedding, left_out
        self._chunks = {chunk.id: chunk for chunk in chunks}
        self._asked = Kept(place / "asked.sqlite", safe=False)
        self._kept = lru_cache(maxsize=8192)(self._search)

    @classmethod
    def open(
        cls,
        folder: Path,
        chunk_chars: int,
        overlap_chars: int,
        cache: Path,
        embedding: str = "wordllama",
        strategy: Strategy = "paragraphs",
    ) -> Knowledge:
        """Open the documents of `folder`, indexing them under `cache` where that has not been done for this very
        content. `embedding`: wordllama (local), or a LiteLLM embedding model's name. Two processes may do it at once.
        `left_out` has the files that cannot be read; raises ScenarioError where no file can be.
        """
        survey = documents.survey(folder)
        chunks = [c for d in survey.documents for c in chunking.chunk(d, chunk_chars, overlap_chars, strategy)]
        content = msgspec.json.encode([LAYOUT, embedding, chunks])
        place = cache / hashlib.blake2b(content, digest_size=8).hexdigest()
        if not place.is_dir():
            _build(place, chunks, embedder(embedding))
        return cls(place, embedding, chunks, survey.left_out)

    def search(self, query: str, limit: int) -> list[Chunk]:
        """The best chunks, best first. The score is the fused one: the sum of 1 / (60 + rank) over the searches that
        found it (Cormack, Clarke & Büttcher 2009); ties go by id."""
        return list(self._kept(query, limit))

    def chunk(self, chunk_id: str) -> Chunk | None:
        return self._chunks.get(chunk_id)

    def chunks(self) -> list[Chunk]:
        return list(self._chunks.values())

    def _search(self, query: str, limit: int) -> tuple[Chunk, ...]:
        if not query.strip():
            return ()
        vector, text = self._both(query)
        fused = fuse(vector, text)[:limit]
        return tuple(
            msgspec.structs.replace(
                self._chunks[chunk_id],
                score=round(score, 6),
                vector_rank=_rank(vector, chunk_id),
                text_rank=_rank(text, chunk_id),
            )
            for chunk_id, score in fused
        )

    def ranks(self, query: str) -> Ranks:
        """Up to 20 of each search, and of both together."""
        vector, text = self._both(query) if query.strip() else ([], [])
        return Ranks(tuple(vector), tuple(text), tuple(chunk_id for chunk_id, _ in fuse(vector, text)[:DEPTH]))

    def _both(self, query: str) -> tuple[list[str], list[str]]:
        """The chunks nearest in meaning, and those that have its words."""
        key = query.encode("utf-8", "replace")
        known = self._asked.get(key)
        if known is None:
            vector = self._ids(self._table.search(embedder(self._embedding)([query])[0]), "_distance")
            found = vector, self._with_words(query)
            self._asked[key] = msgspec.json.encode(found)
            return found
        return msgspec.json.decode(known, type=tuple[list[str], list[str]])

    def _with_words(self, query: str) -> list[str]:
        columns = msgspec.json.decode((self._place / COLUMNS).read_bytes(), type=wordindex.Columns)
        asked = wordindex.query(query, columns)
        return [] if asked is None else self._ids(self._table.search(asked, query_type="fts"), "_score")

    @cached_property
    def _table(self) -> Any:
        return connect(self._place).open_table("chunks")

    def _ids(self, query: Any, score: str) -> list[str]:
        return [row["id"] for row in query.select(["id", score]).limit(DEPTH).to_list()]


def fuse(*rankings: Sequence[str]) -> list[tuple[str, float]]:
    """Reciprocal rank fusion of rankings: (id, score), best first."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, chunk_id in enumerate(ranking, 1):
            scores[chunk_id] = scores.get(chunk_id, 0.0) + 1 / (FUSION_K + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _rank(ranking: Sequence[str], chunk_id: str) -> int | None:
    return ranking.index(chunk_id) + 1 if chunk_id in ranking else None


def _build(place: Path, chunks: list[Chunk], embed: Embed) -> None:
    """Build the table beside its place and move it there whole; whoever comes second finds it done."""
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix=".building-"))
    try:
        texts = [f"{c.title}\n{c.text}" for c in chunks]
        columns = wordindex.columns(_by_source(chunks))
        rows = [
            {"id": chunk.id, "vector": vector, **wordindex.row(text, chunk.source, columns)}
            for chunk, text, vector in zip(chunks, texts, embed(texts), strict=True)
        ]
        table = connect(scratch).create_table("chunks", data=rows)
        wordindex.index(table, columns)
        (scratch / COLUMNS).write_bytes(msgspec.json.encode(columns))
        scratch.rename(place)
    except OSError:
        if not place.is_dir():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _by_source(chunks: list[Chunk]) -> dict[str, str]:
    """The text of each document, by its name in citations."""
    found: dict[str, list[str]] = {}
    for chunk in chunks:
        found.setdefault(chunk.source, [chunk.title]).append(chunk.text)
    return {source: "\n".join(texts) for source, texts in found.items()}


def connect(folder: Path | None) -> Any:
    """A LanceDB database in a folder, or in memory."""
    import lancedb

    return lancedb.connect("memory://" if folder is None else str(folder))


@cache
def embedder(name: str) -> Embed:
    """Texts to vectors: wordllama (local), or a LiteLLM embedding model's name."""
    if name != "wordllama":
        return lambda texts: _hosted(name, texts)
    import wordllama

    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    return lambda texts: [[float(x) for x in vector] for vector in model.embed(list(texts), norm=True)]


def _hosted(name: str, texts: Sequence[str]) -> list[list[float]]:
    import litellm

    return [item["embedding"] for item in litellm.embedding(model=name, input=list(texts)).data]


def search(world: World, query: str) -> ToolOutput:
    """Search the documents (by meaning and by words). Gives the best passages, each headed by [its id] and title."""
    if world.retriever is None:
        return ToolOutput("there are no documents here")
    chunks = world.retriever.search(query, world.results)
    text = "\n\n".join(f"[{c.id}] {c.title}\n{c.text}" for c in chunks)
    return ToolOutput(text or "nothing found", tuple(chunks))


def tool() -> Tool:
    return from_function(search, effect=Effect.READ, latency_s=0.15, ours=True)
