"""A model by its name: `sim:medium`, `local`, `local:FILE.gguf`, a name in models.yaml, or any that LiteLLM knows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from agents.models import catalog
from agents.models.catalog import Alias
from agents.models.model import DEFAULT as DEFAULT
from agents.models.model import Model
from agents.models.simulated import profile
from agents.models.simulated.model import SimulatedModel
from tasks.case import Case
from traces.errors import InputError

SMALLER = "smaller"
"""In a team's file: the next smaller of the shipped simulated profiles."""

ModelFor = Callable[[Case | None, int, int], Model]
"""(case, seed, trial) → the model for one trial. Real models are the same one each time, and need no case."""


def simulated(name: str) -> bool:
    return name == "sim" or name.startswith("sim:")


def is_shared(model: Model) -> bool:
    """Whether the time of its calls depends on the other calls that its simulated servers have to serve: such a model
    is asked again where a run is done again."""
    return isinstance(model, SimulatedModel) and model.profile.servers is not None


def smaller(name: str) -> str:
    """The next smaller of the shipped simulated profiles, with the same settings; any other model's own name."""
    sizes = ["sim:small", "sim:medium", "sim:large"]
    size, comma, settings = name.partition(",")
    return sizes[max(0, sizes.index(size) - 1)] + comma + settings if size in sizes else name


def resolve(name: str, api_base: str | None = None, share: int = 1, learnt_in: Path | None = None) -> ModelFor:
    """How to get the model for a trial; `share`: among how many processes its limits are divided; `learnt_in`: the
    folder in which they share what they find out about its server. Raises InputError
    for a name that cannot be one, Unavailable where the model is not here, ModelError where its key or address is
    missing. Whether a hosted model answers shows at the first call."""
    if simulated(name):
        return partial(SimulatedModel, profile.load(name.partition(":")[2] or "medium"))
    if _is_local(name):
        from agents.models import local

        return _always(local.of_file(name.partition(":")[2], name) if ":" in name else local.shipped())
    alias = catalog.aliases().get(name)
    if alias is not None:
        return _always(_of_alias(alias, share, learnt_in))
    if "/" not in name:
        known = ", ".join([*(f"sim:{p}" for p in profile.names()), "local", *catalog.aliases()])
        raise InputError(
            f"no model {name!r}: give one of {known}, local:FILE.gguf, or a LiteLLM name such as openai/gpt-4o-mini, "
            "anthropic/claude-sonnet-4-5, or hosted_vllm/NAME with --api-base (see docs/models.md)"
        )
    from agents.models.hosted import Hosted

    return _always(Hosted.named(name, api_base=api_base, learnt_in=learnt_in))


def unprobed(name: str, api_base: str | None = None) -> bool:
    """Whether it is on a server of the user's own, or a file, that `headcount probe` has never looked at. Raises as
    `resolve` does."""
    if simulated(name) or name == "local":
        return False
    model = resolve(name, api_base)(None, 0, 0)
    if model.card.probed:
        return False
    target = getattr(model, "target", None)
    return target is None or any(where.own for where in target.endpoints)


def offered() -> dict[str, str]:
    """The models that have a name here, with what they are: simulated ones, the local one, and those of models.yaml."""
    found = {f"sim:{name}": f"simulated, {profile.load(name).note}" for name in profile.names()}
    found["local"] = "SmolLM2-135M, runs on this machine, weak"
    for name, alias in catalog.aliases().items():
        found[name] = alias.entry.litellm or alias.entry.gguf
    return found


def fallbacks(name: str) -> tuple[str, ...]:
    """The models that go on where a call to this one has failed for good, as models.yaml says."""
    alias = None if simulated(name) else catalog.aliases().get(name)
    return alias.entry.fallbacks if alias else ()


def keeps_replies(name: str) -> bool:
    """Whether calls that were made before are answered from the disk, as models.yaml says."""
    alias = None if simulated(name) else catalog.aliases().get(name)
    return bool(alias and alias.entry.cache)


def at_once(name: str) -> int:
    """How many runs of a real model are under way at once in a process, so that a server with several places is kept
    busy."""
    alias = catalog.aliases().get(name)
    if _is_local(name) or (alias and alias.entry.gguf):
        return alias.entry.slots if alias else 2
    return min(32, (alias and alias.entry.at_once) or 4)


def shared(name: str) -> dict[str, str]:
    """The environment for processes that use this model together; a local one is served by this process for all."""
    alias = catalog.aliases().get(name)
    if not _is_local(name) and not (alias and alias.entry.gguf):
        return {}
    from agents.models import gguf
    from agents.models.local import Local

    model = resolve(name)(None, 0, 0)
    return gguf.share(model.weights) if isinstance(model, Local) else {}


def _is_local(name: str) -> bool:
    return name == "local" or name.startswith("local:")


def _of_alias(alias: Alias, share: int, learnt_in: Path | None) -> Model:
    if alias.entry.gguf:
        from agents.models import local

        return local.of_alias(alias)
    from agents.models.hosted import Hosted

    return Hosted.of(alias, share, learnt_in)


def _always(model: Model) -> ModelFor:
    return lambda case, seed, trial: model
