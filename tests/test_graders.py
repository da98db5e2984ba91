"""Graders: what counts as said, cited and done."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import graders
from tasks.case import Case, Expect
from tasks.graders import Outcome, citations, grade, problems_with, says
from traces.kernel import Chunk

CHUNKS = {"policy#2": Chunk("policy#2", "policy", "Policy", 2, text="A refund is given within 30 days of the invoice.")}


EMPTY = sqlite3.connect(":memory:")


def outcome(answer: str, db: sqlite3.Connection = EMPTY) -> Outcome:
    return Outcome(answer, db, CHUNKS.get)


@pytest.mark.parametrize(
    ("text", "wanted", "found"),
    [
        ("Refunds within 14 days.", "14 days", True),
        ("Refunds within 114 days.", "14 days", False),
        ("We credited EUR 1,290.00.", "1290.00", True),
        ("We credited 1 290.00", "1290.00", False),
        ("That is 270.0 MW", "270", False),
        ("credit note CN-1001.", "CN-1001", True),
        ("credit note CN-10012", "CN-1001", False),
        ("**REVERSE   charge**", "reverse charge", True),
        ("until 2026-09-21, please", "2026-09-21", True),
        ("cost 40.00,", "40.00", True),
        ("cost 40.005", "40.00", False),
    ],
)
def test_what_counts_as_said(text: str, wanted: str, found: bool) -> None:
    assert says(text, wanted) is found


@given(st.text(), st.text(min_size=1))
def test_any_texts_can_be_compared(text: str, wanted: str) -> None:
    assert says(text, wanted) in (True, False)


def test_mentions_and_avoids_name_what_is_missing_or_said() -> None:
    check = graders.mentions(outcome("We credited 40.00."), all=["40.00", "CN-1"], any=["sorry", "apologise"])
    assert (check.passed, check.detail) == (False, "missing: CN-1, sorry or apologise")
    assert graders.avoids(outcome("Nothing was credited."), any=["5000"]).passed
    assert not graders.avoids(outcome("We credited 5,000."), any=["5000"]).passed


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ("Refunds take 30 days [policy#2].", True),
        ("Refunds take 30 days [other#1, policy#2].", True),
        ("Refunds take 30 days.", False),
        ("Refunds take 30 days.\nSee [policy#2].", False),
        ("Refunds take 30 days [policy#9].", False),
        ("Refunds take 60 days [policy#2].", False),
    ],
)
def test_a_claim_needs_a_citation_that_supports_it(answer: str, passed: bool) -> None:
    assert graders.cites(outcome(answer), claim="30 days", support="within 30 days").passed is passed


def test_invented_citations_are_rejected() -> None:
    check = graders.valid_citations(outcome("True [policy#2], and this too [dream#1]."))
    assert (check.passed, check.detail) == (False, "no such passage: dream#1")
    assert citations("[a#1; b-2#10] and [not a citation]") == ["a#1", "b-2#10"]


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ("The price of Atlas is 5. The margin was not found in the documents.", True),
        ("The margin is 12 percent.", False),
        ("The price was not found. The margin is 12 percent.", False),
        ("There is no information on the gross margin.", True),
    ],
)
def test_abstaining_must_be_about_the_right_thing(answer: str, passed: bool) -> None:
    assert graders.abstains(outcome(answer), about=["margin"]).passed is passed


def test_the_database_is_compared_row_by_row() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript("CREATE TABLE notes (id TEXT, amount TEXT); INSERT INTO notes VALUES ('A', '193.60');")
        check = {"sql": "SELECT * FROM notes"}
        assert graders.database(outcome("", db), **check, equals=[["A", 193.6]]).passed
        assert not graders.database(outcome("", db), **check, equals=[]).passed
        assert not graders.database(outcome("", db), **check, equals=[["A", 193.6], ["B", 1]]).passed
        assert "no such table" in graders.database(outcome("", db), sql="SELECT * FROM x", equals=[]).detail


def test_the_grade_is_the_weighted_share_and_success_needs_all() -> None:
    plan = [{"id": "a", "goal": "g", "role": "r"}]
    expect = [
        {"grader": "mentions", "all": ["x"], "weight": 3},
        {"grader": "mine", "name": "my own"},
        {"grader": "broken"},
    ]
    case = Case.model_validate({"id": "c", "title": "t", "request": "r", "plan": plan, "answer": "x", "expect": expect})

    def broken(outcome: Outcome) -> bool:
        raise ValueError("oops")

    graded = grade(case, outcome("x"), {"mine": lambda outcome: True, "broken": broken})
    assert (graded.success, graded.score) == (False, 0.8)
    assert [check.name for check in graded.checks] == ["mentions", "my own", "broken"]
    assert graded.checks[2].detail == "the grader failed: ValueError: oops"


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({"grader": "vibes"}, "no grader 'vibes'; there are: database, mentions"),
        ({"grader": "cites", "claim": "x"}, "missing a required argument: 'support'; it takes: claim, support"),
        ({"grader": "avoids", "all": []}, "it takes: any"),
        ({"grader": "mentions", "all": ["x"]}, ""),
        ({"grader": "mentions", "all": [7.5, 3]}, ""),
        ({"grader": "mentions", "all": "15.00"}, "mentions: Input should be a valid list"),
        ({"grader": "mentions", "all": []}, "mentions checks nothing"),
        ({"grader": "mentoins", "all": ["x"]}, "did you mean 'mentions'?"),
    ],
)
def test_a_check_is_looked_at_before_anything_runs(expect: dict[str, object], words: str) -> None:
    found = "".join(message for _, message in problems_with(Expect.model_validate(expect), {}))
    assert (words in found) if words else found == ""
