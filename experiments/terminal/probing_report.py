"""What a probe has found, on a terminal and as JSON."""

from __future__ import annotations

from msgspec import structs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.servers import probing
from experiments.servers.probing import Probe
from experiments.terminal import printing
from experiments.terminal.report import as_json
from traces.errors import ModelError

STATES = {"works": "green", "adapted": "yellow", "fails": "red", "unknown": "dim"}


def probe(model: str, api_base: str | None, *, write: bool, name: str | None, long: int, json: bool) -> None:
    """Look at the server, print what was found, and write it into models.yaml where that is asked for. Raises
    ModelError where the model cannot be used."""
    with Console(stderr=True).status("Asking the server") as status:
        found = probing.run(model, api_base, long, lambda what: status.update(f"Looking at {what}"))
    if name is not None:
        found = structs.replace(found, entry=structs.replace(found.entry, name=name))
    written = str(probing.write(found)) if write and found.usable else None
    if json:
        print(as_json({**structs.asdict(found), "lines": probing.lines(found), "written": written}))
    else:
        _show(found, written)
    if not found.usable:
        raise ModelError(_why_not(found))


def _why_not(found: Probe) -> str:
    asked = {one.what: one.state for findings in found.findings.values() for one in findings}
    if "unknown" in (asked["a form"], asked["a tool call"]):
        return f"whether {found.model} can be used could not be told: its server did not answer in time"
    return f"{found.model} cannot be used: neither tool calls nor forms work on its server"


def _show(found: Probe, written: str | None) -> None:
    out = printing.console(highlight=False)
    for server, findings in found.findings.items():
        table = Table(box=None, show_header=False)
        for finding in findings:
            table.add_row(finding.what, Text(finding.state, STATES[finding.state]), Text(finding.said))
        out.print(f"{found.model} on {server}", style="bold", markup=False)
        out.print(table)
    if not found.usable:
        return
    out.print()
    if written is not None:
        out.print(f"Written into {written} as {found.entry.name}:", markup=False)
    elif found.entry.name == "local":
        out.print("It comes along with Headcount: nothing has to be written.")
        return
    else:
        out.print("For models.yaml (--write writes it):")
    print(probing.lines(found))
