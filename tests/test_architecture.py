"""The shape of the project: arrows go one way, names are ours, nothing heavy at start."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headcount import place
from traces import errors

ROOT = Path(__file__).parent.parent
HEAVY = ["lancedb", "litellm", "crewai", "duckdb", "streamlit", "pandas", "scipy", "autogen_agentchat", "pyarrow"]


def test_imports_go_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["agents", "experiments", "marketplace", "tasks", "tools", "traces", "ui"])
def test_the_top_level_names_are_ours(name: str) -> None:
    assert Path(importlib.import_module(name).__file__ or "").parent == ROOT / name


@pytest.mark.parametrize(
    "code",
    [
        "import traces.kernel, traces.recorder, traces.home",
        "import commands.cli; commands.cli.cli(['--help'], standalone_mode=False)",
        "import tasks.scenario; tasks.scenario.load('market_brief')",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(code: str) -> None:
    _loads_none_of(HEAVY, code)


def test_the_first_page_of_the_app_shows_before_anything_heavy_is_imported() -> None:
    _loads_none_of([*set(HEAVY) - {"streamlit"}, "pydantic"], "import ui.home, ui.loading, ui.shared, ui.style")


def _loads_none_of(heavy: list[str], code: str) -> None:
    check = f"{code}\nimport sys; found = [n for n in {heavy} if n in sys.modules]; assert not found, found"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_tests_folder_is_flat() -> None:
    """A package here would shadow the real one of its name."""
    assert [p for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name != "__pycache__"] == []
    assert not (ROOT / "tests" / "__init__.py").exists()


def test_the_drawn_tree_of_errors_is_that_of_the_classes() -> None:
    assert _drawn(errors.__doc__ or "") == _defined()


def _drawn(text: str) -> dict[str, str]:
    """Error → what it is drawn below, of a tree whose branches are four columns wide."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in text.splitlines():
        if drawn := re.match(r"((?:│   |    )*)(?:[├└]── )(\w+) ", line):
            above[len(drawn[1]) // 4 + 1 :] = [drawn[2]]
            found[drawn[2]] = above[-2]
        elif line.startswith("HeadcountError"):
            above = ["HeadcountError"]
    return found


def _defined() -> dict[str, str]:
    """Error → what it is derived from, of all that are HeadcountErrors, in the code."""
    derived = [
        (node.name, base.id)
        for room in place.NAMES
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    ]
    found, before = {"HeadcountError": ""}, 0
    while len(found) > before:
        before = len(found)
        found |= {name: base for name, base in derived if base in found}
    del found["HeadcountError"]
    return found
