"""What went wrong with a call to a real model: its kind, and one sentence with what to do. Keys never get into it."""

from __future__ import annotations

import json
import os
import re
import ssl
from enum import StrEnum
from typing import TYPE_CHECKING

from agents.models.endpoint import KEY_VARIABLE, Endpoint, litellm
from agents.models.transport import Heard
from traces.strict import writable
from traces.withheld import without_secrets

if TYPE_CHECKING:
    from agents.models.calling import Target

_LONGEST = 300
_PREAMBLE = re.compile(r"^(litellm\.\w+:\s*|\w*(Error|Exception|Timeout)\s*[-:]\s*)+", re.IGNORECASE)
_ADDED_BY_LITELLM = re.compile(
    r"\s*(LiteLLM(?: Retried)?:|Deployment Info:| model=\S+ context_window_fallbacks=|Traceback )"
)
_NO_CONNECTION = re.compile(
    r"connection error|cannot connect|connection refused|connect(ion)? attempts? failed|peer closed|disconnected", re.I
)


class Kind(StrEnum):
    """Kinds of failure that differ in what to do about them."""

    KEY = "key"
    QUOTA = "quota"
    RATE = "rate"
    CONTEXT = "context"
    MODEL = "model"
    TOOLS = "tools"
    SCHEMA = "schema"
    SYSTEM = "system"
    SYSTEM_FIRST = "system first"
    TURNS = "turns"
    EMPTY = "empty"
    TEMPLATE = "template"
    STREAM_USAGE = "stream usage"
    REASONING = "reasoning"
    LIMIT = "limit"
    UNREAD = "unread"
    PATH = "path"
    FILTER = "filter"
    PARAMETER = "parameter"
    BUSY = "busy"
    TIMEOUT = "timeout"
    SECURE = "secure"
    NAME = "name"
    CONNECTION = "connection"
    REDIRECT = "redirect"
    ODD = "odd"
    SERVER = "server"
    REJECTED = "rejected"
    OTHER = "other"


FINAL = frozenset(
    {Kind.QUOTA, Kind.CONTEXT, Kind.MODEL, Kind.TOOLS, Kind.SCHEMA, Kind.SYSTEM, Kind.SYSTEM_FIRST, Kind.TURNS}
) | {Kind.EMPTY, Kind.TEMPLATE, Kind.STREAM_USAGE, Kind.FILTER, Kind.PARAMETER, Kind.SECURE, Kind.REDIRECT, Kind.KEY}
FINAL |= {Kind.REASONING, Kind.LIMIT, Kind.UNREAD, Kind.PATH}
"""Those that another attempt with the same call cannot mend."""
PASSING = frozenset({Kind.RATE, Kind.BUSY, Kind.TIMEOUT, Kind.CONNECTION, Kind.NAME})
"""Those that say nothing of what the server can do."""

