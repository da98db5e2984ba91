"""The app's menu. Run by `headcount app`."""

from __future__ import annotations

import streamlit as st

from agents.models import quiet
from ui import compare, home, launch, live, replay, shared

quiet.environment()
st.set_page_config(page_title="Headcount", layout="wide")

for name, module in {"home": home, "launch": launch, "live": live, "compare": compare, "replay": replay}.items():
    shared.PAGES[name] = st.Page(module.page, title=name.capitalize(), url_path=name, default=name == "home")

st.navigation(list(shared.PAGES.values()), position="top").run()
