"""Jobs that take long: one of many tool calls, and one of many subtasks."""

from __future__ import annotations

from pathlib import Path

TOOLS = '''
from tools.tool import World, tool

@tool()
def meter(world: World, station: int) -> str:
    """Read the meter of a station."""
    return f"station {station} shows {1000 + 7 * station} kWh"
'''
SCENARIO = """title: Meters
story: Read the meters of many stations.
goal: Read every meter and report all readings.
roles:
  researcher: {tools: [meter]}
  coder: {tools: [meter]}
"""


def scenario(folder: Path, calls: int = 30, subtasks: int = 20) -> Path:
    """A scenario with two cases: `many_calls` takes so many tool calls in one subtask; in `many_subtasks` each subtask
    but the last is one call, by either role in turn, and half of them rest on the one before."""
    (folder / "cases").mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SCENARIO)
    (folder / "tools.py").write_text(TOOLS)
    (folder / "cases" / "many_calls.yaml").write_text(_many_calls(calls))
    (folder / "cases" / "many_subtasks.yaml").write_text(_many_subtasks(subtasks))
    return folder


def _many_calls(calls: int) -> str:
    steps = "".join(_step(station) for station in range(1, calls + 1))
    return _case(
        calls,
        f"  - id: read\n    goal: Read the meters\n    role: researcher\n    steps:\n{steps}"
        "  - {id: report, goal: Write the report, role: coder, needs: [read]}\n",
    )


def _many_subtasks(subtasks: int) -> str:
    plan, stations = "", range(1, subtasks)
    for station in stations:
        role, needs = ("coder", f"[read_{station - 1}]") if station % 2 == 0 else ("researcher", "[]")
        plan += f"  - id: read_{station}\n    goal: Read meter {station}\n    role: {role}\n    needs: {needs}\n"
        plan += f"    steps:\n{_step(station)}"
    needs = ", ".join(f"read_{station}" for station in stations)
    return _case(
        subtasks - 1, f"{plan}  - {{id: report, goal: Write the report, role: researcher, needs: [{needs}]}}\n"
    )


def _step(station: int) -> str:
    fact = f'r{station}: {{value: "{1000 + 7 * station}", pattern: "station {station} shows (\\\\d+)"}}'
    return f"      - {{id: read_meter_{station}, tool: meter, args: {{station: {station}}}, facts: {{{fact}}}}}\n"


def _case(stations: int, plan: str) -> str:
    answer = ", ".join(f"station {n}: {{r{n}}} kWh" for n in range(1, stations + 1))
    said = ", ".join(f'"station {n}: {1000 + 7 * n} kWh"' for n in range(1, stations + 1))
    return (
        f"title: Many meters\nrequest: Read the meters of stations 1 to {stations}.\nplan:\n{plan}"
        f'answer: "{answer}"\nexpect:\n  - {{grader: mentions, all: [{said}]}}\n'
    )