_WORDS: tuple[tuple[Kind, str], ...] = (
    (
        Kind.UNREAD,
        r"tool_use_failed|failed_generation|json_validate_failed|error parsing tool call|failed to call a function"
        r"|failed to parse (input|tool call|the (model|generated))|malformed (tool|function) call"
        r"|(parse|parsing)[^.]{0,30}(tool|function) call|tool call (parsing|validation) failed"
        r"|unexpected tokens? remaining in message",
    ),
    (Kind.REASONING, r"reasoning_content.{0,80}(missing|must be|passed back|required)|missing .{0,3}reasoning_content"),
    (Kind.LIMIT, r"use ['\"`]?max_completion_tokens|max_tokens['\"`]? (is|are) (not supported|deprecated|unsupported)"),
    (
        Kind.CONTEXT,
        r"context_length_exceeded|maximum context length|context (length|window|size)\b.*\b(exceed|only|of|is)"
        r"|exceed\w* (the |its |model'?s? )*(available |maximum )?context|prompt is too long|input is too long"
        r"|longer than the (maximum )?(model|context)|too many (input )?tokens|n_ctx|num_ctx"
        r"|reduce the length of the (messages|prompt|input)|input tokens? exceed",
    ),
    (Kind.QUOTA, r"insufficient_quota|exceeded your current quota|billing|credit balance|payment required"),
    (
        Kind.TOOLS,
        r"tool.?choice requires|enable-auto-tool-choice|tool-call-parser"
        r"|(does not|doesn't|do not|cannot) support (tool|function)|(tool|function)s?\b[^.]{0,30} not (be )?supported"
        r"|tools? param(eter)? requires|no (endpoints|providers?) [^.]{0,30}support tool"
        r"|(unknown|unexpected|unrecognized|unsupported|extra)[^.]{0,40}['\"`]?tools\b|tools: extra",
    ),
    (Kind.STREAM_USAGE, r"stream_options|include_usage"),
    (
        Kind.SCHEMA,
        r"response_?format|json_?schema|json_object|guided_|grammar|structured.?outputs?|xgrammar|outlines|llguidance"
        r"|sampler|repetitions|unsupported (schema|keyword)|schema (is|was|contains|must|with)|invalid schema|\$ref\b"
        r"|additionalproperties",
    ),
    (
        Kind.SYSTEM_FIRST,
        r"system message (must|should|has to) be (at the )?(beginning|first)|only the first message can .*system"
        r"|unexpected system|system messages? .*\b(middle|beginning|start)\b",
    ),
    (
        Kind.SYSTEM,
        r"system role|role ['\"`]?system|system (message|prompt|instruction)s?\b[^.]{0,40}(not|n't|un)"
        r"|(not|n't) support [^.]{0,20}(system|developer)|only user(,| and) assistant|developer instruction",
    ),
    (
        Kind.TURNS,
        r"roles? must alternate|alternat\w+ between|must alternate|multiple .{0,20}(roles|messages) in a row"
        r"|consecutive .{0,30}(message|role|turn)|(last|first|next) (message|role|turn)\b.{0,40}\b(must|should)"
        r"|(expected|unexpected) (last )?role|not the same role|after the optional system|function call turn comes",
    ),
    (
        Kind.EMPTY,
        r"(content|text|message)s?\b.{0,40}(non-?empty|not be empty|is empty|cannot be (null|empty)|must not be empty)"
        r"|empty (content|message|text)|(content|message)\b.{0,30}(should be|must be|expected) a? ?(valid )?string"
        r"|cannot (subscript|iterate over|call .{0,20} on) null|nonetype|null value for .{0,3}content",
    ),
    (Kind.TEMPLATE, r"chat.?template|jinja|minja|raise_exception|apply_chat_template|at row \d+, column \d+"),
    (
        Kind.FILTER,
        r"content.?(filter|policy|management)|responsibleai|safety (system|filter|setting)|moderation|flagged as",
    ),
    (Kind.PATH, r"unexpected endpoint|invalid url|page not found|method not allowed|cannot post|no (such )?route"),
    (Kind.MODEL, r"model_not_found|(model|deployment)\b.{0,120}\b(not (found|exist|available|loaded)|does not exist)"),
    (Kind.MODEL, r"(no such|unknown|invalid) model|is not a valid model|try pulling it"),
    (Kind.KEY, r"invalid_api_key|incorrect api key|invalid api key|api key (not|is) (valid|invalid)"),
    (Kind.PARAMETER, r"(unsupported|unknown|unexpected|unrecognized|extra) (parameter|argument|field|input|value)"),
    (Kind.PARAMETER, r"invalid (parameter|argument|field)|max_completion_tokens|max_tokens|temperature|not permitted"),
)  # fmt: skip
_PATTERNS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _WORDS)
_BY_STATUS = {
    401: Kind.KEY, 402: Kind.QUOTA, 403: Kind.KEY, 404: Kind.PATH, 405: Kind.PATH, 408: Kind.TIMEOUT,
    413: Kind.CONTEXT, 429: Kind.RATE, 503: Kind.BUSY, 504: Kind.TIMEOUT, 522: Kind.TIMEOUT, 524: Kind.TIMEOUT,
    529: Kind.BUSY,
}  # fmt: skip
_SPEAKS_FOR_ITSELF = (400, 404, 405, 413, 415, 422, 424, 429, 500, 501, 502)
"""Statuses that mean so many things that the words decide."""


