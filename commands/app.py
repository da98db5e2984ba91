"""Opening the app."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Annotated

import typer

from headcount import place
from traces.errors import InputError

cli = typer.Typer()


@cli.command()
def app(port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501) -> None:
    """Open the app in a browser: launch, watch, compare, replay."""
    from traces import home

    _check_free(port)
    command = place.command("streamlit", "run", str(place.rooms() / "app.py"))
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    options += ["--server.fileWatcherType", "none"]  # nobody edits the app while using it, and watching it is not free
    environment = {**os.environ, "HEADCOUNT_HOME": str(home.home())}
    print(f"The app is at http://127.0.0.1:{port} (Ctrl-C ends it; experiments that run go on).", flush=True)
    if os.name == "posix":  # in this process's place: what ends it, ends the server
        os.execve(sys.executable, command + options, environment)
    raise SystemExit(subprocess.call(command + options, env=environment))


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"--port: {port} cannot be had ({error.strerror}): give another, or end what is there"
            ) from None
