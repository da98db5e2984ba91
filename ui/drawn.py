"""Pictures of what is planned, as Graphviz: a case's task graph, and who in a team talks to whom."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, groupby, pairwise

import streamlit as st
from msgspec import Struct

from agents.settings import Member, Settings
from tasks.case import Case

FILL, EDGE = "#0072B2", "#757575"
PLACE = "#5C6670"

Edge = tuple[str, str, str]
"""From, to, and what is said; `both` draws it with two heads."""


class Picture(Struct):
    """`agents` are drawn as people, `places` as what they meet at (a board, a vote); `aside` are not agents of this
    team."""

    agents: list[str]
    places: list[str]
    edges: list[Edge]


def show(dot: str, words: str) -> None:
    """The picture, no wider than it needs to be; `words` say it for those who cannot see it."""
    st.graphviz_chart(dot, width="content")
    st.caption(words)


def task_graph(case: Case) -> str:
    nodes = [f"{_quoted(task.id)} [label={_quoted(task.id + chr(10) + task.role)}]" for task in case.plan]
    edges = [f"{_quoted(need)} -> {_quoted(task.id)}" for task in case.plan for need in task.needs]
    return _digraph(nodes, edges)


def team(settings: Settings, case: Case | None = None) -> str:
    """Who talks to whom in a team of this shape; a pipeline's stages and a graph's nodes are those of the case."""
    draw = _SHAPES.get(settings.shape)
    picture = draw(settings, case) if draw else Picture(_names(settings.people), [], [])
    nodes = [f"{_quoted(name)} [fillcolor={_quoted(FILL)}]" for name in picture.agents]
    nodes += [f"{_quoted(name)} [shape=box, style=filled, fillcolor={_quoted(PLACE)}]" for name in picture.places]
    edges = [f"{_quoted(a)} -> {_quoted(b)} [dir={way}]" for a, b, way in picture.edges]
    return _digraph(nodes, edges)


def _digraph(nodes: list[str], edges: list[str]) -> str:
    style = 'bgcolor="transparent"; rankdir=LR; nodesep=0.25; ranksep=0.4; node [shape=box, style="rounded,filled", '
    style += f'fillcolor="{FILL}", color="{EDGE}", fontcolor="#FFFFFF", fontname="sans-serif", fontsize=12, '
    style += f'margin="0.14,0.06", height=0.35]; edge [color="{EDGE}", arrowsize=0.7]; '
    return f"digraph {{ {style} {'; '.join(nodes + edges)} }}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _names(members: tuple[Member, ...]) -> list[str]:
    """What agents of these members are called: a role that there are several of is numbered."""
    roles = [member.role for member in members for _ in range(member.count)]
    seen: dict[str, int] = {}
    names = []
    for role in roles:
        seen[role] = seen.get(role, 0) + 1
        names.append(f"{role}-{seen[role]}" if roles.count(role) > 1 else role)
    return names


def _lead(settings: Settings, role: str) -> str:
    return settings.lead.role if settings.lead else role


def _solo(settings: Settings, case: Case | None) -> Picture:
    return Picture(["one agent"], ["all tools"], [("one agent", "all tools", "both")])


def _hub(settings: Settings, case: Case | None) -> Picture:
    lead, workers = _lead(settings, "supervisor"), _names(settings.members)
    edges: list[Edge] = [(lead, worker, "both") for worker in workers]
    reviewer = [settings.reviewer.role] if settings.reviewer else []
    return Picture([lead, *workers, *reviewer], [], edges + [(lead, name, "both") for name in reviewer])


def _hybrid(settings: Settings, case: Case | None) -> Picture:
    hub = _hub(settings, case)
    workers = _names(settings.members)
    hub.edges += [(a, b, "both") for a, b in combinations(workers, 2)]
    return hub


def _market(settings: Settings, case: Case | None) -> Picture:
    lead, workers = _lead(settings, "planner"), _names(settings.members)
    reviewer = [settings.reviewer.role] if settings.reviewer else []
    edges: list[Edge] = [(lead, "board", "forward"), *(("board", worker, "both") for worker in workers)]
    return Picture([lead, *workers, *reviewer], ["board"], edges + [("board", name, "both") for name in reviewer])


def _pipeline(settings: Settings, case: Case | None) -> Picture:
    roles = [role for role, _ in groupby(task.role for task in case.plan)] if case else ["stage", "stage"]
    stages = [f"{number} {role}" for number, role in enumerate(roles, 1)]
    return Picture(stages, [], [(a, b, "forward") for a, b in pairwise(stages)])


def _graph(settings: Settings, case: Case | None) -> Picture:
    workers = _names(settings.members)
    return Picture(workers, ["task graph"], [("task graph", worker, "both") for worker in workers])


def _ensemble(settings: Settings, case: Case | None) -> Picture:
    attempts, judge = _names(settings.members), _lead(settings, "reviewer")
    edges: list[Edge] = [(attempt, "vote", "forward") for attempt in attempts]
    return Picture([*attempts, judge], ["vote"], [*edges, ("vote", judge, "both")])


def _debate(settings: Settings, case: Case | None) -> Picture:
    debaters, judge = _names(settings.members), _lead(settings, "reviewer")
    edges: list[Edge] = [(a, b, "both") for a, b in pairwise(debaters)]
    return Picture([*debaters, judge], [], edges + [(name, judge, "forward") for name in debaters])


def _cascade(settings: Settings, case: Case | None) -> Picture:
    attempts, judge = _names(settings.members), _lead(settings, "reviewer")
    edges: list[Edge] = [(attempt, judge, "both") for attempt in attempts]
    return Picture([*attempts, judge], [], edges)


def _router(settings: Settings, case: Case | None) -> Picture:
    teams = list(dict.fromkeys(route.team for route in settings.routes))
    return Picture(teams, ["router"], [("router", name, "forward") for name in teams])


def _swarm(settings: Settings, case: Case | None) -> Picture:
    names = _names(settings.members)
    return Picture(names, [], [(a, b, "both") for a, b in pairwise(names)])


_SHAPES: dict[str, Callable[[Settings, Case | None], Picture]] = {
    "solo": _solo,
    "supervisor": _hub,
    "magentic": _hub,
    "hybrid": _hybrid,
    "market": _market,
    "pipeline": _pipeline,
    "graph": _graph,
    "ensemble": _ensemble,
    "debate": _debate,
    "cascade": _cascade,
    "router": _router,
    "swarm": _swarm,
}
