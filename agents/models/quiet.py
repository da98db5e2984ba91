"""Keeps the dependencies quiet: no telemetry, nothing fetched at import, no log lines among our own output.

Call `quiet.environment()` before the first import of litellm, crewai, lancedb or ray. What a user has set stays.
"""

from __future__ import annotations

import logging
import os

SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOG": "CRITICAL",
    # In its other mode litellm reads a .env file from the working folder: keys come from the environment alone.
    "LITELLM_MODE": "PRODUCTION",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
}


def environment() -> None:
    """Set what is not set yet. Safe to call at every use."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def silence(*loggers: str) -> None:
    """Keep what a framework logs off our own output."""
    for name in loggers:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
