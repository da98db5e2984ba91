"""A stand-in for a model server: OpenAI's chat-completion protocol on 127.0.0.1, with scripted replies and faults.

    with Standin([Fault(429), text("hello")]) as server:
        model = Hosted.named("openai/standin", api_base=server.url, api_key="none")

Each request takes the next entry of the script; the last one stays for all that follow.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Good:
    """A well-formed completion."""

    content: str | None = "hello"
    tool_calls: tuple[tuple[str, str], ...] = ()
    finish_reason: str = "stop"
    usage: dict[str, Any] | None = field(
        default_factory=lambda: {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 40},
        }
    )

    def body(self, model: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.content}
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
                for i, (name, arguments) in enumerate(self.tool_calls)
            ]
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        body = {"id": "x", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
        return body if self.usage is None else {**body, "usage": self.usage}

    def chunks(self, model: str) -> list[dict[str, Any]]:
        """The same as a stream: the words one by one, the calls whole, the usage last."""
        message = self.body(model)["choices"][0]["message"]
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": word} for word in _words(self.content)]
        deltas += [{"tool_calls": [{**call, "index": i}]} for i, call in enumerate(message.get("tool_calls", ()))]
        choices: list[list[dict[str, Any]]]
        choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
        choices.append([{"index": 0, "delta": {}, "finish_reason": self.finish_reason}])
        start = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": model}
        last = [] if self.usage is None else [{**start, "choices": [], "usage": self.usage}]
        return [*({**start, "choices": choice} for choice in choices), *last]


def _words(content: str | None) -> list[str]:
    return [word + " " for word in content.split(" ")[:-1]] + [content.split(" ")[-1]] if content else []


@dataclass(frozen=True)
class Fault:
    """An error status with OpenAI's error object."""

    status: int
    message: str = "as scripted"
    code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Raw:
    """This body, whatever it is."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


class Cut:
    """The connection is closed in the middle of the body."""


class Hang:
    """No answer at all, until the server is closed."""


@dataclass(frozen=True)
class Drip:
    """Status 200, and then this piece again and again, until the server is closed: never the end."""

    piece: bytes = b" "
    every_s: float = 0.05
    content_type: str = "application/json"


@dataclass(frozen=True)
class Judge:
    """A server of its own mind: what it does depends on the request."""

    decide: Callable[[dict[str, Any]], Good | Fault | Raw]


Step = Good | Fault | Raw | Cut | Hang | Drip | Judge


def text(content: str) -> Good:
    return Good(content=content)


def call(name: str, arguments: str) -> Good:
    return Good(content=None, tool_calls=((name, arguments),), finish_reason="tool_calls")


class Standin:
    """`requests` are the bodies received so far, `keys` their Authorization headers."""

    def __init__(
        self,
        script: Sequence[Step] = (Good(),),
        models: Sequence[str] = ("standin",),
        dies_after: int | None = None,
    ) -> None:
        self.dies_after = dies_after
        self.script = list(script)
        self.models = list(models)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def is_dead(self) -> bool:
        """Whether it was killed: connections are then closed without a word."""
        return self.dies_after is not None and len(self.requests) >= self.dies_after

    def next_step(self, request: dict[str, Any], key: str) -> Step | None:
        """What to do with a request; None where it came too late to be taken."""
        with self._lock:
            if self.is_dead():
                return None
            self.requests.append(request)
            self.keys.append(key)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def __enter__(self) -> Standin:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(server: Standin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            if not self.path.startswith("/v1/"):
                self.send(404, {"error": {"message": "no such page"}})
                return
            self.send(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in server.models]})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            step = server.next_step(request, self.headers.get("Authorization", ""))
            step = step.decide(request) if isinstance(step, Judge) else step
            match step:
                case None:
                    self.close_connection = True
                case Good() if request.get("stream"):
                    self.stream(step.chunks(request["model"]))
                case Good():
                    self.send(200, step.body(request["model"]))
                case Cut() if request.get("stream"):
                    self.stream(Good().chunks(request["model"])[:1], ended=False)
                case Fault():
                    error = {"error": {"message": step.message, "type": "scripted", "code": step.code}}
                    self.send(step.status, error, step.headers)
                case Raw():
                    self.send_bytes(step.status, step.body, content_type=step.content_type)
                case Cut():
                    self.send_bytes(200, b'{"id": "x", "cho', declared=1000)
                    self.close_connection = True
                case Drip():
                    self.drip(step)
                case Hang():
                    server.closing.wait()
                    self.close_connection = True

        def drip(self, step: Drip) -> None:
            self.send_response(200)
            self.send_header("Content-Type", step.content_type)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not server.closing.wait(step.every_s):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(step.piece), step.piece))
            self.close_connection = True

        def stream(self, chunks: list[dict[str, Any]], ended: bool = True) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for data in [*map(json.dumps, chunks), *(["[DONE]"] if ended else [])]:
                line = f"data: {data}\n\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            if ended:
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.close_connection = True

        def send(self, status: int, body: dict[str, Any], headers: Sequence[tuple[str, str]] = ()) -> None:
            self.send_bytes(status, json.dumps(body).encode(), headers)

        def send_bytes(
            self,
            status: int,
            body: bytes,
            headers: Sequence[tuple[str, str]] = (),
            declared: int | None = None,
            content_type: str = "application/json",
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body) if declared is None else declared))
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
