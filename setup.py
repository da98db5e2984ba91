"""What a wheel holds: `headcount`, and below it, in `rooms/`, the packages that lie beside it in a checkout.

Everything else is in pyproject.toml. `headcount.place` finds the packages in both.
"""

import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
EDITABLE = "editable_wheel" in sys.argv  # then the packages stay where they are, and no other name is importable
ROOMS = ["agents", "commands", "experiments", "marketplace", "tasks", "tools", "traces", "ui"]
BESIDE = ["app.py", ".streamlit/config.toml"]  # what lies beside the packages
PACKAGES = [] if EDITABLE else find_packages(include=[pattern for room in ROOMS for pattern in (room, f"{room}.*")])


class BuildWithApp(build_py):
    """Puts the app's script and its settings beside the packages."""

    def run(self) -> None:
        super().run()
        if EDITABLE:
            return
        for name in BESIDE:
            into = Path(self.build_lib, "headcount", "rooms", name)
            into.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(ROOT / name), str(into))


setup(
    packages=["headcount", *(f"headcount.rooms.{name}" for name in PACKAGES)],
    package_dir={"headcount": "headcount", **({} if EDITABLE else {f"headcount.rooms.{room}": room for room in ROOMS})},
    package_data={
        **{f"headcount.rooms.{name}": ["*.*"] for name in PACKAGES},
        "headcount": ["py.typed"],
        "headcount.rooms.agents": ["**/*.yaml", "**/*.md"],
        "headcount.rooms.tasks": ["scenarios/**/*"],
    },
    include_package_data=False,  # what is to be in it is said above
    exclude_package_data={"": ["*.pyc"]},
    cmdclass={"build_py": BuildWithApp},
)
