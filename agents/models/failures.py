"""What went wrong with a call to a real model: one sentence, and what to do. Keys never get into it."""

from __future__ import annotations

import json
import os
import re

from agents.models.calling import Target
from agents.models.endpoint import KEY_VARIABLE, Endpoint, litellm
from traces.withheld import without_secrets

_LONGEST = 300
_PREAMBLE = re.compile(r"^(litellm\.\w+:\s*|\w*(Error|Exception|Timeout)\s*[-:]\s*)+", re.IGNORECASE)
_UNREADABLE = re.compile(r"expecting |unable to get json|invalid response|delimiter", re.IGNORECASE)
_ADDED_BY_LITELLM = re.compile(
    r"\s*(LiteLLM(?: Retried)?:|Deployment Info:| model=\S+ context_window_fallbacks=|Traceback )"
)
_NO_CONNECTION = re.compile(
    r"connection error|cannot connect|connection refused|connect(ion)? attempts? failed|peer closed", re.I
)


def explain(error: Exception, name: str, target: Target, retries: int) -> str:
    """The sentence that a user sees for an error that LiteLLM raised after so many retries."""
    return f"model {name!r}: {_sentence(error, target, retries)}"


def _sentence(error: Exception, target: Target, retries: int) -> str:
    kinds = litellm()
    endpoint = target.endpoints[0]
    bases = [one.api_base for one in target.endpoints if one.api_base]
    where = " and ".join(bases) or f"the server of {endpoint.provider}"
    tried = f" (tried {retries + 1} times)" if retries else ""
    said = _said(error, [one.api_key for one in target.endpoints if one.api_key and len(one.api_key) >= 8])
    match error:
        case kinds.AuthenticationError() | kinds.PermissionDeniedError():
            return f"{where} refused the key. Check {_key_variables(endpoint)}"
        case kinds.ContextWindowExceededError():
            return f"the prompt is longer than its context window. Use a model with a larger one. It said: {said}"
        case kinds.NotFoundError():
            return f"{where} does not have this model. Check the name. It said: {said}"
        case kinds.RateLimitError():
            return f"{where} limits the rate of calls{tried}. Wait, run fewer at once, or raise the limit"
        case kinds.Timeout():
            return f"{_too_late(said, target, where)}. Is the server overloaded? A longer timeout may help"
        case kinds.ContentPolicyViolationError():
            return f"{where} refused the request under its content policy. It said: {said}"
        case _ if _NO_CONNECTION.search(str(error)):
            return f"no connection to {where}{tried}, or it was cut. Is the server running, and is the address right?"
        case _ if _UNREADABLE.search(said):
            return f"{where} sent something that is not a chat completion. Does the address end as it should (/v1)?"
        case kinds.APIConnectionError() | kinds.InternalServerError() | kinds.ServiceUnavailableError():
            return f"{where} failed{tried}. Try again later, or look into the server's log. It said: {said}"
        case kinds.BadRequestError() | kinds.UnprocessableEntityError():
            return f"{where} rejected the request. It said: {said}"
        case _:
            return f"the call failed: {said}"


def _too_late(said: str, target: Target, where: str) -> str:
    if said.startswith("no whole reply") and target.deadline_s != target.timeout_s:
        return f"no whole reply from {where} within {target.deadline_s:g} s (total_s in models.yaml)"
    return f"no answer from {where} within {target.timeout_s:g} s (timeout_s in models.yaml)"


def _key_variables(endpoint: Endpoint) -> str:
    if endpoint.api_base is not None:
        return f"{endpoint.key_variable or KEY_VARIABLE} in the environment"
    named = [n for n in os.environ if n.endswith("_API_KEY") and endpoint.provider.upper() in n.replace("__", "_")]
    return f"{' and '.join(named) or 'the key'} in the environment"


def _said(error: Exception, keys: list[str]) -> str:
    """The server's own words, without LiteLLM's wrapping, without the keys and without anything that looks like one."""
    text = str(getattr(error, "message", "")) or str(error) or type(error).__name__
    text = _PREAMBLE.sub("", _ADDED_BY_LITELLM.split(" ".join(text.split()))[0])
    text = without_secrets(_message_within(text), keys)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _message_within(text: str) -> str:
    """OpenAI's error object carries the sentence in its `message`."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text
