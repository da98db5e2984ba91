"""What is kept on the disk is found by others, whatever happened to the file; retrieval opens its index for news."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.retrieval import Knowledge
from traces.kept import Kept

DOCUMENTS = Path(__file__).resolve().parents[1] / "tasks" / "scenarios" / "market_brief" / "documents"


@pytest.mark.parametrize("safe", [True, False])
def test_what_one_keeps_another_finds(tmp_path: Path, safe: bool) -> None:
    Kept(tmp_path / "a" / "kept.sqlite", safe=safe)[b"key"] = b"value"
    again = Kept(tmp_path / "a" / "kept.sqlite", safe=safe)
    assert again.get(b"key") == b"value"
    assert again.get(b"other") is None


def test_a_damaged_file_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "kept.sqlite"
    file.write_bytes(b"not a database at all" * 100)
    kept = Kept(file)
    kept[b"key"] = b"value"
    assert kept.get(b"key") == b"value"
    assert (tmp_path / "kept.sqlite.damaged").is_file()
    assert "is damaged" in caplog.text


ASK = """
import sys
from pathlib import Path
from tools.retrieval import Knowledge
found = Knowledge.open(Path(sys.argv[1]), 900, 120, Path(sys.argv[2])).search("price of a seat", 4)
print([(chunk.id, chunk.score) for chunk in found], "lancedb" in sys.modules)
"""


def test_a_question_asked_before_needs_no_index(tmp_path: Path) -> None:
    first, second = (
        subprocess.run(
            [sys.executable, "-c", ASK, str(DOCUMENTS), str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    )
    assert first.endswith("True")
    assert second.endswith("False")
    assert first.removesuffix("True") == second.removesuffix("False")
    anew = Knowledge.open(DOCUMENTS, 900, 120, tmp_path / "elsewhere").search("price of a seat", 4)
    assert str([(chunk.id, chunk.score) for chunk in anew]) in first
