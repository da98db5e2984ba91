"""Text of scripts without spaces, and of languages that join words: found by its words, cut at its sentences."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from experiments.documents import validating
from tasks import scenario as scenarios
from tests.languages import COLLECTIONS, QUERIES
from tools import chunking
from tools.documents import Document
from tools.retrieval import Knowledge


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Knowledge]:
    """A folder for each language, and one with all of them."""
    place = tmp_path_factory.mktemp("languages")
    for language, passages in COLLECTIONS.items():
        for folder in (place / language, place / "all"):
            folder.mkdir(exist_ok=True)
            for number, (text, _) in enumerate(passages):
                (folder / f"{language}{number}.txt").write_text(text, encoding="utf-8")
    return {f.name: Knowledge.open(f, 900, 0, place / ".cache") for f in place.iterdir() if f.name[0] != "."}


@pytest.mark.parametrize("mixed", [False, True])
def test_words_alone_find_the_passage_first(collections: dict[str, Knowledge], mixed: bool) -> None:
    found = {
        (language, query): collections["all" if mixed else language].ranks(query).text[:1] == (f"{language}{n}#1",)
        for language, query, n in QUERIES
    }
    assert len(found) >= 40
    assert sum(found.values()) >= 0.9 * len(found), [query for query, right in found.items() if not right]


def test_japanese_is_cut_between_sentences() -> None:
    text = "".join(f"第{n}条、返品は未開封に限り受け付けます。「例外はありません。」" for n in range(30))
    for strategy in ("paragraphs", "sentences"):
        chunks = chunking.chunk(Document("d", "D", text), 100, 0, strategy)
        assert "".join(chunk.text for chunk in chunks) == text
        assert all(chunk.text.endswith(("。", "」")) and len(chunk.text) <= 100 for chunk in chunks)


def test_thai_without_any_border_is_cut_between_syllables() -> None:
    text = "ที่นี่น้ำชา" * 60
    chunks = chunking.chunk(Document("d", "D", text), 100, 0)
    assert "".join(chunk.text for chunk in chunks) == text
    assert not any(unicodedata.category(chunk.text[0]).startswith("M") for chunk in chunks)


SCENARIO = """
title: {title}
story: {title}
goal: {goal}
roles:
  planner: {{tools: [search]}}
  supervisor: {{}}
  researcher: {{tools: [search, query_database]}}
  coder: {{tools: [run_python]}}
  reviewer: {{tools: [search]}}
knowledge: {{folder: documents}}
database: world.sql
budget: {{tokens: 30000}}
"""
JAPANESE = """
title: 返品と値段
difficulty: easy
request: 煎茶を２袋買いたいです。いくらですか。いつまで返品できますか。
plan:
  - id: 値段
    goal: 煎茶の値段を調べる
    role: researcher
    steps:
      - id: 値段を見る
        tool: query_database
        args: {sql: "SELECT 価格 FROM 商品 WHERE 名前 = '煎茶'"}
        facts: {価格: {value: "750", pattern: "価格=(\\\\d+)"}}
  - id: 期限
    goal: 返品の期限を調べる
    role: researcher
    steps:
      - id: 期限を探す
        tool: search
        args: {query: 未開封の返品の期限}
        facts: {期限: {value: 14日以内, otherwise: 30日以内}}
  - id: 合計
    goal: 二袋の値段を計算する
    role: coder
    needs: [値段]
    steps:
      - {id: 計算, tool: run_python, args: {code: "print('合計', 2 * {価格})"}, facts: {合計: {value: "1500"}}}
  - {id: 返事, goal: 返事を書く, role: researcher, needs: [値段, 期限, 合計]}
answer: 煎茶２袋は{合計}円です。未開封なら{期限}に返品できます [{期限.source}]。
expect:
  - {grader: mentions, all: [１，５００円, 14日]}
  - {grader: cites, claim: １４日以内, support: 14日以内に返品}
  - {grader: avoids, any: [30日, 4日以内]}
  - {grader: valid_citations}
"""
THAI = """
title: การคืนสินค้า
difficulty: easy
request: ชาเซนฉะราคาเท่าไร และคืนสินค้าได้ภายในกี่วัน
plan:
  - id: ราคา
    goal: หาราคาชา
    role: researcher
    steps:
      - id: ดูราคา
        tool: query_database
        args: {sql: "SELECT ราคา FROM สินค้า WHERE ชื่อ = 'เซนฉะ'"}
        facts: {ราคาชา: {value: "๗๕"}}
  - id: กำหนดคืน
    goal: หากำหนดการคืนสินค้า
    role: researcher
    steps:
      - {id: ค้นหา, tool: search, args: {query: คืนสินค้าภายในกี่วัน}, facts: {กำหนด: {value: ๑๔ วัน, otherwise: ๓๐ วัน}}}
  - {id: คำตอบ, goal: เขียนคำตอบ, role: researcher, needs: [ราคา, กำหนดคืน]}
answer: ชาเซนฉะราคา {ราคาชา} บาท คืนได้ภายใน{กำหนด} [{กำหนด.source}]
expect:
  - {grader: mentions, all: [75 บาท, 14 วัน]}
  - {grader: cites, claim: 14 วัน, support: ภายใน 14 วัน}
  - {grader: avoids, any: [30 วัน, 4 วัน]}
"""
WRITTEN = {
    "ja": {
        "scenario.yaml": SCENARIO.format(title="茶店", goal="お客様の質問に答える。"),
        "cases/返品と値段.yaml": JAPANESE,
        "documents/返品規定.txt": "未開封の商品は１４日以内に返品できます。陶器は３０日以内です。",
        "documents/配送.txt": "荷物は火曜日に発送します。",
        "world.sql": "CREATE TABLE 商品 (名前 TEXT, 価格 INTEGER);\n"
        "INSERT INTO 商品 VALUES ('煎茶', 750), ('急須', 2000);",
    },
    "th": {
        "scenario.yaml": SCENARIO.format(title="ร้านชา", goal="ตอบคำถามลูกค้า"),
        "cases/การคืนสินค้า.yaml": THAI,
        "documents/กฎ.txt": "สินค้าที่ยังไม่แกะคืนได้ภายใน 14 วัน เครื่องปั้นดินเผาคืนได้ภายใน 30 วัน",
        "documents/ส่ง.txt": "ส่งของทุกวันอังคาร",
        "world.sql": "CREATE TABLE สินค้า (ชื่อ TEXT, ราคา TEXT);\n"
        "INSERT INTO สินค้า VALUES ('เซนฉะ', '๗๕'), ('กาน้ำชา', '๒๐๐');",
    },
}


@pytest.mark.parametrize("language", WRITTEN)
def test_the_oracle_solves_a_scenario_in_any_script(language: str, tmp_path: Path) -> None:
    for name, text in WRITTEN[language].items():
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_text(text, encoding="utf-8")
    scenario = scenarios.load(str(tmp_path / "shop"))
    assert validating.solve(scenario) == []
