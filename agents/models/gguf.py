"""GGUF model files: what their headers say, and llama.cpp serving them on 127.0.0.1.

One server for a file. A process starts its own at the first call and stops it at its end, unless the variable
HEADCOUNT_LOCAL_SERVERS names one that is running: so an experiment's processes share the coordinator's.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from traces import paths
from traces.errors import Unavailable

VARIABLE = "HEADCOUNT_LOCAL_SERVERS"
INSTALL = ".venv/bin/pip install --no-deps -r requirements.lock"


class Weights(Struct, frozen=True):
    """A model file, and how it is served: `slots` calls at a time, each with its own `window` of tokens."""

    file: Path
    window: int
    slots: int

    @property
    def key(self) -> str:
        return f"{self.file}|{self.window}|{self.slots}"


class Header(Struct, frozen=True):
    """What the file says of the model; 0 where it does not."""

    name: str
    parameters: int
    trained_window: int
    kv_bytes: int


def check(file: Path) -> None:
    """Raises Unavailable where it, or what serves it, is not here."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise Unavailable(f"model 'local': the package xllamacpp is missing. Get it: {INSTALL}")
    if not paths.is_file(file):
        raise Unavailable(f"model 'local': there is no file {file}")


@cache
def header(file: Path) -> Header:
    """Raises Unavailable where the file is not one of GGUF's."""
    from gguf import GGUFReader

    try:
        reader = GGUFReader(file)
    except (ValueError, OSError, IndexError) as error:
        raise Unavailable(f"model 'local': {file} is not a GGUF model file: {error}") from None
    values = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.")}
    kind = str(values.get("general.architecture", ""))

    def number(name: str) -> int:
        found = values.get(f"{kind}.{name}", 0)
        return int(max(found) if isinstance(found, list) else found or 0)

    heads, layers = number("attention.head_count"), number("block_count")
    kv_heads = number("attention.head_count_kv") or heads
    size = number("attention.key_length") or (number("embedding_length") // heads if heads else 0)
    return Header(
        name=str(values.get("general.name", file.stem)),
        parameters=sum(int(tensor.n_elements) for tensor in reader.tensors),
        trained_window=number("context_length"),
        kv_bytes=2 * layers * kv_heads * size * 2,  # keys and values, 16 bits each
    )


_starting = threading.Lock()
_servers: dict[str, Any] = {}


def serve(weights: Weights) -> str:
    """Start the server where it does not run yet, and give its address."""
    shared = _shared().get(weights.key)
    if shared is not None:
        return shared
    with _starting:
        if weights.key not in _servers:
            if not _servers:
                atexit.register(_servers.clear)
            _servers[weights.key] = _start(weights)
        return f"{_servers[weights.key].listening_address}/v1"


def share(weights: Weights) -> dict[str, str]:
    """The environment for processes that are to use the server of this one."""
    known = {**_shared(), weights.key: serve(weights)}
    return {VARIABLE: msgspec.json.encode(known).decode()}


def _shared() -> dict[str, str]:
    text = os.environ.get(VARIABLE, "")
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}


def _start(weights: Weights) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights.file)
    params.n_ctx = weights.window * weights.slots
    params.n_parallel = weights.slots
    params.cache_prompt = True
    params.cache_ram_mib = 128
    params.ui = False
    params.verbosity = -1
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise Unavailable(f"model 'local': llama.cpp could not load {weights.file}: {error}") from None
