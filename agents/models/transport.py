"""Between LiteLLM and the network: what servers send is bounded, read into the form that the protocol has, and what
was wrong with it is kept in the server's own words. LiteLLM itself fails on much of it, and tells little of why.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import httpx

from agents.models import parts, replies, streams
from agents.models.parts import Odd
from traces import strict

_COMPLETIONS = "/chat/completions"
_WORDS = 20_000
"""Bytes of an error's body that are read for its words."""


class Heard:
    """What one attempt heard from the server, below LiteLLM: the last status, the words of an error, what was odd,
    where it redirects to, the error of the connection, whether a stream had a count of its tokens, and whether a reply
    came as one."""

    def __init__(self) -> None:
        self.status = 0
        self.words = ""
        self.content_type = ""
        self.odd: Odd | None = None
        self.location = ""
        self.counted = True
        self.streamed = True
        self.error: Exception | None = None
        self.headers: Mapping[str, str] = {}


_heard: ContextVar[Heard | None] = ContextVar("heard", default=None)


@contextlib.contextmanager
def listening() -> Iterator[Heard]:
    """While it lasts, calls made in this context leave what they heard in it."""
    heard = Heard()
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


@functools.cache
def install() -> None:
    """Have LiteLLM make its connections through `Reading`."""
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    mounts = AsyncHTTPHandler.create_httpx_proxy_mounts

    def transport(ssl_context: Any = None, ssl_verify: bool | None = None, shared_session: Any = None) -> Reading:
        verify = ssl_context if ssl_context is not None else True if ssl_verify is None else ssl_verify
        return Reading(httpx.AsyncHTTPTransport(verify=verify, cert=os.environ.get("SSL_CERTIFICATE")))

    def proxies(_: Any, verify: Any, cert: Any) -> dict[str, httpx.AsyncBaseTransport | None]:
        found = mounts(httpx.AsyncHTTPTransport(), verify=verify, cert=cert) or {}
        return {pattern: inner and Reading(inner) for pattern, inner in found.items()}

    AsyncHTTPHandler.create_async_transport = staticmethod(transport)
    AsyncHTTPHandler.create_httpx_proxy_mounts = staticmethod(proxies)


