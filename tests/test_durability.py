"""A small part of the campaign in benchmarks/durability.py: kill -9 at random moments, and damaged ends."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_acknowledged_is_lost_and_everything_opens() -> None:
    command = [sys.executable, "-m", "benchmarks.durability", "--kills", "8", "--tails", "15"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].startswith("8 kills -9")
    assert "15 damaged homes: 0 refusals to open, 0 events lost" in done.stdout
