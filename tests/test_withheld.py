"""Secrets and personal data are found in whatever form they stand in a trace, and nothing else is touched."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces.kernel import Chat, ChatMessage, Event, ToolCall, ToolExecuted, Usage
from traces.withheld import KINDS, SECRET, Withheld

NAMES = {
    "customers.name": ["Jürgen Weiß", "Ann O'Brien", '"Bo" Li', "山田太郎"],
    "customers.phone": ["+49 170 1234567", "4711"],
}
_decode = msgspec.json.Decoder(Event).decode


def _json(event: Event) -> bytes:
    return msgspec.json.encode(event)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop1234",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz012345",
        "glpat-abcdefghij0123456789",
        "xoxb-123456789012-abcdef",
        "AIzaSyA1234567890abcdefghijklmnopqrstu",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP",
        "Bearer abc.def-ghi",
        "api_key=0123456789abcdef",
        '"password": "hunter2hunter2"',
    ],
)
def test_what_looks_like_a_secret_is_taken_out(secret: str) -> None:
    out = Withheld()
    core = secret.rpartition(" ")[2].rpartition("=")[2].strip('"')
    for text in (f"use {secret} for it", json.dumps({"text": secret}), f"line\n{secret}\nline"):
        event = ToolExecuted("ann", "fetch", "c", "read", {"header": text}, True, text)
        cleaned = out.event(_json(event))
        assert core not in cleaned.decode()
        assert isinstance(_decode(cleaned), ToolExecuted)
    assert out.secrets >= 6


def test_a_private_key_and_a_password_in_an_address_are_taken_out() -> None:
    out = Withheld()
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----"
    assert out.text(f"a {key} b") == f"a {SECRET} b"
    assert out.text("postgres://me:pass@db/x") == f"postgres://{SECRET}@db/x"


def test_secrets_of_this_environment_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_GPU_KEY", 'quite "ordinary" words')
    out = Withheld()
    event = ToolExecuted("ann", "fetch", "c", "read", {}, True, 'it is quite "ordinary" words, yes')
    assert out.event(_json(event)) == _json(msgspec.structs.replace(event, result=f"it is {SECRET}, yes"))
    assert out.secrets == 1


@pytest.mark.parametrize(
    "text",
    [
        "Dear Jürgen Weiß, hello",
        "dear JÜRGEN\nweiß,",
        json.dumps({"name": "Jürgen Weiß"}),
        json.dumps({"name": "Jürgen Weiß"}, ensure_ascii=False),
        json.dumps({"text": "Hello,\nJürgen Weiß\n"}),
        json.dumps({"inner": json.dumps({"name": "Jürgen Weiß"})}),
        "by Ann O'Brien's desk",
        'called "Bo" Li.',
        json.dumps({"who": '"Bo" Li'}),
        "sent by 山田太郎さん today",
        "call +49 170 1234567.",
    ],
)
def test_personal_texts_are_found_in_every_form(text: str) -> None:
    out = Withheld(NAMES)
    event = Chat("ann", "act", "m", 0, (ChatMessage("user", text),), text, Usage(), (ToolCall("c", "mail", text),))
    cleaned = out.event(_json(event)).decode()
    for part in ("rgen", "Wei", "RGEN", "wei", "O'Brien", "Li", "山田", "170"):
        assert part not in cleaned, cleaned
    assert out.personal >= 3
    assert isinstance(_decode(cleaned), Chat)


def test_the_same_text_has_the_same_mark_and_others_stay() -> None:
    out = Withheld(NAMES)
    text = out.text("Jürgen Weiß asked Ann O'Brien. JÜRGEN WEISS? Jürgen Weiß! Jürgen Weißmann, 47110")
    first, second = "[customers.name #1]", "[customers.name #2]"
    assert text == f"{first} asked {second}. JÜRGEN WEISS? {first}! Jürgen Weißmann, 47110"
    assert out.personal == 3


def test_numbers_in_arguments_are_looked_at_too() -> None:
    out = Withheld(NAMES)
    event = ToolExecuted("ann", "call", "c", "read", {"to": 4711, "n": [4711, 1], "ok": True}, True, "", latency_s=4711)
    found = _decode(out.event(_json(msgspec.structs.replace(event, result="4711"))))
    assert isinstance(found, ToolExecuted)
    assert found.arguments == {"to": "[customers.phone #1]", "n": ["[customers.phone #1]", 1], "ok": True}
    assert found.latency_s == 4711


def test_named_patterns() -> None:
    out = Withheld(patterns=KINDS)
    text = out.text("to a.b+c@mail.example.org or +44 20 7946 0958, DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111")
    assert text == "to [email #1] or [phone #1], [iban #1], [card #1]"


def test_scripts_without_spaces_are_no_part_of_what_is_withheld() -> None:
    out = Withheld({"name": ["Tanaka", "山田Taro", "Kim"]}, KINDS)
    key = "sk-proj-abcdefghijklmnop1234"
    text = out.text(
        f"担当はTanakaさん、山田Taro氏、Kim은。電話+81 90 1234 5678へ。番号4111111111111111です。キー{key} を"
    )
    for part in ("Tanaka", "Taro", "Kim", "5678", "4111", key):
        assert part not in text, text
    assert out.text("Tanakaya, Kimchi, Größe") == "Tanakaya, Kimchi, Größe"
    event = ToolExecuted("ann", "read", "c", "read", {}, True, "Tanakaさん")
    assert "Tanaka" not in out.event(_json(event)).decode()


def test_what_makes_an_event_readable_stays_whatever_is_marked() -> None:
    out = Withheld({"odd": ["user", "chat", "completed", "ann"]})
    event = Chat("ann", "act", "m", 0, (ChatMessage("user", "the user ann"),), "chat", Usage())
    found = _decode(out.event(_json(event)))
    assert isinstance(found, Chat)
    assert found.added[0].role == "user"
    assert "ann" not in found.added[0].content


@given(st.text(), st.text(min_size=1).filter(lambda text: any(c.isalnum() for c in text)))
def test_a_marked_text_never_remains_as_a_word_of_its_own(around: str, value: str) -> None:
    out = Withheld({"x": [value]})
    event = ToolExecuted("a", "b", "c", "read", {}, True, f"{around} {value} {around}")
    before = out.personal
    found = _decode(out.event(_json(event)))
    assert isinstance(found, ToolExecuted)
    assert out.personal > before or not value.strip()


@given(st.text())
def test_without_marks_a_text_without_secrets_is_as_it_was(text: str) -> None:
    out = Withheld()
    cleaned = out.text(text)
    assert cleaned == text or out.secrets
