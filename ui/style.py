"""How the app looks beyond its theme (.streamlit/config.toml): one small style sheet, and one way to draw charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

_SHEET = Path(__file__).with_name("style.css")
_LOGO = Path(__file__).with_name("logo.svg")

# After Okabe & Ito: told apart by the colour-blind, and each with a contrast of 3:1 or more on the light and on the
# dark background (a test works it out). Shapes say the same a second time.
COLOURS = ["#0072B2", "#C65400", "#00875F", "#A64D8C", "#8F6F00", "#3B8EBF", "#A8503F", "#757575"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
_PADDING = {"left": 2, "top": 6, "right": 18, "bottom": 2}  # the last label of an axis has its middle at the end

GOOD, BAD, MUTED = "#00875F", "#C65400", "#757575"


def apply() -> None:
    st.logo(str(_LOGO))
    st.html(f"<style>{_SHEET.read_text(encoding='utf-8')}</style>")


def names_scale(names: list[str], what: list[str]) -> Any:
    """Names to colours or shapes, the same on every chart that has them in the same order."""
    import altair as alt

    return alt.Scale(domain=names, range=[what[i % len(what)] for i in range(len(names))])


def draw(chart: Any, alt: str, **more: Any) -> Any:
    """Show a chart with what it says in words, for those who cannot see it; in the theme of the page."""
    shown = chart.properties(padding=_PADDING).configure(background="transparent")
    shown = shown.configure_view(strokeWidth=0).configure_axis(labelFlush=False)
    return st.altair_chart(shown, theme="streamlit", alt=alt, **more)
