"""Opening the app."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer()


@cli.command()
def app(port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501) -> None:
    """Open the app in a browser: launch, watch, compare, replay."""
    from traces import home

    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).parents[1] / "app.py")]
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    options += ["--server.fileWatcherType", "none"]  # nobody edits the app while using it, and watching it is not free
    environment = {**os.environ, "HEADCOUNT_HOME": str(home.home())}
    print(f"The app is at http://127.0.0.1:{port} (Ctrl-C ends it; experiments that run go on).", flush=True)
    raise SystemExit(subprocess.call(command + options, env=environment))
