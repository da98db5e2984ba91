"""What agents are asked for in a fixed form. The classes' names and docstrings are part of what a model sees.

Lists and reasons have an end in the schema alone, since small models that are held to it ramble: a longer reply of
another model is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Struct
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from agents.limits import ITEMS, TEXT
from marketplace.board import HIGHEST_PRICE


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is asked for, not true or false")
    return value


def _payable(price: float) -> float:
    if price > HIGHEST_PRICE:
        raise ValueError(f"a price is at most {HIGHEST_PRICE:g}")
    return price


Figure = Annotated[float, BeforeValidator(_no_truth_value)]
Number = Annotated[int, BeforeValidator(_no_truth_value)]

_LIST = Field(json_schema_extra={"maxItems": ITEMS})
Text = Annotated[str, Field(json_schema_extra={"maxLength": TEXT})]


class Form(BaseModel):
    """A reply in a fixed form: JSON that obeys `schema_of(cls)`. Numbers in it are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


F = TypeVar("F", bound=Form)


class PlannedTask(Form):
    id: str = Field(description="short name, lower case, letters, digits and _")
    goal: str = Field(description="what to do, understandable on its own")
    role: str = Field(description="which role does it")
    needs: Annotated[list[str], _LIST] = Field(default=[], description="ids of the subtasks whose results it needs")


class Plan(Form):
    """The subtasks, in an order in which each comes after those it needs."""

    subtasks: Annotated[list[PlannedTask], _LIST] = Field(min_length=1)


class Problem(Form):
    about: Text = Field(description="the name of the finding, or the subtask, that is wrong or missing")
    reason: Text


class Review(Form):
    """Is it right? Problems only where something is wrong or missing."""

    ok: bool
    problems: Annotated[list[Problem], _LIST] = Field(default=[])


class Redo(Form):
    subtask: str
    about: Text = ""
    reason: Text


class Decision(Form):
    """Done, or which subtasks to do again. An empty answer hands in the last report as it is."""

    done: bool
    answer: str = ""
    redo: Annotated[list[Redo], _LIST] = Field(default=[])


class Bid(Form):
    """What it would take: the tokens you expect to use, and how sure you are to get it right (0 to 1)."""

    take: bool
    price: Annotated[Figure, AfterValidator(_payable)] = Field(ge=0)
    confidence: Figure = Field(default=0.5, ge=0, le=1)


class Ballot(Form):
    """Which of the candidates is right? Their number, and why."""

    choice: Number = Field(ge=1, description="the number of the candidate")
    reason: Text = ""


class Summary(Form):
    """What was found out and done, each thing on a line of its own: - name: value [source]"""

    notes: Annotated[list[Text], _LIST]


class Selection(Form):
    """Who speaks next? The name alone."""

    speaker: str


class Yes(Form):
    reason: Text
    answer: bool


class Told(Form):
    reason: Text
    answer: str


class Ledger(Form):
    """How the work stands: done, in a loop, moving; who is next and what they are to do."""

    is_request_satisfied: Yes
    is_in_loop: Yes
    is_progress_being_made: Yes
    next_speaker: Told
    instruction_or_question: Told


class Assumed(Struct, Generic[F], frozen=True):
    """What a team goes on with where no reply could be read as the form that it asked for, and what that means."""

    value: F
    words: str


UNCHECKED = Assumed(Review(ok=True), "it counts as right, as if nobody had checked it")
HELD_BACK = Assumed(Review(ok=False), "what could not be checked is not done")
DONE = Assumed(Decision(done=True), "done, with the last report as the answer")
NO_BID = Assumed(Bid(take=False, price=0), "no bid")
FIRST = Assumed(Ballot(choice=1), "the first candidate")
NOBODY = Assumed(Selection(speaker=""), "nobody was named")
NO_SUMMARY = Assumed(Summary(notes=[]), "the oldest messages are left out instead")


def whole_job(goal: str) -> Assumed[Plan]:
    plan = Plan(subtasks=[PlannedTask(id="job", goal=goal, role="")])
    return Assumed(plan, "the whole job is one subtask")


@cache
def schema_of(form: type[Form]) -> dict[str, Any]:
    return form.model_json_schema()


def full(filled: Form) -> Iterator[str]:
    """Which of its texts and lists are just as long as the schema lets them be, so that their end may be missing."""
    for name in type(filled).model_fields:
        yield from _full(f"{type(filled).__name__}.{name}", getattr(filled, name))


def _full(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) == TEXT:
        yield f"{name} has {TEXT:,} characters, where the schema ends it"
    elif isinstance(value, list):
        if len(value) == ITEMS:
            yield f"{name} has {ITEMS:,} items, where the schema ends it"
        for one in value:
            yield from _full(name, one)
    elif isinstance(value, Form):
        yield from full(value)
