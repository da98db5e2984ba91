"""Names that resolve to code, loaded when used: teams, engines, models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from pydantic import ValidationError

from agents import settings
from agents.limits import IDLE_S
from agents.settings import Settings
from tasks import wanted
from traces import imports, paths, yamltree
from traces.errors import InputError, ScenarioError

if TYPE_CHECKING:
    from agents.workspace import Workspace

Shape = Callable[["Workspace"], Awaitable[str]]

TEAMS = {
    "solo": "agents.teams.solo:solo",
    "supervisor": "agents.teams.supervisor:supervisor",
    "market": "agents.teams.market:market",
    "pipeline": "agents.teams.pipeline:pipeline",
    "graph": "agents.teams.graph:graph",
    "ensemble": "agents.teams.ensemble:ensemble",
    "debate": "agents.teams.debate:debate",
    "hybrid": "agents.teams.hybrid:hybrid",
    "cascade": "agents.teams.cascade:cascade",
    "router": "agents.teams.router:router",
}
ELSEWHERE = {"swarm": "autogen", "magentic": "autogen"}
"""Shipped teams that are a framework's own: team → the engine that offers it."""

ENGINES = {
    "native": "agents.engines.native:Native",
    "autogen": "agents.engines.autogen:AutoGen",
    "crewai": "agents.engines.crewai:CrewAI",
}
FILES = (".yaml", ".yml")
OWN_SHAPE = Settings(
    shape="own",
    members=(settings.Member(role="researcher", count=2), settings.Member(role="coder")),
)


class Team(Struct, frozen=True):
    """A team as it is called in results, and its settings; `shape` is the function that runs it."""

    name: str
    settings: Settings

    @property
    def shape(self) -> Shape:
        return _load(self.settings.shape, TEAMS, "team")  # type: ignore[no-any-return]

    @property
    def idle_s(self) -> float:
        """Seconds of real time in which it may do nothing: a function may have its own, as `idle_s`."""
        return float(getattr(self.shape, "idle_s", IDLE_S)) if ":" in self.settings.shape else IDLE_S


def name_of(team: str) -> str:
    """What a team is called in results: a file's name without its ending."""
    return Path(team).stem if team.endswith(FILES) else team


def team(name: str) -> Team:
    """The team by its name, by the path of its YAML file, or by the import path of a function: `my_teams:pair`.

    Raises InputError for what is none of these, ScenarioError for a file that is wrong."""
    if name.endswith(FILES):
        return Team(name_of(name), settings.load(paths.given(name).absolute()))
    if name in TEAMS or name in ELSEWHERE:
        return Team(name, settings.load(settings.SHIPPED / f"{name}.yaml"))
    found = Team(name, OWN_SHAPE.model_copy(update={"shape": name}))
    found.shape  # noqa: B018  # raises where there is no such thing
    return found


def changed(team: Team, changes: Mapping[str, str]) -> Team:
    """The team with other settings: `team.stop.max_rounds` → 3. Raises InputError for what cannot be set."""
    data = team.settings.model_dump()
    for name, value in changes.items():
        if not name.startswith("team."):
            continue
        place = data
        *path, last = name.split(".")[1:]
        for part in path:
            place = place.get(part) if isinstance(place.get(part), dict) else {}  # type: ignore[assignment]
        if last not in place:
            raise InputError(f"{name}: the team has no such setting; it has: {', '.join(f'team.{n}' for n in data)}")
        place[last] = _read(name, [*path, last], value)
    try:
        return Team(team.name, Settings.model_validate(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"team.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _read(name: str, path: Sequence[str], value: str) -> Any:
    """A value as YAML has it, as its place in a team's file takes it."""
    want = wanted.of(Settings)
    for part in path:
        want = want.at(part)
    try:
        return wanted.value(yamltree.parse(value, name), want, {}, name)
    except ScenarioError as error:
        raise InputError(f"{name}: {error.message}") from None


def engine(name: str) -> Any:
    return _load(name, ENGINES, "engine")


def _load(name: str, table: dict[str, str], what: str) -> Any:
    path = table.get(name, name if ":" in name else "")
    if not path:
        more = f", {', '.join(ELSEWHERE)}, the path of a team's .yaml file" if what == "team" else ""
        raise InputError(f"no {what} {name!r}: give one of {', '.join(table)}{more}, or an import path module:name")
    return imports.load(path, f"{what} {name!r}")
