"""Knowledge: your documents, what a search over them finds, and how to cut them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from experiments.documents import corpora
from experiments.documents.corpora import Corpus
from experiments.terminal import corpora_report
from tasks import scenario as scenarios
from tools import documents
from tools.retrieval import Knowledge
from traces.errors import HeadcountError, InputError
from ui import shared

ADD = "add documents of mine"
SHOWN = 10
ENDS = ("recall", "MRR")


def page() -> None:
    st.title("Knowledge")
    st.write("What agents can find: the documents, how they are cut into passages, and what a search gives back.")
    corpus = _corpus()
    if corpus is None:
        return
    with st.spinner("Reading and indexing the documents"):
        knowledge = _opened(corpus.name, _changed(corpus.folder))
    found, asked, measured = st.tabs(["Search", "Documents", "How to cut them"])
    with found:
        _search(knowledge)
    with asked:
        _documents(corpus, knowledge)
    with measured:
        _recall(corpus)


@st.cache_resource(show_spinner=False, max_entries=8)
def _opened(name: str, changed: float) -> Knowledge:
    return corpora.find(name).open()


def _changed(folder: Path) -> float:
    """When anything in the folder last changed."""
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def _corpus() -> Corpus | None:
    names = [*scenarios.shipped(), *corpora.corpora(), ADD]
    asked = st.query_params.get("documents", "")
    picked = st.selectbox(
        "Documents",
        names,
        index=names.index(asked) if asked in names else 0,
        key="corpus",
        on_change=shared.follow,
        args=["documents", "corpus"],
    )
    if picked != ADD:
        return corpora.find(picked)
    _add()
    return None


def _add() -> None:
    with st.form("add", border=True):
        name = st.text_input("A name for them", placeholder="handbook", help="Letters, digits and _.")
        files = st.file_uploader(
            "Files", accept_multiple_files=True, type=[form.lstrip(".") for form in documents.FORMS]
        )
        st.caption(f"They stay on this machine, in {shared.plain(str(corpora.folder_of('NAME')))}.")
        sent = st.form_submit_button("Add", type="primary")
    if not sent:
        return
    if not files:
        st.warning("Choose at least one file.")
        return
    try:
        corpora.add(name, {file.name: file.getvalue() for file in files})
    except InputError as error:
        st.error(shared.sentence(error))
        return
    shared.go("knowledge", documents=name)


def _search(knowledge: Knowledge) -> None:
    query = st.text_input(
        "Search", key="query", placeholder="Ask in the words that an agent would use", bind="query-params"
    )
    if not query:
        st.info("Type a question to see which passages are found by meaning, by words, and by both.")
        return
    rows = corpora_report.rank_rows(knowledge, query)
    if not rows:
        st.warning("Nothing is found for this.")
        return
    st.caption(f"{min(SHOWN, len(rows))} of {len(rows)} passages that either search found. Agents get the first few.")
    for row in rows[:SHOWN]:
        with st.container(border=True):
            places = " · ".join(f"{name}: {_rank(row[name])}" for name in ("fused", "meaning", "words"))
            st.markdown(f"**{shared.plain(str(row['passage']))}** · {shared.plain(str(row['title']))}")
            st.caption(f"Rank {places}")
            st.text(str(row["text"]))


def _rank(value: object) -> str:
    return "not in the first 20" if value is None else str(value)


def _documents(corpus: Corpus, knowledge: Knowledge) -> None:
    chunks = knowledge.chunks()
    rows = []
    for one in knowledge.left_out:
        st.warning(shared.plain(f"Left out: {one}"))
    for document in documents.read(corpus.folder):
        own = [len(chunk.text) for chunk in chunks if chunk.source == document.source]
        rows.append(
            {
                "document": document.path,
                "title": document.title,
                "cited as": document.source,
                "characters": len(document.text),
                "passages": len(own),
                "longest passage": max(own, default=0),
            }
        )
    st.caption(f"{len(rows):,} documents, {len(chunks):,} passages, cut by {corpus.settings.chunking}.")
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _recall(corpus: Corpus) -> None:
    st.write(
        "How often is the passage that answers a question among the first few? Measured on questions, without any "
        "agent: a scenario's cases, or a CSV file of yours with the columns question and support (a text of the right "
        "passage)."
    )
    given = st.file_uploader("Questions (CSV)", type="csv", key="questions")
    left, right = st.columns(2)
    strategies = left.multiselect("Cut by", corpora.STRATEGIES, default=corpora.STRATEGIES, key="strategies")
    lengths = right.multiselect("Characters a passage", [300, 500, 900, 1500], default=[500, 900], key="lengths")
    k = st.slider("Passages that an agent gets", 1, 20, corpus.settings.results, key="k")
    try:
        asked = corpora.questions_in(Path(given.name), given.getvalue()) if given else corpus.questions
    except HeadcountError as error:
        st.error(shared.sentence(error))
        return
    if not asked:
        st.info("These documents have no questions yet: give a CSV file above.")
        return
    if not strategies or not lengths:
        st.info("Pick at least one way of cutting and one length.")
        return
    if st.button(f"Measure on {len(asked)} questions", type="primary"):
        with st.spinner("Indexing and searching"):
            rows = corpora_report.recall_rows(corpora.asking(corpus, asked), strategies, lengths, k)
        shares = {name: st.column_config.NumberColumn(format="%.2f") for name in rows[0] if name.endswith(ENDS)}
        cut = st.column_config.NumberColumn(help="Answers that no passage has whole.")
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={**shares, "cut": cut})
        st.caption(
            f"Recall: the share of the answering passages among the first {k}. MRR: the mean of 1 / the rank of the "
            "first of them. By meaning (vectors), by words (full text), and both fused."
        )
        best = max(rows, key=lambda row: row["fused recall"])
        st.success(
            f"Best here: cut by {best['cut by']} at {best['chars']:,} characters: recall {best['fused recall']:.2f} in "
            f"the first {k}. In scenario.yaml: knowledge: chunking: {best['cut by']}, chunk_chars: {best['chars']}."
        )
