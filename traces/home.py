"""Where a user's data lies: one folder, `HEADCOUNT_HOME` (default `./runs`), with one folder for each experiment.

<home>/traces.duckdb                            the index; can be deleted at any time
<home>/experiments/<id>/experiment.json         the plan, as it was launched
<home>/experiments/<id>/journal-<worker>.jsonl  what happened: the source of everything shown later (in segments)
<home>/experiments/<id>/damage.json             what is damaged in the journals, if anything, as last seen
<home>/experiments/<id>/status.json             the worker's heartbeat
<home>/experiments/<id>/stop                    a request to stop
<home>/experiments/<id>/worker.log              what the worker printed
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from traces import bounds, journal
from traces.errors import InputError, TraceError, reason
from traces.journal import Damage

T = TypeVar("T")


class NotWritten(TraceError):
    """A file could not be written; `strerror` says why, as that of an OSError does."""

    def __init__(self, path: Path, why: str) -> None:
        self.strerror = why
        super().__init__(f"{path}: cannot be written: {why}")


State = Literal["pending", "running", "finished", "stopped", "failed", "interrupted"]

HEARTBEAT_S = 10.0  # a heartbeat older than this no longer vouches for its process
START_S = 60.0  # a worker that has written no status by then never came up
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,99}")


class Status(msgspec.Struct, frozen=True):
    """A worker's heartbeat. `create_time` is its process's start (psutil), `updated` is Unix time; `done` of `total`
    counts runs."""

    pid: int
    create_time: float
    state: Literal["running", "finished", "stopped", "failed"]
    done: int
    total: int
    updated: float
    message: str = ""


@dataclass(frozen=True)
class ExperimentFolder:
    """The files of one experiment. Making the object touches nothing on disk."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def plan_file(self) -> Path:
        return self.path / "experiment.json"

    @property
    def status_file(self) -> Path:
        return self.path / "status.json"

    @property
    def stop_file(self) -> Path:
        return self.path / "stop"

    @property
    def log_file(self) -> Path:
        return self.path / "worker.log"

    def journal_file(self, worker: int | str = 0) -> Path:
        return self.path / f"journal-{worker}.jsonl"

    def journals(self) -> list[Path]:
        """The segments of all journals that exist, in order: journal by journal."""
        return sorted(self.path.glob("journal-*.jsonl"), key=journal.place)

    @property
    def damage_file(self) -> Path:
        return self.path / "damage.json"

    def create(self) -> ExperimentFolder:
        """Make its folder. Raises TraceError where it cannot be made."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be made: {reason(error)}") from None
        return self

    def write_plan(self, plan: dict[str, Any]) -> None:
        write_atomically(self.plan_file, msgspec.json.format(msgspec.json.encode(plan), indent=2))

    def read_plan(self) -> dict[str, Any]:
        """The plan; raises TraceError if it is missing or is not an experiment's plan."""
        plan = read_json(self.plan_file, dict[str, Any], "an experiment's plan")
        for name in ("plan", "imported"):
            if not isinstance(plan.get(name) or {}, dict):
                raise TraceError(f"{self.plan_file}: is not an experiment's plan: {name} is not an object")
        return plan

    @property
    def total(self) -> int:
        """How many runs were planned. Raises TraceError where its plan does not say."""
        total = self.read_plan().get("total")
        if not bounds.is_count(total):
            raise TraceError(f"{self.plan_file}: is not an experiment's plan: it has no total of runs")
        return total

    def write_status(self, status: Status) -> None:
        """Raises TraceError where it cannot be written, on a full disk neither over the last one."""
        data = msgspec.json.encode(status)
        try:
            write_atomically(self.status_file, data)
        except NotWritten:
            if not _written_over(self.status_file, data):
                raise

    def read_status(self) -> Status | None:
        """The last heartbeat; None if there is none that can be read."""
        try:
            return read_json(self.status_file, Status, "a status")
        except TraceError:
            return None

    def write_damage(self, damaged: list[Damage]) -> None:
        """Note what is damaged in the journals, for whoever opens the experiment."""
        if damaged or self.damage_file.exists():
            write_atomically(self.damage_file, msgspec.json.encode([_in_words(damage) for damage in damaged]))

    def damage(self) -> tuple[str, ...]:
        """What is damaged in the journals as last seen, and what was cut off them when they were opened again."""
        try:
            known = read_json(self.damage_file, tuple[str, ...], "a list of damage")
        except TraceError:
            known = ()
        cut = (
            f"{kept.name}: {kept.stat().st_size} bytes that were no whole event, cut off their journal"
            for kept in sorted(self.path.glob("journal-*.damaged"))
        )
        return (*known, *cut)

    def request_stop(self) -> None:
        self.stop_file.touch()

    def stop_requested(self) -> bool:
        return self.stop_file.exists()


