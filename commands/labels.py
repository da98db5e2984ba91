"""What people said about runs, out as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.options import Json
from traces.errors import InputError

cli = typer.Typer()


@cli.command()
def labels(
    experiment: Annotated[str, typer.Argument(help="The experiment's id, a part of it, or `latest`.")] = "latest",
    file: Annotated[Path | None, typer.Argument(help="The JSON lines to write; without it, they are listed.")] = None,
    as_: Annotated[str, typer.Option("--as", help="What to make of them: cases, sft or dpo.")] = "",
    json: Json = False,
) -> None:
    """Show what people said about an experiment's runs. Thumbs, labels and comments; or write them as evaluation cases
    (cases), chats to fine-tune with (sft) or preferences (dpo). Secrets and marked personal data stay here."""
    from experiments.exchange import labelled
    from experiments.terminal.report import as_json
    from traces import home
    from traces.labels import Labels

    found = home.find_experiment(experiment).id
    if bool(as_) != (file is not None):
        raise InputError("headcount labels EXPERIMENT FILE.jsonl --as cases|sft|dpo: give both, or neither")
    if file is None:
        said = Labels().of(found)
        if json:
            print(as_json(said))
            return
        for one in said:
            step = "" if one.step is None else f" step {one.step}"
            print(f"run {one.run}{step}: {one.kind}: {' '.join(one.value.split())}")
        print(f"{len(said):,} thumbs, labels and comments on {found}")
        return
    done = labelled.write(found, as_, file)
    if json:
        print(as_json({"file": str(file), "lines": len(done.lines), "unpaired": done.unpaired}))
        return
    print(f"{file}: {len(done.lines):,} lines of {as_}")
    if done.unpaired:
        print(f"{done.unpaired:,} thumbs have no counterpart with the same prompt, and were left out")
    print(f"Taken out: {done.secrets:,} secrets, {done.personal:,} places with personal data")
