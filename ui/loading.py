"""What the other pages import, loaded while a reader looks at the first one: together it takes seconds."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Sequence

# Of what pages import when they have something to show, that which takes long.
_HEAVY = ("duckdb", "pyarrow", "pandas", "scipy.special", "altair")

_begun = threading.Event()
log = logging.getLogger("headcount.app")


def ahead(pages: Sequence[str]) -> None:
    """Load the modules of these pages in the background, once for a server."""
    if not _begun.is_set():
        _begun.set()
        threading.Thread(target=_load, args=[pages], name="loading", daemon=True).start()


def _load(pages: Sequence[str]) -> None:
    for name in (*_HEAVY, *(f"ui.{page}" for page in pages)):
        try:
            importlib.import_module(name)
        except Exception:  # the page that needs it says what is wrong
            log.warning("loading %s ahead of its use", name, exc_info=True)
