"""Roles as data: what each is there for (prompts/roles.yaml), put into words for one scenario by prompts/base.md."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from msgspec import Struct, convert

from tasks.scenario import RoleUse, Scenario
from traces import yamltree
from traces.errors import InputError

_PROMPTS = Path(__file__).parent / "prompts"


class Role(Struct, frozen=True):
    """`finds`: notes what it finds out. `answers`: may be asked for the final answer, so it is told its form."""

    name: str
    version: int
    duties: str
    finds: bool = False
    answers: bool = False

    @property
    def prompt_version(self) -> str:
        return f"{self.name}@{self.version}"


@cache
def roles() -> dict[str, Role]:
    data = yamltree.texts(yamltree.read(_PROMPTS / "roles.yaml"))
    return {name: convert({"name": name, **fields}, Role, strict=False) for name, fields in data.items()}


def find(name: str) -> Role:
    try:
        return roles()[name]
    except KeyError:
        raise InputError(f"no role {name!r}; there are: {', '.join(roles())}") from None


def tools_of(role: str, scenario: Scenario) -> tuple[str, ...]:
    """What the role may use in this scenario; `solo` may use everything that any role may."""
    if role == "solo":
        return scenario.tool_names
    return scenario.file.roles.get(role, RoleUse()).tools


@cache
def _template():  # type: ignore[no-untyped-def]
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    return environment.from_string((_PROMPTS / "base.md").read_text(encoding="utf-8"))


def instructions(role: Role, name: str, scenario: Scenario) -> str:
    """The system prompt of `name` in this role and scenario."""
    alone = role.name == "solo"
    uses = scenario.file.roles
    guidance = (
        "\n".join(use.guidance for use in uses.values() if use.guidance)
        if alone
        else uses.get(role.name, RoleUse()).guidance
    )
    text = _template().render(
        name=name,
        role="agent" if alone else role.name,
        alone=alone,
        goal=scenario.file.goal.strip(),
        guidance=guidance.strip(),
        duties=role.duties.strip(),
        finds=role.finds,
        answers=role.answers,
        answer_style=scenario.file.answer_style.strip(),
    )
    return str(text).strip()
