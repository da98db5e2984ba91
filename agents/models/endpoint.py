"""Where a real model is: its provider, the address of its server and the key, from the name and the environment."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from msgspec import Struct

from agents.models import quiet, transport
from traces.errors import ModelError

BASE_VARIABLE = "HEADCOUNT_API_BASE"
KEY_VARIABLE = "HEADCOUNT_API_KEY"

# Providers that are servers of the user's own, with the variable that LiteLLM reads their address from.
OWN = {
    "hosted_vllm": "HOSTED_VLLM_API_BASE",
    "openai_like": "OPENAI_LIKE_API_BASE",
    "custom_openai": "",
    "lm_studio": "LM_STUDIO_API_BASE",
    "llamafile": "LLAMAFILE_API_BASE",
    "ollama": "OLLAMA_API_BASE",
    "ollama_chat": "OLLAMA_API_BASE",
}
_LISTENS_ON_A_KNOWN_PORT = {"llamafile", "ollama", "ollama_chat"}


class Endpoint(Struct, frozen=True):
    """`own` is a server of the user's own: it has no list price, and no provider's key is ever sent to it. With
    `api_base` or `api_key` None, LiteLLM takes the provider's own address and key."""

    provider: str
    model: str
    own: bool
    api_base: str | None = None
    api_key: str | None = None
    key_variable: str = ""


def litellm() -> Any:
    """LiteLLM, imported when first used (seconds), offline and silent."""
    if "litellm" not in sys.modules:  # what it is silenced by counts when it is imported
        quiet.environment()
    import litellm as library

    library.suppress_debug_info = True
    # What a provider does not take is left out, and turns that it would refuse are mended.
    library.drop_params = True
    library.modify_params = True
    library.disable_aiohttp_transport = True
    library.REPEATED_STREAMING_CHUNK_LIMIT = 1 << 40  # a model that repeats itself has replied; its limit ends it
    transport.install()
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    logging.getLogger("LiteLLM Router").setLevel(logging.CRITICAL)
    return library


def find(name: str, api_base: str | None = None, key_variable: str = "") -> Endpoint:
    """`key_variable` names the environment's variable with the key, instead of HEADCOUNT_API_KEY or the provider's.
    Raises ModelError where the name has no provider, or the address or the key is missing."""
    model, provider = _provider(name)
    key = _key(name, key_variable)
    base = api_base or _base_from_environment(provider, model)
    if base is not None:
        key = key or os.environ.get(KEY_VARIABLE) or "none"
        return Endpoint(provider, model, True, base.rstrip("/"), key, key_variable)
    if provider in OWN:
        _check_address(name, provider)
        return Endpoint(provider, model, True, None, key, key_variable)
    if key is None:
        _check_key(name)
    return Endpoint(provider, model, False, None, key, key_variable)


def _key(name: str, variable: str) -> str | None:
    if not variable:
        return None
    if not os.environ.get(variable):
        raise ModelError(f"model {name!r}: no key. Set {variable} in the environment")
    return os.environ[variable]


def _provider(name: str) -> tuple[str, str]:
    library = litellm()
    try:
        model, provider, _, _ = library.get_llm_provider(name)
    except library.BadRequestError:
        raise ModelError(
            f"model {name!r}: no such provider. Write PROVIDER/MODEL as LiteLLM does: openai/gpt-4o-mini, "
            "anthropic/claude-sonnet-4-5, hosted_vllm/NAME (a GPU server), ollama/NAME; or local, or sim"
        ) from None
    return model, provider


def _base_from_environment(provider: str, model: str) -> str | None:
    """HEADCOUNT_API_BASE is for models without a home of their own: a priced model of a provider stays there."""
    if provider in OWN or (provider == "openai" and model not in litellm().model_cost):
        return os.environ.get(BASE_VARIABLE) or None
    return None


def _check_address(name: str, provider: str) -> None:
    if provider in _LISTENS_ON_A_KNOWN_PORT or os.environ.get(OWN[provider] or BASE_VARIABLE):
        return
    raise ModelError(
        f"model {name!r}: the address of its server is not known. Give --api-base http://HOST:PORT/v1 or set "
        f"{BASE_VARIABLE}"
    )


def _check_key(name: str) -> None:
    """Only where an API key is all that is asked for: clouds have further ways to sign in, the call will tell."""
    missing = litellm().validate_environment(name)["missing_keys"]
    if missing and all(variable.endswith("API_KEY") for variable in missing):
        raise ModelError(f"model {name!r}: no key. Set {' or '.join(missing)} in the environment")
