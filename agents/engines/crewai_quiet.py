"""Keeps what CrewAI writes out of the home folder (it makes a key there when it is imported, and databases later), and
its own end of runs out of ours."""

from __future__ import annotations

import importlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

_FOLDER = tempfile.TemporaryDirectory(prefix="headcount-crewai-", ignore_cleanup_errors=True)


def prepare() -> None:
    """Import crewai for the first time: quietly, and without a trace of it in the home folder."""
    os.environ.setdefault("CREWAI_STORAGE_DIR", _FOLDER.name)
    from crewai_core import settings
    from crewai_core.token_manager import TokenManager

    settings.get_writable_config_path = lambda: None
    TokenManager._get_secure_storage_path = staticmethod(lambda: Path(_FOLDER.name))  # type: ignore[method-assign]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own modules
        importlib.import_module("crewai")
        utilities: Any = importlib.import_module("crewai.utilities.agent_utils")
    utilities.MAX_REPEATED_TOOL_CALLS = 1 << 30  # it breaks the run off; our agents notice that they go in circles
