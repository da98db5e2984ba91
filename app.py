"""The app's menu. Run by `headcount app`."""

from __future__ import annotations

import streamlit as st

from agents.models import quiet
from ui import inbox, loading, shared, style

quiet.environment()
st.set_page_config(page_title="Headcount", page_icon="🧮", layout="wide")
style.apply()

# Section → address of the page → its title. The page is `page()` of ui/<address>.py, loaded when it is first opened.
MENU = {
    "": {
        "home": "Home",
        "launch": "Launch",
        "live": "Live",
        "compare": "Compare",
        "replay": "Replay",
        "approvals": inbox.title(),
    },
    "Understand": {"market": "Market", "layers": "Layers"},
    "Prepare": {"own_job": "Your own job", "knowledge": "Knowledge"},
    "More": {"models": "Models", "settings": "Settings"},
}

sections = {
    section: [
        st.Page(shared.opened(name), title=title, url_path="start" if name == "home" else name, default=name == "home")
        for name, title in pages.items()
    ]
    for section, pages in MENU.items()
}
shared.PAGES.update(
    {
        name: page
        for pages, made in zip(MENU.values(), sections.values(), strict=True)
        for name, page in zip(pages, made, strict=True)
    }
)
# The default page answers at / alone; links to /home lead there as well.
sections[""].append(st.Page(shared.opened("home"), title="Home", url_path="home", visibility="hidden"))
st.navigation(sections, position="top").run()
loading.ahead(list(shared.PAGES))
