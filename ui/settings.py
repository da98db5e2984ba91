"""Settings: where the data lies, defaults, privacy, keys (whether set, never what)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import streamlit as st

from agents.models import catalog, endpoint, quiet
from experiments import doctor
from traces import home, labels
from traces.errors import HeadcountError, InputError
from ui import launch_about, preferences, shared
from ui.preferences import Preferences

PARTS = {
    "experiments": "journals, plans and logs: the source of everything",
    "traces.duckdb": "an index over the journals; can be deleted at any time",
    labels.FILE: "thumbs, labels and comments: made from nothing else, keep it",
    "knowledge": "embedded documents; made again when needed",
    "scenarios": "jobs of your own",
    "cache": "replies of real models, where models.yaml keeps them",
    "settings.json": "what is set on this page",
}


OWN = "what the scenario says"


def page() -> None:
    st.title("Settings")
    _defaults()
    _data()
    _privacy()
    _keys()


def _defaults() -> None:
    st.header("Defaults of a launch", anchor=False)
    kept = preferences.read()
    with st.form("defaults", border=True):
        model = st.text_input("Model", kept.model)
        base = st.text_input("Base address of your own server", kept.api_base, placeholder="http://localhost:8000/v1")
        first, second, third = st.columns(3)
        trials = first.number_input("Trials of each case", 1, 10_000, kept.trials)
        tokens = second.number_input("Tokens per run", 1, 10_000_000, kept.tokens, 1000, placeholder=OWN)
        dollars = third.number_input("Dollars per run", 0.0001, 1000.0, kept.cost_usd, 0.01, "%.4f", placeholder=OWN)
        name = st.text_input("Your name, for approvals", kept.name, max_chars=80)
        sent = st.form_submit_button("Save")
    if sent:
        wanted = Preferences(
            str(model).strip() or kept.model,
            str(base).strip(),
            int(tokens) if tokens else None,
            float(dollars) if dollars else None,
            int(trials),
            str(name).strip(),
        )
        _save(wanted)


def _save(wanted: Preferences) -> None:
    """A model that there is not is told here, and not on the next launch."""
    try:
        launch_about.card(wanted.model, wanted.api_base or None)
    except HeadcountError as error:
        st.error(f"Not saved. {shared.sentence(error)}")
        return
    preferences.write(wanted)
    st.toast("Saved.")


def _data() -> None:
    st.header("Your data", anchor=False)
    folder = home.home()
    st.write("Everything that you make lies in one folder on this machine (HEADCOUNT_HOME):")
    st.code(str(folder), language=None)
    sizes = _sizes(str(folder))
    shared.table(
        [{"what": name, "size": _size(sizes.get(name, 0)), "what it is": said} for name, said in PARTS.items()],
        caption=f"{_size(sum(sizes.values()))} in all; {_size(_free(folder))} free on the disk",
    )
    if st.button("Make the index anew", help="Deletes traces.duckdb and builds it from the journals."):
        with st.spinner("Reading all journals"):
            indexed = shared.store().rebuild()
        st.success(f"{len(indexed):,} experiments, {sum(one.runs for one in indexed):,} runs.")


@st.cache_data(show_spinner="Adding up", ttl=60)
def _sizes(folder: str) -> dict[str, int]:
    """Bytes of each part, and of the rest."""
    if not Path(folder).is_dir():
        return {}
    found: dict[str, int] = {}
    for entry in os.scandir(folder):
        name = entry.name if entry.name in PARTS else "other"
        found[name] = found.get(name, 0) + (_bytes(Path(entry.path)) if entry.is_dir() else entry.stat().st_size)
    return found


def _bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except OSError:  # it was just removed
                continue
    return total


def _free(folder: Path) -> int:
    place = next(path for path in (folder, *folder.parents) if path.is_dir())
    return shutil.disk_usage(place).free


def _size(count: float) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"


def _privacy() -> None:
    st.header("Privacy", anchor=False)
    st.write(
        "Nothing leaves this machine, except calls to a model that you name, to the address that its card shows. "
        "The app listens on 127.0.0.1 alone. Telemetry of every dependency is off:"
    )
    shared.table([{"variable": name, "value": os.environ.get(name, "not set")} for name in quiet.SETTINGS])


def _keys() -> None:
    st.header("Keys", anchor=False)
    st.write("Keys come from the environment in which the app was started. They are never shown, stored or recorded.")
    own = (endpoint.BASE_VARIABLE, endpoint.KEY_VARIABLE, catalog.VARIABLE)
    try:
        named = tuple(alias.entry.key for alias in catalog.aliases().values() if alias.entry.key)
    except InputError as error:
        st.error(shared.sentence(error))
        named = ()
    names = dict.fromkeys((*named, *own, *doctor.KEYS))
    shared.table([{"variable": name, "state": "set" if os.environ.get(name) else "not set"} for name in names])
