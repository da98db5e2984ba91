"""Sharing experiments: out as one file, and in from a file that another installation wrote."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct, structs

from agents import table
from experiments import personal
from experiments import plan as plans
from experiments.plan import Plan
from experiments.running import forked
from tasks import scenario as scenarios
from traces import home, yamltree
from traces.errors import HeadcountError, InputError
from traces.home import ExperimentFolder, Status
from traces.share import reading, writing
from traces.share.manifest import EVENTS, PAST, Damaged, Manifest
from traces.share.reading import Shared
from traces.wording import SOURCE_SIGNS

UNDER_WAY = ("running", "pending")
_PATH = re.compile(r"[/\\]")


class Imported(Struct, frozen=True):
    """An experiment that came in as `id`. `already`: it was here before, and nothing was done. `scenario_here`: its
    scenario is here as it was there, so that its runs can be done again."""

    id: str
    manifest: Manifest
    already: bool = False
    scenario_here: bool = False


# --- out --------------------------------------------------------------------------------------------------------


def export(experiment: str, target: Path | None = None, hide: Sequence[str] = ()) -> tuple[Path, Manifest]:
    """Write an experiment into one file; `hide` are texts to take out beside what is marked. Raises InputError where it
    still runs or the file cannot be written."""
    folder = settled(experiment)
    target = target or Path(file_name(folder.id))
    past = folder.path / forked.PAST
    out = personal.withheld(folder, hide)
    manifest = writing.write(target, folder, _plan_out(folder), out, past if past.is_file() else None)
    return target, manifest


def as_bytes(experiment: str) -> bytes:
    """The file that `export` would write."""
    with tempfile.TemporaryDirectory() as scratch:
        return export(experiment, Path(scratch, "shared.zip"))[0].read_bytes()


def settled(experiment: str) -> ExperimentFolder:
    """An experiment that does not run. Raises InputError for one that does."""
    folder = home.find_experiment(experiment)
    if home.state(folder, time.time()) in UNDER_WAY:
        raise InputError(f"{folder.id} is running: export it when it is over, or stop it")
    return folder


def file_name(experiment: str) -> str:
    return f"headcount-{experiment}.zip"


def _plan_out(folder: ExperimentFolder) -> dict[str, Any]:
    """The plan without what says something about this machine: paths, addresses of servers."""
    data = folder.read_plan()
    data.pop("imported", None)
    if "plan" not in data:
        return data
    plan = plans.read(folder)
    plan = structs.replace(
        plan,
        scenario=str(data.get("scenario") or Path(plan.scenario).name),
        teams=tuple(f"teams/{Path(team).name}" if team.endswith(table.FILES) else team for team in plan.teams),
        model=_without_folder(plan.model),
        api_base=None,
        on=_near(plan.on),
    )
    return {**data, "plan": msgspec.to_builtins(plan), "command": plans.command_line(plan)}


def _near(on: str) -> str:
    """Where workers are, without an address of a cluster."""
    return on if on in ("processes", "here") else "processes"


def _without_folder(model: str) -> str:
    """A model by its name, without the folder of its file (`sim:FILE.yaml`, `local:FILE.gguf`)."""
    kind, colon, name = model.partition(":")
    return f"{kind}:{_PATH.split(name)[-1]}" if colon and kind in ("sim", "local") else model


# --- in ---------------------------------------------------------------------------------------------------------


def bring_in(source: Path | IO[bytes], name: str = "", scenario: str | None = None) -> Imported:
    """Add the experiment in a shared file to those that are here; all of it or, with an error, nothing. `scenario`: the
    folder of its scenario, if it is no shipped one; it can be given later, with the same file. No
    code is loaded that the file names.

    Raises Damaged for a file that is not as it was written, InputError where the scenario is another one."""
    with reading.opened(source, name) as shared:
        manifest = shared.manifest
        known, place = _here(manifest), _scenario(manifest, scenario)
        if known is not None:
            _give_scenario(known, place)
            return Imported(known.id, manifest, already=True, scenario_here=place is not None)
        folder = _added(shared, place)
    return Imported(folder.id, manifest, scenario_here=place is not None)


def _here(manifest: Manifest) -> ExperimentFolder | None:
    """The experiment if it is here already: imported from a file with the same content, or made here."""
    own = _folder(manifest.experiment)
    if own.plan_file.exists():
        data = own.read_plan()
        if data.get("imported") is None and data.get("created") == manifest.created:
            return own
    return already_here(manifest.content)


def already_here(content: str) -> ExperimentFolder | None:
    """The experiment that was imported with this content, if there is one."""
    for folder in home.list_experiments():
        try:
            imported = folder.read_plan().get("imported") or {}
        except HeadcountError:
            continue
        if imported.get("content") == content:
            return folder
    return None


def _folder(experiment: str) -> ExperimentFolder:
    try:
        return home.experiment_folder(experiment)
    except InputError:
        raise Damaged(f"the file names an experiment that cannot be one: {experiment!r}") from None


def _scenario(manifest: Manifest, given: str | None) -> Path | None:
    """The folder of the scenario, where it is here as it was there."""
    if given is not None:
        found = scenarios.load(given)
        if found.name != manifest.scenario:
            raise InputError(f"--scenario: {given}: the folder should be called {manifest.scenario}, as it was there")
        if found.digest != manifest.scenario_digest:
            raise InputError(
                f"--scenario: {given} is not the scenario that was run (content {found.digest}, there "
                f"{manifest.scenario_digest or 'unknown'})"
            )
        return found.folder
    if manifest.scenario not in scenarios.shipped():
        return None
    found = scenarios.load(manifest.scenario)
    return found.folder if found.digest == manifest.scenario_digest else None


def _give_scenario(folder: ExperimentFolder, place: Path | None) -> None:
    data = folder.read_plan()
    if place is not None and "imported" in data and data["plan"].get("scenario") != str(place):
        folder.write_plan({**data, "plan": {**data["plan"], "scenario": str(place)}})


def _added(shared: Shared, scenario: Path | None) -> ExperimentFolder:
    base = home.home()
    (base / "experiments").mkdir(parents=True, exist_ok=True)
    scratch = ExperimentFolder(Path(tempfile.mkdtemp(prefix=".import-", dir=base)))
    try:
        shared.write_journal(EVENTS, scratch.journal_file())
        if shared.has_past:
            shared.write_journal(PAST, scratch.path / forked.PAST)
        data, plan = _plan_in(shared)
        teams = {name: content for name, content in shared.teams().items() if not _names_code(content)}
        for name, content in teams.items():
            (scratch.path / "teams").mkdir(exist_ok=True)
            (scratch.path / "teams" / name).write_bytes(content)
        _write_status(scratch, shared.manifest)
        return _named(scratch, shared.manifest, data, plan, scenario)
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)


def _plan_in(shared: Shared) -> tuple[dict[str, Any], Plan]:
    """The plan, without anything that would load code or lead to a server when the experiment is looked at."""
    data = shared.plan()
    try:
        plan = msgspec.convert(data["plan"], Plan)
    except (KeyError, msgspec.MsgspecError) as error:
        raise Damaged(f"{shared.name}: its plan cannot be read: {error}") from None
    engines = tuple(name if name in table.ENGINES else _plain(name) for name in plan.engines)
    plan = structs.replace(
        plan, scenario=_plain(plan.scenario), engines=engines, model=_without_folder(plan.model), api_base=None
    )
    return data, structs.replace(plan, on=_near(plan.on))


def _plain(name: str) -> str:
    """A name that is neither a path nor an import path."""
    return re.sub(f"[^{SOURCE_SIGNS} ]+", ".", name).strip(". ") or "unknown"


def _names_code(content: bytes) -> bool:
    """Whether a team's file names a function to be loaded, or cannot be read."""
    try:
        data = yamltree.parse(content, "a team's file")
    except InputError:
        return True
    if not isinstance(data, yamltree.Mapping):
        return True
    shape = data.entries.get("shape", (0, None))[1]
    return not isinstance(shape, yamltree.Scalar) or ":" in shape.value