class Reading(httpx.AsyncBaseTransport):
    """A transport whose replies are well-formed, or raise a ReadError whose cause is Odd."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        heard = _heard.get() or Heard()
        try:
            response = await self._inner.handle_async_request(request)
        except Exception as error:
            heard.error = error
            raise
        heard.status, heard.headers = response.status_code, response.headers
        heard.content_type = response.headers.get("content-type", "")
        if response.is_redirect:
            heard.location = response.headers.get("location", "")
            return response
        if response.status_code >= 400:
            return await _failure(heard, response)
        if not request.url.path.endswith(_COMPLETIONS):
            return _other(response, _bounded(_stream_of(response)))
        return await _success(heard, request, response)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _failure(heard: Heard, response: httpx.Response) -> httpx.Response:
    body = await _read(response, _WORDS, cut=True)
    heard.words = words(body, heard.content_type)
    return _other(response, body)


async def _success(heard: Heard, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    streams = "event-stream" in heard.content_type
    try:
        if _asked_for_stream(request):
            if streams:
                return _other(response, _pieces(heard, response))
            found = json.loads(replies.whole(await _read(response, strict.LARGEST), heard.content_type))
            heard.counted, heard.streamed = "usage" in found, False
            return _other(response, _as_stream(found), "text/event-stream")
        body = replies.whole(await _read(response, strict.LARGEST), heard.content_type)
        return _other(response, body, "application/json")
    except Odd as odd:
        heard.odd, heard.words = odd, odd.words
        raise httpx.ReadError(str(odd)) from odd
    except httpx.HTTPError as error:
        heard.error = error
        raise


def _asked_for_stream(request: httpx.Request) -> bool:
    with contextlib.suppress(httpx.RequestNotRead, ValueError, AttributeError):
        return b'"stream"' in request.content and json.loads(request.content).get("stream") is True
    return False


def _as_stream(completion: dict[str, Any]) -> bytes:
    chunk = json.dumps(streams.as_stream(completion))
    return f"data: {chunk}\n\ndata: [DONE]\n\n".encode()


def _stream_of(response: httpx.Response) -> AsyncIterator[bytes]:
    return response.aiter_bytes()


async def _read(response: httpx.Response, most: int, cut: bool = False) -> bytes:
    """The body, without its compression. Raises Odd above `most` bytes, or is cut there."""
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > most:
                if cut:
                    break
                raise Odd(f"a reply of more than {most:,} bytes")
    finally:
        await response.aclose()
    return bytes(body[:most])


async def _bounded(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for part in parts:
        size += len(part)
        if size > strict.LARGEST:
            raise httpx.ReadError(f"a reply of more than {strict.LARGEST:,} bytes")
        yield part


async def _pieces(heard: Heard, response: httpx.Response) -> AsyncIterator[bytes]:
    """The events of a stream, each as it should be; an end without a finish gets one where the stream says that it is
    over."""
    deltas = streams.Deltas()
    heard.counted = False
    try:
        async for line in _lines(_bounded(response.aiter_bytes())):
            if line.startswith(b"data:") and line[5:].strip() == b"[DONE]":
                if not deltas.finished:
                    yield _event(deltas.end())
                yield b"data: [DONE]\n\n"
                continue
            for chunk in deltas.chunks(line):
                heard.counted = heard.counted or "usage" in chunk
                yield _event(chunk)
        deltas.check()
    except Odd as odd:
        heard.odd, heard.words = odd, odd.words
        raise httpx.ReadError(str(odd)) from odd
    except httpx.HTTPError as error:
        heard.error = error
        raise
    finally:
        await response.aclose()


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(chunk).encode()


async def _lines(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for part in parts:
        *whole, rest = (rest + part).replace(b"\r\n", b"\n").split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest


class _Body(httpx.AsyncByteStream):
    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._parts


def _other(
    response: httpx.Response, body: bytes | AsyncIterator[bytes], content_type: str | None = None
) -> httpx.Response:
    """The response with another body: one that is no longer compressed, nor of the length that was declared."""
    dropped = ("content-length", "content-encoding", "transfer-encoding")
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in dropped]
    if content_type is not None:
        headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
        headers.append(("content-type", content_type))
    stream = httpx.ByteStream(body) if isinstance(body, bytes) else _Body(body)
    return httpx.Response(response.status_code, headers=headers, stream=stream, extensions=response.extensions)


def words(body: bytes, content_type: str = "") -> str:
    """What the body of an error says: the message of its error object, the title of a page, or its text."""
    try:
        value = parts.json_of(body)
    except Odd:
        value = None
    if isinstance(value, dict | list):
        return _message(value)
    if "html" in content_type or body.lstrip()[:1] == b"<":
        return f"a web page{parts.title(body)}"
    return parts.text(" ".join(body[:2000].decode("utf-8", "replace").split()))[:600]


def _message(value: Any) -> str:
    """The sentence in an error: OpenAI's {"error": {"message"}}, FastAPI's {"detail"}, and the like."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(_message, value[:3])))
    if not isinstance(value, dict):
        return parts.text(value)
    inner = value.get("error")
    if isinstance(inner, dict):
        code = inner.get("code") if isinstance(inner.get("code"), str) else inner.get("type")
        message = _message(inner)
        return f"{message} ({code})" if code in _CODES and code not in message else message
    for name in ("message", "msg", "error", "detail", "reason", "title"):
        if value.get(name):
            said = _message(value[name])
            place = ".".join(map(str, value["loc"])) if isinstance(value.get("loc"), list) else ""
            return f"{place}: {said}" if place else said
    return json.dumps(value)[:600]


_CODES = ("context_length_exceeded", "insufficient_quota", "model_not_found", "content_filter", "invalid_api_key")
"""Codes that say more than the sentences that they come with."""
