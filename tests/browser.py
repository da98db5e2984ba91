"""For tests in a real browser: the app on a free port, and a Chromium that may reach nothing but this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

APP = Path(__file__).resolve().parents[1] / "app.py"
LOCAL = ("127.0.0.1", "localhost")
SETTLED = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
"""A page's script: whether the page is drawn to its end."""
PATIENCE_MS = 60_000
"""How long a page may take to show something: a busy machine takes long, and what is wrong never comes."""
_QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-sync", *_QUIET]


def chromium() -> str | None:
    """Where a Chromium is on this machine, if anywhere."""
    named = os.environ.get("HEADCOUNT_CHROMIUM", "")
    found = (shutil.which(name) for name in (named, "chromium", "chromium-browser", "google-chrome") if name)
    return next((path for path in found if path), None)


needs_browser = pytest.mark.skipif(
    chromium() is None, reason="no Chromium on this machine (HEADCOUNT_CHROMIUM may name one)"
)


@contextmanager
def app_server(home: Path, script: Path = APP) -> Iterator[str]:
    """The app over the data in `home`, on a port of its own; yields its address, like `http://127.0.0.1:41234`."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true", "--server.fileWatcherType", "none"]
    output = home.parent / f"app-{port}.log"
    environment = {**os.environ, "HEADCOUNT_HOME": str(home), "PYTHONPATH": str(APP.parent)}
    with output.open("wb") as log:
        server = subprocess.Popen(
            command, cwd=APP.parent, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _await_health(server, url, output)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class Outside(list[str]):
    """Addresses beyond this machine that pages asked for. None was let through."""


@contextmanager
def browser_page(
    width: int = 1280, height: int = 900, scheme: Literal["light", "dark"] = "light"
) -> Iterator[tuple[Any, Outside]]:
    """A fresh page (Playwright's `Page`) and the list of what it asked for beyond this machine; empty is right."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    outside = Outside()

    def local_only(route: Any) -> None:
        if _local(route.request.url):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_ARGUMENTS)
        try:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            context.route("**/*", local_only)
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            yield page, outside
        finally:
            browser.close()


def upload(page: Any, number: int, file: Path) -> None:
    """Give a file to the page's uploader with this number, as often as the page was drawn anew at that moment and took
    none."""
    from playwright.sync_api import TimeoutError as Late

    for _ in range(5):
        page.wait_for_function(SETTLED)
        page.locator("input[type=file]").nth(number).set_input_files(file)
        try:
            page.get_by_text(file.name, exact=True).first.wait_for(timeout=15_000)
            return
        except Late:
            continue
    raise AssertionError(f"the page took no {file.name}")


def gone(locator: Any) -> None:
    """Wait until the page shows none of these: what a rerun takes away stands there a moment longer."""
    from playwright.sync_api import expect

    expect(locator).to_have_count(0)


def _local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.hostname in LOCAL


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_health(server: subprocess.Popen[bytes], url: str, output: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the app did not start:\n{output.read_text(errors='replace')[-2000:]}")
