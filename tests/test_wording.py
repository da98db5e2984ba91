"""Texts in any script: what counts as the same, as said, and where it is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import graders
from tests.test_graders import outcome
from traces import wording
from traces.wording import find, says

SAID = [
    ("商品可以在14天内退货。", "14天内"),
    ("商品可以在 14 天内退货。", "14天内"),
    ("在14，500件", "14"),
    ("荷物は火曜日に発送します。", "火曜日"),
    ("火曜\n日", "火曜日"),
    ("返品は１４日以内です", "14日"),
    ("返品は14日以内です", "１４日"),
    ("ｾﾝﾁｬは７．５０ユーロ", "センチャ"),
    ("ｾﾝﾁｬは７．５０ユーロ", "7.50"),
    ("１，２５０円", "1250"),
    ("iPhoneを買う", "iphone"),
    ("สินค้าส่งวันอังคารนี้", "วันอังคาร"),
    ("คืนได้ภายใน ๑๔ วัน", "14 วัน"),
    ("배송은 화요일에 시작됩니다", "화요일"),
    ("14일 이내", "14 일이내"),
    ("십 일", "\u1109\u1175\u11b8 일"),
    ("١٤ يومًا", "14"),
    ("Die Rück\u00adgabefrist", "Rückgabefrist"),
    ("Hauptstraße 5", "HAUPTSTRASSE"),
    ("cafe\u0301", "café"),
    ("“14–16” days", "14-16"),
    ("1.250,00 EUR", "1250.00"),
    ("1,250.00 EUR", "1.250,00"),
    ("CHF 1'250", "1250"),
    ("1\u202f250,00 €", "1250.00"),
    ("1\u00a0250 €", "1250"),
    ("4–16 °C, or -5 °C", "-5 °C"),
    ("at 9:30: 14 of them", "14"),
    ("7,50 EUR", "7.50"),
    ("①14天", "14天"),
    ("100㎡", "100"),
    ("Sencha™ tea", "Sencha"),
    ("x=5", "x="),
]
UNSAID = [
    ("in 2026", "6"),
    ("1.250,00 EUR", "250"),
    ("1.250,00 EUR", "00"),
    ("1,250", "1"),
    ("(-5 °C)", "5 °C"),
    ("from 10:30", "30"),
    ("from 10:30", "10"),
    ("EUR 7.50", "7.5"),
    ("返品は１１４日以内です", "14日"),
    ("在14，500件", "14500"),
    ("14万円", "14"),
    ("二十四天内", "十四天"),
    ("คืนได้ภายใน ๑๑๔ วัน", "14 วัน"),
    ("ที่นี่", "ที"),
    ("दिनों में", "दिन"),
    ("10² m", "102"),
    ("10² m", "10"),
    ("5½ days", "5"),
    ("①14天", "114天"),
    ("Rückgabefrist", "Frist"),
]


@pytest.mark.parametrize(("text", "wanted"), SAID)
def test_what_is_said_is_found_where_it_is_written(text: str, wanted: str) -> None:
    assert says(text, wanted)
    (place,) = find(f"Lead. {text}", wanted)
    found = f"Lead. {text}"[slice(*place)]
    assert found in text
    assert wording.plain(found) == wording.plain(wanted)


@pytest.mark.parametrize(("text", "wanted"), UNSAID)
def test_a_part_of_another_number_or_word_is_not_what_was_said(text: str, wanted: str) -> None:
    assert not says(text, wanted)
    assert find(text, wanted) == []


@given(st.text(max_size=40), st.text("a1 ,.１〇日ﾞｶกิ화²½①-'*\n", max_size=8))
def test_every_text_says_itself_and_places_agree(text: str, wanted: str) -> None:
    mixed = f"{text}{wanted}{text}"
    assert bool(find(mixed, wanted)) is (says(mixed, wanted) and bool(wording.plain(wanted)))
    for start, end in find(mixed, wanted):
        assert 0 <= start < end <= len(mixed)


@pytest.mark.parametrize(
    ("answer", "about"),
    [
        ("緑茶は7ユーロです。急須の値段は資料に記載がありません。", "急須"),
        ("绿茶七元。文档中没有提到茶壶的价格。", "茶壶"),
        ("찻주전자 가격은 문서에서 찾을 수 없습니다.", "가격"),
        ("ไม่พบราคากาน้ำชาในเอกสาร", "ราคา"),
        ("Der Preis der Kanne ist nicht angegeben.", "Preis"),
    ],
)
def test_that_nothing_is_known_can_be_said_in_other_languages(answer: str, about: str) -> None:
    assert graders.abstains(outcome(answer), about=[about]).passed
    assert not graders.abstains(outcome(answer), about=["Sencha"]).passed


def test_citations_in_full_width_count() -> None:
    assert graders.citations("14日です【返品#1、返品＃2】。") == ["返品#1", "返品#2"]
