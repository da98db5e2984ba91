"""Headcount installed from its wheel, in a folder whose files have the names of its own packages."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from headcount import place

ROOT = Path(__file__).parent.parent
NAMES = ("tools", "tasks", "agents", "traces", "app", "ui", "experiments", "commands", "marketplace")
PAIR = """
from agents.workspace import Workspace


async def pair(work: Workspace) -> str:
    return await work.hire("generalist").work("Do it.")
"""

FIRST_PAGE = """
from headcount import place
place.first()
from streamlit.testing.v1 import AppTest
page = AppTest.from_file(str(place.rooms() / "app.py"), default_timeout=60).run()
print(place.rooms().name, len(page.exception))
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python outside the checkout that has Headcount from its wheel, what it needs from this environment, and beside
    them a package of somebody else's that is called `agents`."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    _copy(ROOT, folder / "source")
    subprocess.run([*build, "--wheel-dir", str(folder), str(folder / "source")], check=True, capture_output=True)
    (wheel,) = folder.glob("headcount-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    others = [entry for entry in sys.path if entry.endswith("site-packages")]
    (packages / "others.pth").write_text("\n".join(others) + "\n")
    (packages / "agents").mkdir()
    (packages / "agents" / "__init__.py").write_text("WHOSE = 'somebody else'\n")
    return folder / "venv" / "bin" / "python"


def _copy(root: Path, into: Path) -> None:
    """The checkout as a fresh clone would have it."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (root / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes((root / name).read_bytes())


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of a user's, in which every name of ours is somebody else's file that must not be imported."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name}.py is the user\\'s own')\n")
    return folder


def _run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-P", "-m", "headcount", *arguments]
    return subprocess.run(command, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "HEADCOUNT_HOME": str(folder / "runs")}


def test_the_wheel_compares_in_processes_beside_files_of_its_own_names(installed: Path, own: Path) -> None:
    done = _run(
        installed,
        own,
        "compare",
        "billing_support",
        "--trials",
        "1",
        "--cases",
        "4",
        "--teams",
        "solo,market",
        "--workers",
        "2",
    )
    assert done.returncode == 0, done.stderr
    assert "(simulated)" in done.stdout


def test_a_scenario_is_compared_from_within_its_own_folder(installed: Path, own: Path) -> None:
    scenario = own / "my_scenario"
    _copy_scenario(scenario)
    (scenario / "tools.py").write_text((scenario / "tools.py").read_text() + "\nMINE = True\n")
    done = _run(
        installed, scenario, "compare", ".", "--trials", "1", "--cases", "2", "--teams", "solo", "--workers", "2"
    )
    assert done.returncode == 0, done.stderr


def _copy_scenario(into: Path) -> None:
    source = ROOT / "tasks" / "scenarios" / "billing_support"
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            (into / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (into / path.relative_to(source)).write_bytes(path.read_bytes())


def test_a_team_of_the_users_own_is_found_in_the_working_folder(installed: Path, own: Path) -> None:
    (own / "my_teams.py").write_text(PAIR)
    teams = ["--teams", "solo,my_teams:pair", "--workers", "2", "--cases", "2", "--trials", "1"]
    done = _run(installed, own, "compare", "billing_support", *teams)
    assert done.returncode == 0, done.stderr
    assert "my_teams:pair" in done.stdout


def test_the_doctor_works_from_the_wheel(installed: Path, own: Path) -> None:
    done = _run(installed, own, "doctor")
    assert "Traceback" not in done.stderr
    assert "simulated" in done.stdout


def test_importing_headcount_shadows_nothing(installed: Path, own: Path) -> None:
    code = "import headcount, agents, sys; print(agents.WHOSE, headcount.__version__, 'traces' in sys.modules)"
    command = [str(installed), "-P", "-c", code]
    done = subprocess.run(command, cwd=own, env=_environment(own), capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["somebody", "else", "0.1.0", "False"], done.stderr


def test_the_app_opens_from_the_wheel(installed: Path, own: Path) -> None:
    with _app(installed, own) as port:
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=10).read() == b"ok"
    done = subprocess.run(
        [str(installed), "-P", "-c", FIRST_PAGE], cwd=own, env=_environment(own), capture_output=True, text=True
    )
    assert done.stdout.split() == ["rooms", "0"], done.stderr


@contextlib.contextmanager
def _app(python: Path, folder: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [str(python), "-P", "-m", "headcount", "app", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=folder, env=_environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert server.poll() is None, "the app ended"
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def test_the_packages_come_first_and_the_working_folder_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/elsewhere", str(tmp_path)])
    for _ in range(2):
        place.first()
        assert sys.path == [str(ROOT), "/elsewhere", str(tmp_path)]