def kind_of(error: BaseException | None, heard: Heard) -> Kind:
    """What kind of failure it was: by the words of the server, then by its status, then by what LiteLLM made of it."""
    odd = heard.odd
    if odd is not None and odd.status < 400:
        return Kind.ODD
    status = odd.status if odd is not None else heard.status
    if heard.error is not None:
        return Kind.REDIRECT if heard.location else _of_connection(heard.error)
    if 300 <= status < 400:
        return Kind.REDIRECT
    if heard.location and status in (400, 404, 405, 422):
        return Kind.REDIRECT
    if status >= 400:
        return _of_status(status, heard.words)
    return _of_litellm(error)


def _of_status(status: int, words: str) -> Kind:
    if status in _SPEAKS_FOR_ITSELF:
        for kind, pattern in _PATTERNS:
            if pattern.search(words):
                return kind
    if status == 404 and "model" in words.lower():
        return Kind.MODEL
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Kind.SERVER if status >= 500 else Kind.REJECTED


def _of_connection(error: BaseException) -> Kind:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return Kind.SECURE
        seen = seen.__cause__ or seen.__context__
    if "Timeout" in type(error).__name__:
        return Kind.TIMEOUT
    if re.search(r"name or service|name resolution|nodename|getaddrinfo|no address", str(error), re.IGNORECASE):
        return Kind.NAME
    return Kind.SECURE if "certificate" in str(error).lower() else Kind.CONNECTION


def _of_litellm(error: BaseException | None) -> Kind:
    """Before anything was sent, and for providers whose calls do not pass through our transport."""
    kinds = litellm()
    match error:
        case kinds.AuthenticationError() | kinds.PermissionDeniedError():
            return Kind.KEY
        case kinds.ContextWindowExceededError():
            return Kind.CONTEXT
        case kinds.NotFoundError():
            return Kind.MODEL
        case kinds.RateLimitError():
            return Kind.RATE
        case kinds.Timeout() | TimeoutError():
            return Kind.TIMEOUT
        case kinds.ContentPolicyViolationError():
            return Kind.FILTER
        case _ if _NO_CONNECTION.search(str(error)):
            return Kind.CONNECTION
        case kinds.BadRequestError() | kinds.UnprocessableEntityError():
            return _of_status(400, _said(error, []))
        case kinds.APIConnectionError() | kinds.InternalServerError() | kinds.ServiceUnavailableError():
            return Kind.SERVER
        case _:
            return Kind.OTHER


def explain(error: BaseException, heard: Heard, name: str, target: Target, retries: int) -> str:
    """The sentence that a user sees for a call that failed after so many retries."""
    kind, endpoints = kind_of(error, heard), target.endpoints
    bases = [one.api_base for one in endpoints if one.api_base]
    where = " and ".join(bases) or f"the server of {endpoints[0].provider}"
    tried = f" (tried {retries + 1} times)" if retries else ""
    keys = [one.api_key for one in endpoints if one.api_key and len(one.api_key) >= 8]
    said = _shown(heard.words, keys) if heard.words else _said(error, keys)
    sentence = _SENTENCES[kind].format(
        where=where,
        tried=tried,
        late=_too_late(error, heard, target, where),
        keys=_key_variables(endpoints[0]),
        odd=_shown(heard.odd.what, keys) if heard.odd else said,
        to=heard.location or "another address",
        hint=" Does the address end as it should (/v1)?"
        if heard.odd and heard.odd.what.startswith("a web page")
        else "",
    )
    told = (kind in _WITHOUT_WORDS and not (kind is Kind.TIMEOUT and heard.words)) or not said
    hint = " (Settings of calls are in `extra` in models.yaml.)" if kind is Kind.PARAMETER else ""
    return f"model {name!r}: {sentence}" + ("" if told else f" It said: {said}") + hint