def _write_status(folder: ExperimentFolder, manifest: Manifest) -> None:
    """The state that it was exported in. One that was interrupted has a heartbeat without a process."""
    state = manifest.state if manifest.state in ("finished", "stopped", "failed") else "running"
    status = {"pid": 0, "create_time": 0.0, "state": state, "done": manifest.done, "total": manifest.total}
    more = {"updated": manifest.made, "message": manifest.message}
    folder.write_status(msgspec.convert({**status, **more}, Status))


def _named(
    scratch: ExperimentFolder, manifest: Manifest, data: dict[str, Any], plan: Plan, scenario: Path | None
) -> ExperimentFolder:
    """Put it among the experiments, under its own id if that is free."""
    for number in range(1, 1000):
        folder = _folder(manifest.experiment if number == 1 else f"{manifest.experiment}.{number}")
        if folder.path.exists():
            continue
        teams = tuple(_team(name, scratch, folder) for name in plan.teams)
        here = structs.replace(plan, teams=teams, scenario=str(scenario) if scenario else plan.scenario)
        imported = {
            "experiment": manifest.experiment,
            "content": manifest.content,
            "scenario_digest": manifest.scenario_digest,
            "made": manifest.made,
            "at": time.time(),
            "withheld": manifest.secrets + manifest.personal,
        }
        scratch.write_plan({**data, "id": folder.id, "plan": msgspec.to_builtins(here), "imported": imported})
        try:
            os.rename(scratch.path, folder.path)
        except OSError:
            continue  # another process has taken the name
        return folder
    raise InputError(f"{manifest.experiment}: there are too many experiments of this name")


def _team(name: str, scratch: ExperimentFolder, folder: ExperimentFolder) -> str:
    """A team's name, or the path of its file here."""
    if not name.endswith(table.FILES):
        return _plain(name)
    file = Path("teams", Path(name).name)
    return str(folder.path / file) if (scratch.path / file).is_file() else _plain(file.stem)
