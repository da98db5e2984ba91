"""Documents of every form, and the ways to cut them."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import docx
import pytest
from docx.oxml import parse_xml
from hypothesis import given
from hypothesis import strategies as st

from tasks import graders, reading
from tasks.case import Fact, Step
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
        ("picture.txt", bytes(range(1, 32)) * 40, "is not text"),
        ("empty.html", b"<html></html>", "holds no text"),
        ("photo.png", b"\x89PNG", "has a form that is not read here; these are: .md, .txt, .html"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ScenarioError, match=name) as raised:
        documents.read(tmp_path)
    assert why in str(raised.value)


def test_documents_of_one_name_are_cited_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    for name in ("rules.md", "rules.txt", "en/rules.md"):
        (tmp_path / name).write_text(name)
    sources = {document.path: document.source for document in documents.read(tmp_path)}
    assert sources == {"en/rules.md": "rules", "rules.md": "rules.md", "rules.txt": "rules.txt"}


def test_names_in_any_script_are_cited_as_they_are_written(tmp_path: Path) -> None:
    names = {"การคืนสินค้า.txt": "การคืนสินค้า", "नियम (2).txt": "नियम-2", "U\u0308bersicht.txt": "Übersicht"}
    for name, source in names.items():
        (tmp_path / name).write_text(f"{name}: 14 days")
        assert graders.citations(f"within 14 days [{source}#1].") == [f"{source}#1"]
        step = Step(id="s", tool="search", facts={"days": Fact(value="14")})
        assert reading.read(step, f"[{source}#1] Title\n14 days")["days"].source == f"{source}#1"
    assert {document.source for document in documents.read(tmp_path)} == set(names.values())
    assert graders.citations("[U\u0308bersicht#1]") == ["Übersicht#1"]


def test_a_folder_without_documents_says_which_forms_count(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"no documents \(\.md, \.txt, \.html"):
        Knowledge.open(tmp_path, 400, 0, tmp_path / "cache")


def test_one_bad_file_costs_itself_and_machinery_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "torn.pdf").write_bytes(b"%PDF-1.4 torn")
    (tmp_path / "photo.png").write_bytes(b"")
    for name in (
        "~$e.docx",
        ".~lock.e.docx#",
        ".DS_Store",
        ".hidden.md",
        "a.md~",
        "b.lock",
        "Thumbs.db",
        "__MACOSX/._a.md",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"machinery")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "itself.md").symlink_to(tmp_path / "itself.md")
    survey = documents.survey(tmp_path)
    assert [d.path for d in survey.documents] == ["a.md", "b.txt", "c.html", "d.pdf", "e.docx", "f.csv"]
    assert [one.path for one in survey.left_out] == ["itself.md", "photo.png", "round", "torn.pdf"]
    assert Knowledge.open(tmp_path, 400, 0, tmp_path / ".cache").left_out == survey.left_out


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.md", "a.csv", "a.html"])
def test_unicode_is_read_in_every_form_of_it(tmp_path: Path, name: str, encoding: str) -> None:
    body = {"a.md": "# 返品\r\n\r\n14日以内です。 Grüße", "a.csv": "品名;期間\r\n返品;14日以内です。 Grüße\r\n"}
    text = body.get(name, "<meta charset=latin1><title>返品</title><div>14日以内です。 Grüße</div>")
    (tmp_path / name).write_bytes(text.encode(encoding))
    found = documents.read_one(tmp_path / name)
    assert "14日以内です。 Grüße" in found.text
    assert not {"\ufeff", "\r", "\x00"} & set(found.text)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["ひらがな だけ の テキスト です", "Цена чая 5", "ราคา 75 บาท ต่อ ถุง", "price: 5"])
def test_utf_16_without_a_mark_is_told_from_text_with_zeros(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    (tmp_path / "b.txt").write_bytes(b"A page with\x00 a zero in it, and one more\x00.")
    read = [document.text for document in documents.read(tmp_path)]
    assert read == [text, "A page with a zero in it, and one more."]


LEGACY = [
    ("cp1252", "Die Rückgabefrist für “Grünen Tee” beträgt 14 Tage – 5 €."),
    ("cp932", "荷物は火曜日に発送します。返品は１４日以内です。"),
    ("gbk", "商品可以在14天内退货。"),
    ("big5", "商品可以在十四天內退貨。"),
    ("koi8_r", "Товар можно вернуть в течение 14 дней."),
    ("cp1251", "Товар можно вернуть в течение 14 дней."),
    ("euc_kr", "배송은 화요일에 시작됩니다. 반품은 14일 이내에 가능합니다."),
    ("euc_jp", "荷物は火曜日に発送します。"),
    ("iso2022_jp", "荷物は火曜日に発送します。"),
    ("tis_620", "สินค้าส่งวันอังคารนี้"),
    ("cp1252", "Le café coûte 3,50 € à l’entrée. Déjà vu."),
    ("cp1252", "señor año"),
    ("iso8859-15", "Größe 5 €"),
    ("mac_roman", "Ungeöffnete Ware können Sie zurückgeben. Größe: groß."),
    ("cp866", "Товар можно вернуть в течение 14 дней."),
    ("iso8859-2", "Zażółć gęślą jaźń w ciągu 14 dni."),
    ("cp1250", "Zažádejte o vrácení peněz do 14 dnů, příliš žluťoučký kůň."),
]


@pytest.mark.parametrize(("encoding", "text"), LEGACY)
def test_older_encodings_are_told_apart(tmp_path: Path, encoding: str, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    (tmp_path / "b.csv").write_bytes(f"id,text\n1,{text.replace(',', '')}\n".encode(encoding))
    page = f"<meta http-equiv=Content-Type content='text/html; charset={encoding}'><body>{text}"
    (tmp_path / "c.html").write_bytes(page.encode(encoding))
    found = [document.text for document in documents.read(tmp_path)]
    assert found == [text, f"id: 1; text: {text.replace(',', '')}", text]


PAGES = {
    "text directly in body<br>and after a break": "text directly in body\nand after a break",
    "<h1>A</h1>loose<div>in div<span> and span</span></div>tail": "# A\n\nloose\n\nin div and span\n\ntail",
    "<dl><dt>Term</dt><dd>Meaning</dd></dl>": "Term\nMeaning",
    "<details><summary>More</summary>within</details><button>Buy</button>": "More\n\nwithin\n\nBuy",
    "<p>a</p><pre>x\n  y</pre>": "a\n\nx\n  y",
    "<table><tr><td>a<td>b<tr><td>c<td>d</table>": "a | b\n\nc | d",
    "<table><tr><td rowspan=2>Tea<td>7<tr><td>8</table>": "Tea | 7\n\nTea | 8",
    "<table><tr><td>left<table><tr><td>in<td>ner</table></td><td>right</table>": "left\n\nin | ner\n\nright",
    "<table><tr><td><h2>Title</h2>text</td></table>": "## Title\n\ntext",
    "<p hidden>no<p style='color:red; display: none'>no<p>yes<!-- no --><style>no</style><script>no</script>": "yes",
    "<frameset><frame src=x><noframes>for old browsers</noframes></frameset>": "for old browsers",
    "<p>Gr&uuml;&szlig;e &#x65e5;&#26412; &amp;lt;": "Grüße 日本 &lt;",
    "<ruby>東<rt>とう</rt>京<rt>きょう</rt></ruby>": "東京(とうきょう)",
    "<p dir=rtl>يمكن إرجاع المنتج</p>": "يمكن إرجاع المنتج",
    "<b>un<i>closed</b> tags</i> <div>end": "unclosed tags\n\nend",
    "<nav>Only a menu</nav>": "Only a menu",
    "<title>Never closed<body><p>text": "text",
    "<body style='display: none'>shown by a script": "shown by a script",
    "<div hidden>all there is</div>": "all there is",
    "<input value=filled><input type=hidden value=no>": "filled",
    "<!doctype html><html xmlns='http://www.w3.org/1999/xhtml'><p><![CDATA[a < b]]></p><title/>": "a < b",
}


@pytest.mark.parametrize("page", PAGES)
def test_all_that_a_page_shows_is_read_in_order(tmp_path: Path, page: str) -> None:
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    assert documents.read_one(tmp_path / "a.html").text == PAGES[page]


@pytest.mark.parametrize("tag", ["div", "b", "table><tr><td", "ul><li", "p hidden", "section><h1", "dl><dd"])
def test_a_deeply_nested_page_is_read(tmp_path: Path, tag: str) -> None:
    (tmp_path / "a.html").write_text(f"<p>start</p>{f'<{tag}>' * 20_000}end", encoding="utf-8")
    text = documents.read_one(tmp_path / "a.html").text
    assert text.startswith("start")
    assert text.endswith("start" if "hidden" in tag else "end")


DIALECTS = {
    "name,price\nTea,7\n": ["name: Tea; price: 7"],
    "name;price\nTea;7,50\n": ["name: Tea; price: 7,50"],
    "name\tprice\nTea, green\t7,50\n": ["name: Tea, green; price: 7,50"],
    "name|price\nTea|7\n": ["name: Tea; price: 7"],
    "name,price\rTea,7\rMate,8\r": ["name: Tea; price: 7", "name: Mate; price: 8"],
    '"name","note"\n"Tea","a ""b"", c\nd"\n': ['name: Tea; note: a "b", c\nd'],
    "'name','note'\n'Tea','a, b'\n": ["name: Tea; note: a, b"],
    "sep=;\nname;price\nTea;7\n": ["name: Tea; price: 7"],
    "# made by hand\nname,price\nTea,7\n# end\n": ["# made by hand", "name: Tea; price: 7"],
    "Tea,7.50,Japan\nMate,5.20,Peru\n": [
        "column_1: Tea; column_2: 7.50; column_3: Japan",
        "column_1: Mate; column_2: 5.20; column_3: Peru",
    ],
    "name,price,price\nTea,7,8\n": ["name: Tea; price: 7; price_2: 8"],
    "name,,price,\nTea,,7,\nMate,x,8,\n": ["name: Tea; price: 7", "name: Mate; column_2: x; price: 8"],
    "name,price\nTea\nMate,8,9\n": ["name: Tea", "name: Mate; price: 8; column_3: 9"],
    'name,price\n"Tea,7\nMate,8\n': ['name: "Tea; price: 7', "name: Mate; price: 8"],
    "| name | price |\n|:-----|---:|\n| Tea | 7 |\n": ["name: Tea; price: 7"],
    "品名，価格\n煎茶，７５０\n": ["品名: 煎茶; 価格: ７５０"],
    "name:price\nTea:7\n": ["name: Tea; price: 7"],
    "time\n12:30\n13:30\n": ["time: 12:30", "time: 13:30"],
    "Tea;7,50\nMate;5,20\n": ["column_1: Tea; column_2: 7,50", "column_1: Mate; column_2: 5,20"],
    "id,text\n1,a;b\n2,c;d\n": ["id: 1; text: a;b", "id: 2; text: c;d"],
    'name,note\n"Tea","a \\"b\\", c"\n': ['name: Tea; note: a "b", c'],
    'name,place\nTea,"C:\\tea\\"\n': ["name: Tea; place: C:\\tea\\"],
    "question\nWhen, and where?\nWhy?\n": ["question: When, and where?", "question: Why?"],
}


@pytest.mark.parametrize("table", DIALECTS)
def test_a_table_is_read_whatever_separates_its_cells(tmp_path: Path, table: str) -> None:
    (tmp_path / "a.csv").write_bytes(table.encode())
    assert documents.read_one(tmp_path / "a.csv").text.split("\n\n") == DIALECTS[table]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"name,text\nTea,{'x' * 300_000}\n")
    assert len(documents.read_one(tmp_path / "a.csv").text) > 300_000


def test_many_columns_may_have_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{'a,' * 30_000}a_2\n{'1,' * 30_000}2\n")
    names = documents.read_table(tmp_path / "a.csv").names
    assert len(set(names)) == 30_001
    assert [names[0], names[1], names[-1]] == ["a", "a_3", "a_2"]


def test_a_cell_too_many_in_a_table_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer\nWhy?,So.\nHow?,Well, so.\n")
    with pytest.raises(ScenarioError, match=r"a\.csv:3: the row has more cells than the header: 'so\.'"):
        documents.read_table(tmp_path / "a.csv")


def test_all_of_a_word_document_is_read(tmp_path: Path) -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Tea shop"
    document.sections[0].footer.paragraphs[0].text = "confidential"
    document.add_heading("Returns", 2)
    table = document.add_table(2, 2)
    table.cell(0, 0).merge(table.cell(1, 0)).text = "Sencha"
    table.cell(0, 1).text = "7.50"
    table.cell(1, 1).text = "8.00"
    table.cell(1, 1).add_table(1, 2).cell(0, 1).text = "nested"
    changed = document.add_paragraph("within ")._p
    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    for xml in (
        f"<w:del {w}><w:r><w:delText>30</w:delText></w:r></w:del>",
        f"<w:ins {w}><w:r><w:t>14</w:t></w:r></w:ins>",
        f"<w:r {w}><w:t xml:space='preserve'> days</w:t></w:r>",
        f"<w:r {w}><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>",
        f"<w:r {w}><w:ruby><w:rt><w:r><w:t>かん</w:t></w:r></w:rt>"
        "<w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby></w:r>",
        f"<w:r {w}><w:pict><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>",
    ):
        changed.append(parse_xml(xml))
    control = parse_xml(
        f"<w:sdt {w}><w:sdtContent><w:p><w:r><w:t>in a control</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    document.element.body.insert(0, control)
    document.save(str(tmp_path / "a.docx"))
    expected = ["Tea shop", "in a control", "## Returns", "Sencha | 7.50\nSencha | 8.00\nnested"]
    text = documents.read_one(tmp_path / "a.docx").text.replace(" | nested", "nested")
    assert text.split("\n\n") == [*expected, "within 14 days漢(かん)", "in a box", "confidential"]
    _make_strict(tmp_path / "a.docx", tmp_path / "strict.docx")
    assert documents.read_one(tmp_path / "strict.docx").text.replace(" | nested", "nested") == text


def _make_strict(given: Path, to: Path) -> None:
    """The file as Word saves it as a Strict Open XML Document."""
    usual, strict = b"http://schemas.openxmlformats.org/", b"http://purl.oclc.org/ooxml/"
    with ZipFile(given) as packed, ZipFile(to, "w") as changed:
        for name in packed.namelist():
            part = packed.read(name)
            for kind in (b"officeDocument/2006/relationships", b"wordprocessingml/2006/main"):
                part = part.replace(usual + kind, strict + kind.replace(b"/2006", b""))
            changed.writestr(name, part)


def test_a_page_without_text_is_named(tmp_path: Path) -> None:
    pdf(tmp_path / "a.pdf", RULE)
    pdf(tmp_path / "b.pdf", "")
    left_out = documents.survey(tmp_path).left_out
    assert [str(one) for one in left_out] == ["b.pdf: holds no text (a scanned document needs text recognition first)"]


def test_a_place_in_a_document_is_told_as_a_reader_counts(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: T\n---\n\n# Head\n\nfound\n")
    (tmp_path / "b.csv").write_text('name,note\nTea,"two\nlines"\nMate,found\n')
    (tmp_path / "c.html").write_text("<p>one<p>two<p>found")
    pdf(tmp_path / "d.pdf", "found")
    places = [d.place(d.text.index("found")) for d in documents.read(tmp_path)]
    assert places == ["line 7", "line 4", "paragraph 3", "page 1"]


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