_SET = "in models.yaml's card (`headcount probe` finds out what works and writes it)"
_SENTENCES = {
    Kind.KEY: "{where} refused the key. Check {keys}.",
    Kind.QUOTA: "{where} says that the account has no credit left.",
    Kind.RATE: "{where} limits the rate of calls{tried}. Wait, run fewer at once, or raise the limit.",
    Kind.CONTEXT: (
        "the prompt is longer than its context window. Use a model with a larger one, or start the server with more; "
        "`context_window` in models.yaml (or HEADCOUNT_CONTEXT) keeps prompts below it."
    ),
    Kind.MODEL: "{where} does not have this model. Check the name.",
    Kind.TOOLS: (
        "{where} does not take tools. Start it with tool calling on (vLLM: --enable-auto-tool-choice and "
        "--tool-call-parser; llama.cpp: --jinja), or set `tool_calls: false` " + _SET + ", or HEADCOUNT_TOOL_CALLS=no: "
        "agents then act through replies in JSON."
    ),
    Kind.SCHEMA: "{where} cannot do the form that was asked for. Set `schemas: prompt` " + _SET + ".",
    Kind.SYSTEM: "{where} takes no system message. Set `system_role: none` " + _SET + ".",
    Kind.SYSTEM_FIRST: "{where} takes a system message only at the start. Set `system_role: first` " + _SET + ".",
    Kind.TURNS: "{where} wants user and assistant in turn. Set `alternating: true` " + _SET + ".",
    Kind.EMPTY: "{where} refuses messages without text. Set `empty_messages: false` " + _SET + ".",
    Kind.TEMPLATE: (
        "{where} cannot put the messages into its model's chat template. Set `system_role: none`, `alternating: true` "
        "or `tool_calls: false` " + _SET + "."
    ),
    Kind.REASONING: "{where} wants its model's reasoning back. Set `reasoning_back: true` " + _SET + ".",
    Kind.LIMIT: "{where} takes `max_completion_tokens` alone. Set `newer_limit: true` " + _SET + ".",
    Kind.UNREAD: "{where} could not read what its model wrote.",
    Kind.PATH: "{where} has no chat completions at this address. An address usually ends in /v1.",
    Kind.STREAM_USAGE: "{where} does not count tokens in streams. Set `stream: false` in models.yaml.",
    Kind.FILTER: "{where} refused the request under its content policy.",
    Kind.PARAMETER: "{where} rejected the request.",
    Kind.BUSY: "{where} failed{tried}. Try again later, or run fewer at once: it is overloaded, or still loading.",
    Kind.TIMEOUT: "{late}. Is the server overloaded? A longer timeout may help.",
    Kind.SECURE: (
        "no secure connection to {where}: its certificate cannot be checked, or it does not speak TLS. Name your "
        "company's certificates in SSL_CERT_FILE, or give the address with http://."
    ),
    Kind.NAME: "no connection to {where}: there is no machine of that name. Is the address right?",
    Kind.CONNECTION: "no connection to {where}{tried}, or it was cut. Is the server running, and is the address right?",
    Kind.REDIRECT: "{where} redirects to {to}. Give that address instead (--api-base, or `servers` in models.yaml).",
    Kind.ODD: "{where} sent {odd}, which is not a chat completion.{hint}",
    Kind.SERVER: "{where} failed{tried}. Try again later, or look into the server's log.",
    Kind.REJECTED: "{where} rejected the request.",
    Kind.OTHER: "the call failed.",
}
_WITHOUT_WORDS = frozenset({Kind.KEY, Kind.CONNECTION, Kind.NAME, Kind.TIMEOUT, Kind.ODD, Kind.REDIRECT})


def _too_late(error: BaseException, heard: Heard, target: Target, where: str) -> str:
    if heard.words:
        return f"{where} says that its model did not answer in time"
    if "no whole reply" in str(error) and target.deadline_s != target.timeout_s:
        return f"no whole reply from {where} within {target.deadline_s:g} s (total_s in models.yaml)"
    return f"no answer from {where} within {target.timeout_s:g} s (timeout_s in models.yaml)"


def _key_variables(endpoint: Endpoint) -> str:
    if endpoint.api_base is not None:
        return f"{endpoint.key_variable or KEY_VARIABLE} in the environment"
    named = [n for n in os.environ if n.endswith("_API_KEY") and endpoint.provider.upper() in n.replace("__", "_")]
    return f"{' and '.join(named) or 'the key'} in the environment"


def _said(error: BaseException | None, keys: list[str]) -> str:
    """The server's own words, without LiteLLM's wrapping, without the keys and without anything that looks like one."""
    text = str(getattr(error, "message", "")) or str(error) or type(error).__name__
    text = _PREAMBLE.sub("", _ADDED_BY_LITELLM.split(" ".join(text.split()))[0])
    return _shown(_message_within(text), keys)


def _shown(text: str, keys: list[str]) -> str:
    text = without_secrets(writable(" ".join(text.split())), keys)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _message_within(text: str) -> str:
    """OpenAI's error object carries the sentence in its `message`."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
