"""What people said about runs as data: evaluation cases, examples for fine-tuning (SFT) and preferences (DPO).

SFT lines have the form of OpenAI's chat fine-tuning (`messages`, the last of which is the assistant's); DPO lines that
of TRL's conversational preferences (`prompt`, `chosen`, `rejected`, each a list of messages). Secrets and personal data
as the scenario marks it are taken out of every line.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from msgspec import Struct

from agents.models import history
from experiments import personal
from experiments import plan as plans
from traces import home
from traces.errors import InputError
from traces.home import ExperimentFolder, write_atomically, writing
from traces.kernel import Chat, ChatMessage
from traces.labels import DOWN, UP, Labels, Said
from traces.prompts import prompts
from traces.rows import RunRow
from traces.store import Store

Form = Literal["cases", "sft", "dpo"]


class Exported(Struct, frozen=True):
    """The lines of a file, and how many places were taken out of them. `unpaired`: thumbs that came to nothing for want
    of a counterpart (DPO)."""

    form: Form
    lines: tuple[str, ...]
    secrets: int
    personal: int
    unpaired: int = 0

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


class Judged(Struct, frozen=True):
    """Something that got a thumb: what it answered to, and what it answered."""

    case: str
    thumb: str
    prompt: tuple[ChatMessage, ...]
    answer: ChatMessage


def write(experiment: str, form: str, file: Path) -> Exported:
    """Write what was said about an experiment into a file. Raises InputError where there is nothing to write."""
    found = export(experiment, form)
    if not found.lines:
        raise InputError(f"nothing of {experiment} is labelled so that it makes {form}: {_wanted(found.form)}")
    with writing(file):
        write_atomically(file, found.text.encode())
    return found


def export(experiment: str, form: str) -> Exported:
    """The lines that what was said makes; none is possible."""
    if form not in get_args(Form):
        raise InputError(f"--as: {form!r} is none of {', '.join(get_args(Form))}")
    folder = home.find_experiment(experiment)
    said = Labels().of(folder.id)
    out = personal.withheld(folder)
    unpaired = 0
    if form == "cases":
        rows = _cases(folder, said)
    else:
        judged = list(_judged(folder.id, said))
        rows = _sft(judged) if form == "sft" else _dpo(judged)
        unpaired = len(judged) - 2 * len(rows) if form == "dpo" and len(judged) > 2 * len(rows) else 0
    lines = tuple(json.dumps(out.value(row), ensure_ascii=False) for row in rows)
    return Exported(form, lines, out.secrets, out.personal, unpaired)  # type: ignore[arg-type]


def _wanted(form: Form) -> str:
    return {
        "cases": "give a run or a step a thumb, a label or a comment",
        "sft": "give a thumb up to a run or to a model call",
        "dpo": "give a thumb up and a thumb down to model calls with the same prompt, or to runs on the same case",
    }[form]


# --- cases ------------------------------------------------------------------------------------------------------


def _cases(folder: ExperimentFolder, said: Sequence[Said]) -> list[dict[str, Any]]:
    """The scenario's own cases that something was said about, each whole, as a scenario's folder takes it, with the
    labels as features. Raises InputError where the scenario is not here."""
    if not said:
        return []
    scenario = plans.scenario_of(folder)
    if scenario is None:
        raise InputError(f"the scenario of {folder.id} is not here, and its cases with it")
    labels: dict[str, list[str]] = defaultdict(list)
    for row, words in _by_run(folder.id, said):
        labels[row.case_id] += [one.value for one in words if one.kind == "label"]
    rows = []
    for name, given in labels.items():
        case = scenario.case(name).model_dump(mode="json", exclude_defaults=True)
        features = list(dict.fromkeys([*case.get("features", ()), *given]))
        rows.append({**case, "features": features} if features else case)
    return rows


# --- training data ----------------------------------------------------------------------------------------------


def _by_run(experiment: str, said: Iterable[Said]) -> Iterator[tuple[RunRow, list[Said]]]:
    store = Store()
    of: dict[int, list[Said]] = defaultdict(list)
    for one in said:
        of[one.run].append(one)
    for run, words in sorted(of.items()):
        yield store.run(experiment, run), words


def _judged(experiment: str, said: Sequence[Said]) -> Iterator[Judged]:
    """Model calls with a thumb of their own, and runs with one: what was asked, and the answer."""
    for row, words in _by_run(experiment, [one for one in said if one.kind == "thumb"]):
        thumbs = {one.step: one.value for one in words}
        records = Store().events(experiment, row.run)
        for record, chat, prompt in prompts(records):
            if record.seq in thumbs and not chat.error:
                yield Judged(row.case_id, thumbs[record.seq], prompt, _reply(chat))
        if None in thumbs and row.answer:
            request = ChatMessage("user", str(getattr(records[0].event, "request", "")))
            yield Judged(row.case_id, thumbs[None], (request,), ChatMessage("assistant", row.answer))


def _reply(chat: Chat) -> ChatMessage:
    return ChatMessage("assistant", chat.text, chat.tool_calls)


def _sft(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    return [{"messages": _wire((*one.prompt, one.answer))} for one in judged if one.thumb == UP]


def _dpo(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """Every good answer with every bad one to the same prompt of the same case."""
    asked: dict[tuple[str, tuple[ChatMessage, ...]], list[Judged]] = defaultdict(list)
    for one in judged:
        asked[one.case, one.prompt].append(one)
    rows = []
    for (_, prompt), answers in asked.items():
        good, bad = ([one.answer for one in answers if one.thumb == thumb] for thumb in (UP, DOWN))
        for chosen, rejected in itertools.product(dict.fromkeys(good), dict.fromkeys(bad)):
            if chosen != rejected:
                rows.append({"prompt": _wire(prompt), "chosen": _wire([chosen]), "rejected": _wire([rejected])})
    return rows


def _wire(messages: Iterable[ChatMessage]) -> list[dict[str, Any]]:
    return [history.plain(message) for message in messages]
