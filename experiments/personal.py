"""Personal data as a scenario marks it (`personal` in scenario.yaml and in cases), kept beside each experiment from its
start, so that it is known when the experiment is shared, whatever became of the scenario."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import msgspec
from msgspec import Struct

from experiments import plan as plans
from tasks.scenario import Scenario
from tools import registry
from traces.errors import ScenarioError
from traces.home import ExperimentFolder, read_json, write_atomically
from traces.withheld import KINDS, Withheld

FILE = "personal.json"


class Marked(Struct, frozen=True):
    """`texts` are personal wherever they stand, by what they are called (`accounts.name`); `patterns` by name."""

    texts: dict[str, list[str]] = {}
    patterns: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.texts or self.patterns)


def marked(scenario: Scenario, cases: Sequence[str]) -> Marked:
    """What is personal in these cases. Raises ScenarioError for a column that is not there."""
    marks = scenario.file.personal
    chosen = [scenario.case(case) for case in cases]
    texts = {column: _values(scenario, column, [case.setup for case in chosen]) for column in marks.columns}
    texts["personal"] = [*marks.texts, *(text for case in chosen for text in case.personal)]
    named = {pattern if pattern in KINDS else "personal": KINDS.get(pattern, pattern) for pattern in marks.patterns}
    own = [pattern for pattern in marks.patterns if pattern not in KINDS]
    if own:
        named["personal"] = "|".join(f"(?:{pattern})" for pattern in own)
    return Marked({name: values for name, values in texts.items() if values}, named)


def _values(scenario: Scenario, column: str, setups: Sequence[str]) -> list[str]:
    table, name = (part.replace('"', '""') for part in column.split("."))
    found: set[str] = set()
    for setup in dict.fromkeys(setups):
        with closing(registry.world(scenario.folder, scenario.file.database, setup)) as world:
            there = f'SELECT 1 FROM pragma_table_info("{table}") WHERE lower(name) = lower(?)'
            if not world.db.execute(there, [name]).fetchall():
                raise ScenarioError(
                    str(scenario.folder / "scenario.yaml"), f"there is no column {column}", field="personal.columns"
                )
            values = world.db.execute(f'SELECT DISTINCT "{name}" FROM "{table}"')
            found |= {str(value) for (value,) in values if value is not None}
    return sorted(found)


def keep(found: Marked, folder: ExperimentFolder) -> None:
    """Note what is personal beside the experiment."""
    if found:
        write_atomically(folder.path / FILE, msgspec.json.encode(found))


def withheld(folder: ExperimentFolder, more: Sequence[str] = ()) -> Withheld:
    """What must not leave this machine of an experiment: secrets, what was marked when it began, what is marked now,
    and the texts in `more`."""
    kept, now = _kept(folder), _now(folder)
    texts = {name: [*kept.texts.get(name, ()), *now.texts.get(name, ())] for name in {*kept.texts, *now.texts}}
    return Withheld({**texts, "personal": [*texts.get("personal", ()), *more]}, {**kept.patterns, **now.patterns})


def _kept(folder: ExperimentFolder) -> Marked:
    file = folder.path / FILE
    return read_json(file, Marked, "a list of what is personal") if file.is_file() else Marked()


def _now(folder: ExperimentFolder) -> Marked:
    scenario = plans.scenario_of(folder)
    return marked(scenario, [case.id for case in scenario.cases]) if scenario else Marked()