def read_json(path: Path, kind: type[T], what: str) -> T:
    """A file that Headcount wrote. Raises TraceError where it cannot be read, or is not `what` any more."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {reason(error)}") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise TraceError(f"{path}: is not {what}: {error}") from None
    except RecursionError:
        raise TraceError(f"{path}: is not {what}: nested too deeply") from None


def home() -> Path:
    """The folder that holds everything a user makes. It may not exist yet."""
    return Path(os.environ.get("HEADCOUNT_HOME") or "runs").absolute()


def knowledge() -> Path:
    """Where indexes of documents stand, named by their content, so that data folders may share the place."""
    return Path(os.environ.get("HEADCOUNT_KNOWLEDGE") or home() / "knowledge").absolute()


def new_id() -> str:
    """An experiment's name: the local time, which sorts, and four hex digits, which keep two launches apart."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def experiment_folder(experiment: str, base: Path | None = None) -> ExperimentFolder:
    """The folder of an experiment, whether or not it exists; raises InputError for what cannot be a folder's name."""
    if not _ID.fullmatch(experiment):
        raise InputError(f"{experiment!r} is not an experiment's id; `headcount list` shows them")
    return ExperimentFolder((base or home()) / "experiments" / experiment)


def list_experiments(base: Path | None = None) -> list[ExperimentFolder]:
    """Every experiment that has a plan or a journal, newest first."""
    base = base or home()
    if base.exists() and not base.is_dir():
        raise InputError(f"{base} is a file: HEADCOUNT_HOME names a folder")
    found = (ExperimentFolder(path) for path in (base / "experiments").glob("*/"))
    return sorted((f for f in found if f.plan_file.exists() or f.journals()), key=lambda f: f.id, reverse=True)


def find_experiment(name: str, base: Path | None = None) -> ExperimentFolder:
    """The experiment called `name`: its id, a part of it that only one has, or `latest`. Raises InputError."""
    folders = list_experiments(base)
    if name == "latest" and folders:
        return folders[0]
    exact = [f for f in folders if f.id == name]
    matches = exact or [f for f in folders if name and name in f.id]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(f"{name!r} names {len(matches)} experiments: {', '.join(f.id for f in matches[:5])}")
    raise InputError(f"there is no experiment {name!r} in {base or home()}; `headcount list` shows those there are")


def state(folder: ExperimentFolder, now: float) -> State:
    """What became of an experiment, as of Unix time `now`: a worker that died without a word is `interrupted`."""
    status = folder.read_status()
    if status is None:
        return "pending" if now - _planned_at(folder) < START_S else "interrupted"
    if status.state != "running":
        return status.state
    alive = _alive(status)
    if alive is None:
        alive = now - status.updated <= HEARTBEAT_S
    return "running" if alive else "interrupted"


def _in_words(damage: Damage) -> str:
    return str(replace(damage, path=Path(damage.path.name)))


def _planned_at(folder: ExperimentFolder) -> float:
    try:
        return folder.plan_file.stat().st_mtime
    except OSError:
        return 0.0


def _alive(status: Status) -> bool | None:
    """Whether the very process that wrote the status still runs; None if the system does not say."""
    import psutil

    try:
        process = psutil.Process(status.pid)
        same = abs(process.create_time() - status.create_time) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return None


@contextlib.contextmanager
def writing(named: Path | str) -> Iterator[None]:
    """Around what writes a file that the user named: raises InputError where it cannot be written."""
    try:
        yield
    except (OSError, NotWritten) as error:
        raise InputError(f"{named} cannot be written: {reason(error)}") from None


def _written_over(path: Path, data: bytes) -> bool:
    """Whether `data` could be put where a file's old content is: that takes no room that a full disk has not."""
    try:
        with open(path, "r+b") as file:
            file.write(data)
            file.truncate()
    except OSError:
        return False
    return True


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, meets the old content or the new one, never a part. Raises
    NotWritten."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise NotWritten(path, reason(error)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
