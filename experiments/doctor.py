"""What works on this machine, and how to get what does not. Quick: nothing heavy is imported, nothing is started."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from msgspec import Struct

from agents.models import catalog, endpoint, gguf, local
from experiments import damage
from traces import paths
from traces.errors import HeadcountError

INSTALL = gguf.INSTALL
_WAIT_S = 1.5

KEYS = (
    "ANTHROPIC_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AZURE_API_KEY",
    "COHERE_API_KEY",
    "DEEPSEEK_API_KEY",
    "FIREWORKS_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "TOGETHERAI_API_KEY",
    "XAI_API_KEY",
)


class Finding(Struct, frozen=True):
    """One part of Headcount. `state` is ok, missing (the main job needs it), off (optional) or damaged. `how` says how
    to get it, or what to do; empty where there is nothing to do."""

    name: str
    state: str
    detail: str
    how: str = ""


def checks(*, deep: bool = False) -> list[Finding]:
    """Look at everything, in under two seconds or so; `deep` also asks the local model a question, and reads every
    journal."""
    return [
        _python(),
        *_dependencies(),
        *models(deep=deep),
        *_sandboxes(),
        _retrieval(),
        _journals(deep),
        _browser(),
        _ray(),
        _gpu(),
    ]


def models(*, deep: bool = False) -> list[Finding]:
    """Which models can be used here, and whether their servers answer."""
    return [_simulated(), _local(deep), _hosted(), _own_server(), *_named()]


def _python() -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("Python", "ok", version)
    return Finding("Python", "missing", version, "use Python 3.11, 3.12 or 3.13")


def _dependencies() -> list[Finding]:
    """Those that Headcount fixes to one version."""
    try:
        lines = importlib.metadata.requires("headcount") or []
    except importlib.metadata.PackageNotFoundError:
        return [Finding("headcount", "missing", "not installed", ".venv/bin/pip install --no-deps -e .")]
    fixed = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines]
    return [_dependency(match[1], match[2]) for match in fixed if match]


def _dependency(name: str, wanted: str) -> Finding:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", INSTALL)
    if found != wanted:
        return Finding(name, "missing", f"{found}, but {wanted} is wanted", INSTALL)
    return Finding(name, "ok", found)


def _simulated() -> Finding:
    from agents.models.simulated import profile

    return Finding("simulated models", "ok", ", ".join(f"sim:{name}" for name in profile.names()))


def _local(deep: bool) -> Finding:
    name = "local model"
    try:
        file = local.weights_file()
        detail = f"{file.name}, {file.stat().st_size / 1e6:.0f} MB"
        return Finding(name, "ok", f"{detail}; {_question()}" if deep else detail)
    except HeadcountError as error:
        return Finding(name, "off", str(error), INSTALL)


def _question() -> str:
    from agents.models.model import Request
    from traces.kernel import ChatMessage

    request = Request("doctor", (ChatMessage("user", "What is a credit note?"),), max_tokens=16)
    reply = asyncio.run(local.shipped().chat(request))
    return f"answered {reply.usage.output_tokens} tokens in {reply.usage.latency_s:.1f} s"


def _hosted() -> Finding:
    """Names of variables, never what is in them."""
    keys = [name for name in KEYS if os.environ.get(name)]
    if keys:
        return Finding("hosted models", "ok", "keys set: " + ", ".join(keys))
    return Finding("hosted models", "off", "no provider's key is set", "set e.g. OPENAI_API_KEY in the environment")


def _own_server() -> Finding:
    name, variable = "own model server", endpoint.BASE_VARIABLE
    base = os.environ.get(variable, "").rstrip("/")
    if not base:
        return Finding(name, "off", f"{variable} is not set", f"set {variable}=http://HOST:PORT/v1 (docs/models.md)")
    try:
        served, note = _models_at_or_below(base)
    except _NoAnswer as error:
        return Finding(name, "off", f"{base}: {error}", f"start the server, or correct {variable}")
    return Finding(name, "ok", f"{base} serves {', '.join(served) or 'no model'}{note}")


def _models_at_or_below(base: str) -> tuple[list[str], str]:
    """What it serves; an address without /v1 is right for Ollama alone, and said to be."""
    try:
        return _models_at(base), ""
    except _NoAnswer as error:
        if base.endswith("/v1") or not error.no_such_page:
            raise
        return _models_at(f"{base}/v1"), " (an address for ollama/NAME; for other names add /v1)"


def _named() -> list[Finding]:
    """The models of models.yaml, each with its servers."""
    try:
        aliases = catalog.aliases()
    except HeadcountError as error:
        return [Finding(catalog.FILE, "missing", str(error), "correct the file (docs/models.md)")]
    return [_alias(name, alias.entry) for name, alias in aliases.items()]


def _alias(name: str, entry: catalog.Entry) -> Finding:
    title = f"model {name}"
    if entry.key and not os.environ.get(entry.key):
        return Finding(title, "off", f"{entry.key} is not set", f"set {entry.key} in the environment")
    if entry.gguf:
        there = paths.is_file(paths.given(entry.gguf))
        return Finding(title, "ok" if there else "off", entry.gguf, "" if there else "there is no such file")
    if not entry.servers:
        return Finding(title, "ok", f"{entry.litellm}, hosted")
    up, down = [], []
    for base in entry.servers:
        try:
            served = _models_at(_openai_address(entry, base), os.environ.get(entry.key) if entry.key else None)
            _check_adapter(entry, served)
            up.append(base)
        except _NoAnswer as error:
            down.append(f"{base}: {error}")
    state = "ok" if up else "off"
    how = "start the servers that do not answer, and load the adapters that they lack" if down else ""
    return Finding(title, state, "; ".join([*(f"{base} answers" for base in up), *down]), how)


def _openai_address(entry: catalog.Entry, base: str) -> str:
    """Where the server speaks OpenAI's protocol: for Ollama, whose own protocol is LiteLLM's, below its address."""
    base = base.rstrip("/")
    if not entry.litellm.startswith(("ollama/", "ollama_chat/")):
        return base
    if base.endswith("/v1"):
        raise _NoAnswer("an Ollama server's address goes without /v1")
    return f"{base}/v1"


def _check_adapter(entry: catalog.Entry, served: list[str]) -> None:
    """A LoRA adapter is a model of its server only once it is loaded there."""
    name = entry.litellm.partition("/")[2]
    if entry.adapter_of and name not in served:
        raise _NoAnswer(f"has not loaded the adapter {name}; it serves {', '.join(served) or 'no model'}")


class _NoAnswer(Exception):
    def __init__(self, reason: str, *, no_such_page: bool = False) -> None:
        super().__init__(reason)
        self.no_such_page = no_such_page


def _models_at(base: str, key: str | None = None) -> list[str]:
    import httpx

    headers = {"Authorization": f"Bearer {key or os.environ.get(endpoint.KEY_VARIABLE) or 'none'}"}
    try:
        response = httpx.get(f"{base}/models", headers=headers, timeout=_WAIT_S)
        response.raise_for_status()
        body: Any = response.json()
        return [str(model["id"]) for model in body["data"]]
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise _NoAnswer(f"status {status} for /models", no_such_page=status == 404) from None
    except httpx.TimeoutException:
        raise _NoAnswer(f"no answer within {_WAIT_S:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _NoAnswer(f"no connection ({error})") from None
    except (ValueError, KeyError, TypeError):
        raise _NoAnswer("does not speak OpenAI's protocol at /models") from None


def _sandboxes() -> list[Finding]:
    """Each is given a sum to work out."""
    from tools.sandbox import sandboxes

    return [Finding(found.name, found.state, found.detail, found.how) for found in sandboxes()]


def _retrieval() -> Finding:
    name = "retrieval"
    absent = [package for package in ("lancedb", "wordllama") if importlib.util.find_spec(package) is None]
    if absent:
        return Finding(name, "missing", f"not installed: {', '.join(absent)}", INSTALL)
    spec = importlib.util.find_spec("wordllama")
    folders = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    weights = [file for folder in folders for file in (folder / "weights").glob("*.safetensors")]
    if not weights:
        return Finding(name, "missing", "wordllama has no weights in its package", INSTALL)
    return Finding(name, "ok", f"LanceDB with embeddings from {weights[0].name}")


def _journals(deep: bool) -> Finding:
    """Whether the journals are whole, as far as can be told quickly."""
    damaged, read, there = damage.look(thorough=deep)
    looked = f"{read} of {there} experiments looked at" + ("" if read == there else " (--deep looks at all)")
    if not damaged:
        return Finding("journals", "ok", looked)
    experiment, places = next(iter(damaged.items()))
    detail = f"damaged in {len(damaged)}: {experiment}: {places[0]}; {looked}"
    return Finding("journals", "damaged", detail, f"whole events are kept; headcount list {experiment} shows it all")


def _browser() -> Finding:
    """Only the tests of the app need one."""
    name = "browser for tests"
    if importlib.util.find_spec("playwright") is None:
        return Finding(name, "off", "playwright is not installed", "install the dev dependencies (make test)")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and not _playwrights_own():
        return Finding(name, "off", "no Chromium", ".venv/bin/playwright install chromium")
    return Finding(name, "ok", found or "Playwright's Chromium")


def _playwrights_own() -> bool:
    caches = {
        "darwin": Path.home() / "Library/Caches/ms-playwright",
        "win32": Path.home() / "AppData/Local/ms-playwright",
    }
    default = caches.get(sys.platform, Path.home() / ".cache/ms-playwright")
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default)
    return any(folder.glob("chromium*"))


def _ray() -> Finding:
    try:
        return Finding("Ray", "ok", importlib.metadata.version("ray"))
    except importlib.metadata.PackageNotFoundError:
        return Finding("Ray", "off", "not installed; optional", '.venv/bin/pip install "ray==2.60.0"')


def _gpu() -> Finding:
    name, how = "CUDA GPU", "serve a model on a machine that has one (docs/models.md)"
    command = shutil.which("nvidia-smi")
    if command is None:
        return Finding(name, "off", "none on this machine", how)
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=_WAIT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return Finding(name, "off", "nvidia-smi does not answer", how)
    return Finding(name, "ok", "; ".join(listed.stdout.split("\n")).strip("; ") or "none listed")
