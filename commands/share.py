"""Experiments that travel: out as one file, in from one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import Json
from traces.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traces.share.manifest import Manifest

cli = typer.Typer()


@cli.command()
def export(
    experiment: Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")] = "latest",
    target: Annotated[
        str | None, typer.Argument(help="The file to write (default: headcount-ID.zip), or a collector's address.")
    ] = None,
    to: Annotated[str, typer.Option(help="file, otlp (a collector's address), or otlp-json (a file).")] = "file",
    content: Annotated[
        bool, typer.Option(help="OTLP: with what was said; else names, times and tokens alone.")
    ] = False,
    hide: Annotated[
        list[str] | None, typer.Option(help="A text to take out, beside what is marked; may be given several times.")
    ] = None,
    json: Json = False,
) -> None:
    """Write an experiment into one file, or send it to a collector. Another installation opens the file; the collector
    is OpenTelemetry's. Secrets and marked personal data stay here."""
    from experiments.exchange import sharing
    from experiments.terminal.report import as_json

    if to != "file":
        _export_otlp(experiment, target, to, content=content, hide=hide or (), json=json)
        return
    path, manifest = sharing.export(experiment, Path(target) if target else None, hide or ())
    if json:
        print(as_json({"file": str(path), "manifest": manifest}))
        return
    events = manifest.members["events.parquet"].rows
    print(f"{path}: {manifest.runs:,} runs, {events:,} events, {path.stat().st_size:,} bytes")
    print(_taken_out(manifest))
    print("Open it elsewhere: headcount import FILE, or in the app on Home")


def _export_otlp(
    experiment: str, target: str | None, to: str, *, content: bool, hide: Sequence[str], json: bool
) -> None:
    from experiments.exchange import telemetry
    from experiments.terminal.report import as_json

    if to not in ("otlp", "otlp-json"):
        raise InputError(f"--to: {to!r} is none of file, otlp, otlp-json")
    if target is None:
        what = "a collector's address, such as http://localhost:4318" if to == "otlp" else "a file's name"
        raise InputError(f"headcount export EXPERIMENT TARGET --to {to}: TARGET is {what}")
    if to == "otlp":
        sent = telemetry.send(experiment, target, content=content, hide=hide)
        rejected = f", {sent.rejected:,} rejected ({sent.message})" if sent.rejected else ""
        print(as_json(sent) if json else f"{target}: {sent.spans:,} spans taken{rejected}")
        raise typer.Exit(bool(sent.rejected))
    spans = telemetry.write(experiment, Path(target), content=content, hide=hide)
    print(as_json({"file": target, "spans": spans}) if json else f"{target}: {spans:,} spans")


@cli.command(name="import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="A file that `headcount export` wrote; or OTLP traces: a file, or a folder of them.")
    ],
    scenario: Annotated[
        str | None, typer.Option(help="The folder of its scenario, where that is no shipped one.")
    ] = None,
    json: Json = False,
) -> None:
    """Add an experiment from a file, or traces of other frameworks. OpenTelemetry's; to be listed, compared, replayed
    and queried as your own."""
    from experiments.exchange import foreign, sharing
    from experiments.terminal.report import as_json

    if foreign.is_foreign(file):
        _import_traces(file, json=json)
        return
    found = sharing.bring_in(file, scenario=scenario)
    if json:
        print(as_json(found))
        return
    manifest = found.manifest
    if found.already:
        done = f"its scenario is {scenario} now" if scenario else "nothing was done"
        print(f"It is here already, as {found.id}: {done}.")
        return
    print(f"{found.id}: {manifest.runs:,} runs of {manifest.scenario}, as they were on another installation")
    if found.id != manifest.experiment:
        print(f"It was called {manifest.experiment} there; here another experiment has that name.")
    print(_taken_out(manifest))
    if not found.scenario_here:
        print(
            f"Its scenario {manifest.scenario!r} is not here as it was there, so its runs cannot be done again "
            "(verify, resume, fork); everything else works. If you have it: headcount import FILE --scenario FOLDER"
        )
    print(f"Look at it: headcount verdict {found.id}, or: headcount replay {found.id} 0")


def _import_traces(place: Path, *, json: bool) -> None:
    from experiments.exchange import foreign
    from experiments.terminal.report import as_json

    found = foreign.bring_in(place)
    if json:
        print(as_json(found))
        return
    if found.already:
        print(f"These traces are here already, as {found.id}: nothing was done.")
        return
    teams = ", ".join(f"{team} {runs:,}" for team, runs in found.teams.items())
    print(f"{found.id}: {found.runs:,} runs ({teams}), {found.calls:,} model calls")
    if found.skipped:
        print(f"{found.skipped:,} traces say nothing of models, tools or agents, and were left out")
    if unknown := foreign.untold(found):
        print(f"The traces do not say: {'; '.join(unknown)}")
    print(f"Look at it: headcount verdict {found.id}, or: headcount replay {found.id} 0")


def _taken_out(manifest: Manifest) -> str:
    secrets = f"{manifest.secrets:,} secret{'' if manifest.secrets == 1 else 's'}"
    places = f"{manifest.personal:,} place{'' if manifest.personal == 1 else 's'} with personal data"
    return f"Taken out: {secrets}, {places}"
