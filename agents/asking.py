"""What agents are asked for in a fixed form. The classes' names and docstrings are part of what a model sees."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

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


class Form(BaseModel):
    """A reply in a fixed form: JSON that obeys `schema_of(cls)`. Numbers in it are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


F = TypeVar("F", bound=Form)


class PlannedTask(Form):
    id: str = Field(description="short name, lower case, letters, digits and _")
    goal: str = Field(description="what to do, understandable on its own")
    role: str = Field(description="which role does it")
    needs: list[str] = Field(default=[], description="ids of the subtasks whose results it needs")


class Plan(Form):
    """The subtasks, in an order in which each comes after those it needs."""

    subtasks: list[PlannedTask] = Field(min_length=1, max_length=12)


class Problem(Form):
    about: str = Field(max_length=120, description="the name of the finding, or the subtask, that is wrong or missing")
    reason: str = Field(max_length=400)


class Review(Form):
    """Is it right? Problems only where something is wrong or missing."""

    ok: bool
    problems: list[Problem] = Field(default=[], max_length=8)


class Redo(Form):
    subtask: str
    about: str = ""
    reason: str


class Decision(Form):
    """Done, or which subtasks to do again. An empty answer hands in the last report as it is."""

    done: bool
    answer: str = ""
    redo: list[Redo] = Field(default=[], max_length=8)


class Bid(Form):
    """What it would take: the tokens you expect to use, and how sure you are to get it right (0 to 1)."""

    take: bool
    price: Annotated[Figure, AfterValidator(_payable)] = Field(ge=0)
    confidence: Figure = Field(default=0.5, ge=0, le=1)


class Ballot(Form):
    """Which of the candidates is right? Their number, and why."""

    choice: Number = Field(ge=1, description="the number of the candidate")
    reason: str = Field(default="", max_length=400)


class Summary(Form):
    """What was found out and done, each thing on a line of its own: - name: value [source]"""

    notes: list[str] = Field(max_length=60)


class Selection(Form):
    """Who speaks next? The name alone."""

    speaker: str


class Yes(Form):
    reason: str = Field(max_length=400)
    answer: bool


class Told(Form):
    reason: str = Field(max_length=400)
    answer: str = Field(max_length=2000)


class Ledger(Form):
    """How the work stands: done, in a loop, moving; who is next and what they are to do."""

    is_request_satisfied: Yes
    is_in_loop: Yes
    is_progress_being_made: Yes
    next_speaker: Told
    instruction_or_question: Told


@cache
def schema_of(form: type[Form]) -> dict[str, Any]:
    return form.model_json_schema()
