"""What spans of other frameworks say, whichever convention they follow:

- OpenTelemetry's GenAI conventions (`gen_ai.*`), with content in attributes or, as before 1.37, in span events
- OpenInference (`llm.*`, `tool.*`, `retrieval.*`, `openinference.span.kind`): LangChain, LlamaIndex, CrewAI, ...
- OpenLLMetry (`traceloop.*`, `gen_ai.prompt.N.*`, `gen_ai.completion.N.*`): LangChain, CrewAI, OpenAI, ...

What a span does not say is None or empty here, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from traces import bounds
from traces.kernel import Chunk, ToolCall
from traces.otlp.span import Span

Role = Literal["model", "tool", "agent", "workflow", "other"]
_OPERATIONS: dict[str, Role] = {
    "chat": "model",
    "text_completion": "model",
    "generate_content": "model",
    "call_llm": "model",
    "execute_tool": "tool",
    "retrieval": "tool",
    "invoke_agent": "agent",
    "invoke_workflow": "workflow",
}
_OPENINFERENCE: dict[str, Role] = {"LLM": "model", "TOOL": "tool", "RETRIEVER": "tool", "AGENT": "agent"}
_TRACELOOP: dict[str, Role] = {"workflow": "workflow", "agent": "agent", "tool": "tool"}
_AGENT = ("gen_ai.agent.name", "agent.name", "agent_name", "crewai.agent.role", "graph.node.id")
DEAREST = 1e6  # dollars of one model call
DEEPEST = 30  # parts of the name of an attribute that was flattened


def role(span: Span) -> Role:
    """What a span stands for."""
    at = span.attributes
    operation = str(at.get("gen_ai.operation.name", "")).lower()
    if operation in _OPERATIONS:
        return _OPERATIONS[operation]
    kind = str(at.get("openinference.span.kind", "")).upper()
    if kind in _OPENINFERENCE:
        return _OPENINFERENCE[kind]
    traceloop = str(at.get("traceloop.span.kind", "")).lower()
    if traceloop in _TRACELOOP:
        return _TRACELOOP[traceloop]
    if str(at.get("llm.request.type", "")).lower() in ("chat", "completion"):
        return "model"
    has_model = any(name in at for name in ("gen_ai.request.model", "gen_ai.response.model"))
    return "model" if has_model and not operation and any("usage" in name for name in at) else "other"


def is_ours(span: Span) -> bool:
    """Whether a span says anything about models, tools or agents."""
    return role(span) != "other" or any(
        name.startswith(("gen_ai.", "openinference.", "traceloop.", "llm.")) for name in span.attributes
    )


def agent(span: Span) -> str:
    """The agent that a span names; empty where it names none."""
    at = span.attributes
    named = first(at, _AGENT)
    if named:
        return str(named)
    if str(at.get("traceloop.span.kind", "")).lower() == "agent":
        return str(at.get("traceloop.entity.name") or span.name)
    return span.name.removeprefix("invoke_agent ").removesuffix(".agent") if role(span) == "agent" else ""


def model(span: Span) -> str:
    """The model that was asked, or that answered."""
    names = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "llm.request.model_name")
    return str(first(span.attributes, names) or "")


def tokens(span: Span) -> tuple[int | None, int | None, int | None]:
    """Input, output and cached tokens."""
    at = span.attributes
    return (
        number(first(at, ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"))),
        number(
            first(at, ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"))
        ),
        number(first(at, ("gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read"))),
    )


def cost_usd(span: Span) -> float | None:
    """What a model call cost, where the span says so."""
    found = first(span.attributes, ("headcount.cost_usd", "llm.cost.total", "gen_ai.usage.cost"))
    return float(found) if bounds.is_number(found) and 0 <= found <= DEAREST else None


def finish_reason(span: Span) -> str:
    """Why the model stopped: `stop` where the span does not say."""
    at = span.attributes
    reasons = at.get("gen_ai.response.finish_reasons")
    found = reasons[0] if isinstance(reasons, list) and reasons else reasons
    return str(found or at.get("gen_ai.completion.0.finish_reason") or at.get("llm.finish_reason") or "stop")


def tool_name(span: Span) -> str:
    at = span.attributes
    if str(at.get("openinference.span.kind", "")).upper() == "RETRIEVER" and "tool.name" not in at:
        return span.name or "retriever"
    named = first(at, ("gen_ai.tool.name", "tool.name", "traceloop.entity.name"))
    return str(named or span.name.removeprefix("execute_tool ").removesuffix(".tool"))


def tool_arguments(span: Span) -> dict[str, Any]:
    names = (
        "gen_ai.tool.call.arguments",
        "tool.parameters",
        "input.value",
        "traceloop.entity.input",
        "retrieval.query",
    )
    return arguments(first(span.attributes, names))


def arguments(value: Any) -> dict[str, Any]:
    """Arguments of a tool as an object, whatever they were written as."""
    value = parsed(value)
    if isinstance(value, dict):
        return value
    return {} if value in (None, "") else {"input": value}


def tool_result(span: Span) -> str:
    at = span.attributes
    found = first(at, ("gen_ai.tool.call.result", "output.value", "traceloop.entity.output"))
    return text(found) if found is not None else "\n".join(chunk.text for chunk in chunks(span))


def tool_call_id(span: Span) -> str:
    return str(first(span.attributes, ("gen_ai.tool.call.id", "tool_call.id", "tool.id")) or span.span_id)


def chunks(span: Span) -> tuple[Chunk, ...]:
    """The documents that a retrieval gave back."""
    found = unflattened(span.attributes, "retrieval.documents")
    documents = [one.get("document", one) for one in found if isinstance(one, dict)]
    return tuple(
        Chunk(
            str(d.get("id") or f"#{n}"),
            str(d.get("id") or ""),
            "",
            n,
            _score(d.get("score")),
            text(d.get("content")),
        )
        for n, d in enumerate(documents)
    )


def asked(span: Span) -> str:
    """What a whole span was given, as text."""
    return text(first(span.attributes, ("input.value", "traceloop.entity.input", "gen_ai.entity.input")))


def answered(span: Span) -> str:
    """What a whole span gave back, as text."""
    return text(first(span.attributes, ("output.value", "traceloop.entity.output", "gen_ai.entity.output")))


def calls(found: Iterable[Any]) -> tuple[ToolCall, ...]:
    """Tool calls in any of the forms that messages have them."""
    return tuple(_call(one) for one in found if isinstance(one, dict))


def _call(data: dict[str, Any]) -> ToolCall:
    inner = data.get("tool_call")
    data = inner if isinstance(inner, dict) else data
    within = data.get("function")
    function: dict[str, Any] = within if isinstance(within, dict) else data
    given = function.get("arguments", "{}")
    written = given if isinstance(given, str) else dump(given)
    return ToolCall(str(data.get("id") or ""), str(function.get("name") or ""), written)


# --- values -------------------------------------------------------------------------------------------------------


def first(attributes: dict[str, Any], names: Iterable[str]) -> Any:
    """The first of these attributes that has a value."""
    return next((attributes[name] for name in names if attributes.get(name) not in (None, "")), None)


def number(value: Any) -> int | None:
    """A count; None for what is none."""
    return int(value) if bounds.is_number(value) and 0 <= value <= bounds.COUNT else None


def _score(value: Any) -> float:
    return float(value) if bounds.is_number(value) else 0.0


def listed(value: Any) -> list[Any]:
    """A list; empty for what is none."""
    return value if isinstance(value, list) else []


def parsed(value: Any) -> Any:
    """JSON text as what it says; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return bounds.decode(value)
        except bounds.Malformed:
            return value
    return value


def text(value: Any) -> str:
    """Any value as text; the content where it is a list of parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        said = [one.get("text") or one.get("content") for one in value]
        if all(isinstance(one, str) for one in said):
            return "\n".join(str(one) for one in said)
    return dump(value)


def dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def unflattened(attributes: dict[str, Any], prefix: str) -> list[Any]:
    """A list that was flattened into attributes: `prefix.0.a`, `prefix.0.b.0`, `prefix.1.a`, ..."""
    tree: dict[str, Any] = {}
    for name, value in attributes.items():
        if name.startswith(f"{prefix}."):
            place = tree
            *path, last = name[len(prefix) + 1 :].split(".", DEEPEST)
            for part in path:
                deeper = place.setdefault(part, {})
                if not isinstance(deeper, dict):
                    deeper = place[part] = {}
                place = deeper
            place[last] = value
    found = _lists(tree)
    return found if isinstance(found, list) else []


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(name.isascii() and name.isdigit() and len(name) < 10 for name in value):
        return [_lists(value[name]) for name in sorted(value, key=int)]
    return {name: _lists(one) for name, one in value.items()}
