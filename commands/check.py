"""A gate for CI: an experiment in a file, with what it has to reach."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from commands.experiments import watched
from commands.options import Json

cli = typer.Typer()


@cli.command()
def check(
    file: Annotated[Path, typer.Argument(help="The experiment and what it has to reach, as YAML (docs/verdict.md).")],
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML there.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a summary in Markdown there.")] = None,
    json: Json = False,
) -> None:
    """A gate for CI: run the experiment of a file. Ends with 1 where a criterion that the file sets is missed."""
    from msgspec.structs import replace

    from experiments.judging import gate, gatefile
    from experiments.running.conduct import conduct, prepare
    from experiments.terminal import gate_report, report
    from traces.store import Store

    wanted, plan = gatefile.load(file)
    folder = prepare(plan)
    started = time.monotonic()
    progress = watched(folder, plan, conduct, quiet=json)
    found = gate.check(wanted, folder.id, f"headcount check {file}", progress.outcomes, Store())
    found = replace(found, wall_s=time.monotonic() - started)
    if junit is not None:
        report.write(junit, gate_report.junit(found), "--junit")
    if markdown is not None:
        report.write(markdown, gate_report.markdown(found).encode(), "--markdown")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as whole:
            whole.write(gate_report.markdown(found))
    gate_report.show(found, json=json)
    if not found.passed:
        raise SystemExit(1)
