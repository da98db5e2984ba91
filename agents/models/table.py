"""A model by its name: `sim:medium`, `local`, or any name that LiteLLM knows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from agents.models.model import Model
from agents.models.simulated import profile
from agents.models.simulated.model import SimulatedModel
from tasks.case import Case
from traces.errors import InputError

DEFAULT = "sim:medium"
SMALLER = "smaller"
"""In a team's file: the next smaller of the shipped simulated profiles."""

ModelFor = Callable[[Case, int, int], Model]
"""(case, seed, trial) → the model for one trial. Real models are the same one each time."""


def simulated(name: str) -> bool:
    return name == "sim" or name.startswith("sim:")


def smaller(name: str) -> str:
    """The next smaller of the shipped simulated profiles; any other model's own name."""
    sizes = ["sim:small", "sim:medium", "sim:large"]
    return sizes[max(0, sizes.index(name) - 1)] if name in sizes else name


def resolve(name: str, api_base: str | None = None) -> ModelFor:
    """How to get the model for a trial. Raises InputError for a name that cannot be one, Unavailable where the
    model is not here. Whether a hosted model answers shows at the first call."""
    if simulated(name):
        return partial(SimulatedModel, profile.load(name.partition(":")[2] or "medium"))
    if name == "local":
        from agents.models.local import Local

        return _always(Local())
    if "/" not in name:
        known = ", ".join([*(f"sim:{p}" for p in profile.names()), "local"])
        raise InputError(
            f"no model {name!r}: give one of {known}, or a LiteLLM name such as openai/gpt-4o-mini, "
            "anthropic/claude-sonnet-4-5, or hosted_vllm/NAME with --api-base (see docs/models.md)"
        )
    from agents.models.hosted import Hosted

    return _always(Hosted(name, api_base=api_base))


def _always(model: Model) -> ModelFor:
    return lambda case, seed, trial: model
