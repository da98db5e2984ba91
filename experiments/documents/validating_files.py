"""The files beside scenarios that users write: teams, experiments with criteria, models.yaml, profiles of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from agents import settings
from agents.models import catalog
from agents.models.simulated import profile
from experiments import plan as plans
from experiments.documents.validating import Mistake, mistakes_in
from experiments.judging import gatefile
from tasks import yamlfile
from traces import yamltree
from traces.errors import InputError, ScenarioError


def _experiment(path: Path) -> None:
    _, plan = gatefile.load(path)
    plans.check(plan)


KINDS: dict[str, tuple[type[BaseModel], Callable[[Path], object]]] = {
    "a team": (settings.Settings, settings.load),
    "an experiment": (gatefile.GateFile, _experiment),
    "models": (catalog.Catalog, catalog.read),
    "a simulated model's profile": (profile.Profile, profile.of_file),
}
"""What a file can be, by what it is called: the model of its fields, and what reads it."""


def validate(path: Path) -> tuple[str, tuple[Mistake, ...]]:
    """What the file is, by its fields, and all that is wrong with it. Raises ScenarioError for one of no known kind."""
    try:
        kind, load = _kind(path)
    except ScenarioError as error:
        return "", mistakes_in([error])
    try:
        load(path)
    except ScenarioError as error:
        return kind, mistakes_in([error])
    except InputError as error:
        return kind, (Mistake(str(path), None, "", str(error)),)
    return kind, ()


def _kind(path: Path) -> tuple[str, Callable[[Path], object]]:
    root = yamltree.read(path)
    fields = set(root.entries) if isinstance(root, yamltree.Mapping) else set()
    kind = max(KINDS, key=lambda kind: len(fields & KINDS[kind][0].model_fields.keys()))
    model, load = KINDS[kind]
    if not fields & model.model_fields.keys():
        known = "; ".join(f"{kind} has {', '.join(list(model.model_fields)[:4])}" for kind, (model, _) in KINDS.items())
        raise yamlfile.error_in(root, str(path), [], f"is no file that is known here: {known}")
    return kind, load
