"""A check as text, as JUnit XML for CI, and as a summary in Markdown."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from xml.etree import ElementTree as ET

from rich import box
from rich.markup import escape
from rich.table import Table

from experiments.judging import missing
from experiments.judging.gate import Checked, Criterion
from experiments.terminal import printing
from experiments.terminal.report import as_json

MARKS = {"met": "yes", "missed": "NO", "undecided": "not enough trials"}


def show(checked: Checked, *, json: bool) -> None:
    if json:
        print(as_json(checked))
        return
    console = printing.console()
    table = Table(title=headline(checked), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("team", "criterion", "wanted", "found", "met"):
        table.add_column(name)
    for one in checked.criteria:
        table.add_row(one.team, one.name, one.wanted, one.found, MARKS[one.state])
    if checked.kind == "nothing_measured":
        console.print(f"[bold red]{escape(headline(checked))}[/bold red]", highlight=False)
        console.print(f"[red]{escape(_why(checked))}[/red]", highlight=False)
    else:
        console.print(table)
    for line in missing.by_team(checked.lost):
        console.print(f"without a result: {line}", markup=False, highlight=False)


def headline(checked: Checked) -> str:
    mark = " (simulated)" if checked.simulated else ""
    if checked.kind == "nothing_measured":
        return f"Check failed: nothing was measured, {checked.runs:,} runs{mark}"
    bad = sum(one.state == "missed" for one in checked.criteria)
    open_ = sum(one.state == "undecided" for one in checked.criteria)
    parts = [f"{bad} missed"] if bad else []
    parts += [f"{open_} not to be told from so few trials"] if open_ else []
    how = f": {', '.join(parts)}" if parts else ""
    return f"Check {'passed' if checked.passed else 'failed'}{how}, {checked.runs:,} runs{mark}"


def _why(checked: Checked) -> str:
    return f"The first error: {checked.why}"


def markdown(checked: Checked) -> str:
    """The summary, and how to look closer."""
    lines = [f"### {headline(checked)}", "", "| team | criterion | wanted | found | met |", "|---|---|---|---|---|"]
    for one in checked.criteria:
        cells = (one.team, one.name, one.wanted, one.found, MARKS[one.state])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if checked.kind == "nothing_measured":
        lines = [*lines[:2], _plain(_why(checked))]
    for line in missing.by_team(checked.lost):
        lines += ["", f"Without a result: {_plain(line)}"]
    lines += ["", f"Experiment `{checked.experiment}`, made with `{checked.command}`.", ""]
    return "\n".join(lines)


def junit(checked: Checked) -> bytes:
    """JUnit XML, as the common CI systems read it: a test case for each criterion. A missed one is a failure; an
    undecided one is a failure where the check does not pass with it, else it is skipped."""
    cases = checked.criteria or (_nothing(checked),)
    failed = [one for one in cases if _fails(one, checked)]
    skipped = [one for one in cases if one.state == "undecided" and one not in failed]
    counts = {"tests": len(cases), "failures": len(failed), "skipped": len(skipped), "errors": 0}
    attributes = {name: str(count) for name, count in counts.items()} | {"time": f"{checked.wall_s:.3f}"}
    root = ET.Element("testsuites", {"name": "headcount check", **attributes})
    suite = ET.SubElement(root, "testsuite", {"name": checked.experiment, **attributes})
    properties = ET.SubElement(suite, "properties")
    for name, value in _versions(checked).items():
        ET.SubElement(properties, "property", {"name": name, "value": value})
    for one in cases:
        case = ET.SubElement(
            suite, "testcase", {"classname": one.team, "name": f"{one.name}, {one.wanted}", "time": "0"}
        )
        if one in failed:
            ET.SubElement(case, "failure", {"message": f"{MARKS[one.state]}: {one.found}", "type": one.state})
        elif one in skipped:
            ET.SubElement(case, "skipped", {"message": f"not enough trials: {one.found}"})
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _nothing(checked: Checked) -> Criterion:
    """What stands for all criteria where nothing was measured."""
    return Criterion("all teams", "something was measured", "at least one run with a result", _why(checked), "missed")


def _plain(text: str) -> str:
    """Text that Markdown takes for text."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text)


def _fails(one: Criterion, checked: Checked) -> bool:
    return one.state == "missed" or (one.state == "undecided" and not checked.passed)


def _versions(checked: Checked) -> dict[str, str]:
    return {
        "command": checked.command,
        "simulated": str(checked.simulated).lower(),
        "headcount": metadata.version("headcount"),
        "python": platform.python_version(),
    }
