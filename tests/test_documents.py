"""Documents of every form, and the ways to cut them."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import chunking, documents
from tools.documents import Document
from tools.retrieval import Knowledge
from traces.errors import InputError, ScenarioError

RULE = "Tea can be returned unopened within 14 days."


def pdf(path: Path, text: str) -> None:
    """A PDF of one page that says one line."""
    stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"xref\n0 6\n0000000000 65535 f \n%btrailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(body),
    )
    path.write_bytes(body + end)


def word(path: Path) -> None:
    document = docx.Document()
    document.add_heading("Returns", 1)
    document.add_paragraph(RULE)
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Sencha", "7.50"
    document.save(str(path))


def write(folder: Path) -> None:
    (folder / "a.md").write_text(f"# Returns\n\n{RULE}\n")
    (folder / "b.txt").write_text(RULE)
    (folder / "c.html").write_text(
        f"<html><head><title>Rules</title><style>p{{}}</style></head><body><nav>Home</nav><h2>Returns</h2><p>{RULE}</p>"
        "<ul><li>Sencha <b>7.50</b></li></ul><script>alert(1)</script></body></html>"
    )
    pdf(folder / "d.pdf", RULE)
    word(folder / "e.docx")
    (folder / "f.csv").write_text(f"item;rule\nTea;{RULE}\n")


def test_every_form_is_read_searched_and_cited(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    write(folder)
    found = documents.read(folder)
    assert [d.path for d in found] == ["a.md", "b.txt", "c.html", "d.pdf", "e.docx", "f.csv"]
    assert all("14 days" in d.text for d in found)
    knowledge = Knowledge.open(folder, 400, 0, tmp_path / "cache")
    assert {c.source for c in knowledge.search("within how many days can tea be returned", 10)} == set("abcdef")


def test_structure_survives_and_machinery_does_not(tmp_path: Path) -> None:
    write(tmp_path)
    by_name = {d.path: d for d in documents.read(tmp_path)}
    assert by_name["c.html"].title == "Rules"
    assert by_name["c.html"].text == f"## Returns\n\n{RULE}\n\n- Sencha 7.50"
    assert by_name["e.docx"].text == f"# Returns\n\n{RULE}\n\nSencha | 7.50"
    assert by_name["f.csv"].text == f"item: Tea; rule: {RULE}"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("torn.pdf", b"%PDF-1.4 torn", "is not a PDF that can be opened"),
        ("torn.docx", b"PK torn", "is not a DOCX that can be opened"),
        ("latin.txt", b"caf\xe9", "cannot be read"),
        ("empty.html", b"<html></html>", "holds no text"),
        ("wide.csv", b"a,b\n1,2,3\n", "wide.csv:2: the row has more cells than the header"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ScenarioError, match=name) as raised:
        documents.read(tmp_path)
    assert why in str(raised.value)


def test_two_documents_cannot_be_cited_by_one_name(tmp_path: Path) -> None:
    (tmp_path / "rules.md").write_text("one")
    (tmp_path / "rules.txt").write_text("two")
    with pytest.raises(ScenarioError, match=r"is cited as 'rules', as rules\.md is"):
        documents.read(tmp_path)


def test_a_folder_without_documents_says_which_forms_count(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"no documents \(\.md, \.txt, \.html"):
        Knowledge.open(tmp_path, 400, 0, tmp_path / "cache")


TEXT = st.lists(st.text("abc .\n#", min_size=1, max_size=200), max_size=8).map("\n\n".join)


@pytest.mark.parametrize("strategy", chunking.STRATEGIES)
@given(text=TEXT, longest=st.integers(100, 400), overlap=st.integers(0, 60))
def test_every_strategy_keeps_all_text_within_the_length(
    strategy: chunking.Strategy, text: str, longest: int, overlap: int
) -> None:
    chunks = chunking.chunk(Document("d", "D", text.strip()), longest, overlap, strategy)
    joined = "".join("".join(c.text.split()) for c in chunks)
    assert {c.id for c in chunks} == {f"d#{n}" for n in range(1, len(chunks) + 1)}
    for word_ in text.replace("#", " ").split():
        assert word_[:20] in joined
    if strategy == "fixed":
        assert all(len(c.text) <= longest for c in chunks)


def test_a_section_says_what_it_stands_under() -> None:
    text = "# Tea\n\n## Returns\n\nWithin 14 days.\n\n## Prices\n\n7.50"
    chunks = chunking.chunk(Document("d", "D", text), 400, 0, "sections")
    assert [c.text for c in chunks] == ["Tea > Returns\nWithin 14 days.", "Tea > Prices\n7.50"]
    chunks = chunking.chunk(Document("d", "D", "# Tea\n\n## Returns\n\n# Coffee\n\nNone."), 400, 0, "sections")
    assert [c.text for c in chunks] == ["Tea > Returns", "Coffee\nNone."]
