"""One head holds less well what is long: material that is independent is easier in parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.models.simulated import profile as profiles
from experiments.plan import Plan
from tests.trials import do, profile

RUNS, PARTS = 120, 6


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """Six long records that have nothing to do with each other, and a last part that says what is in them."""
    folder = tmp_path / "material"
    (folder / "cases").mkdir(parents=True)
    rows = ", ".join(f"({n}{n}, 'v{n} {'and so it goes on ' * 250}')" for n in range(PARTS))
    (folder / "world.sql").write_text(f"CREATE TABLE t (k INTEGER, v TEXT);\nINSERT INTO t VALUES {rows};\n")
    (folder / "scenario.yaml").write_text(
        "title: Material\nstory: Long records.\ngoal: Read them.\ndatabase: world.sql\n"
        "budget: {tokens: 10000000}\nroles: {researcher: {tools: [query_database]}}\n"
    )
    names = [f"f{n}" for n in range(PARTS)]
    lines = ["title: Records", "request: What is in them?", "answer: '" + ", ".join(f"{{{n}}}" for n in names) + ".'"]
    lines.append("plan:")
    for n, name in enumerate(names):
        sql = json.dumps(f"SELECT v AS {name} FROM t WHERE k = {n}{n}")
        fact = f"{{{name}: {{value: v{n}, pattern: '{name}=(\\S+)', otherwise: wrong{n}}}}}"
        step = f"{{id: s{n}, tool: query_database, args: {{sql: {sql}}}, facts: {fact}}}"
        lines.append(f"  - {{id: t{n}, goal: Read {n}, role: researcher, steps: [{step}]}}")
    needs = ", ".join(f"t{n}" for n in range(PARTS))
    lines.append(f"  - {{id: reply, goal: Say what is in them, role: researcher, needs: [{needs}]}}")
    lines.append(f"expect:\n  - {{grader: mentions, all: [{', '.join(f'v{n}' for n in range(PARTS))}]}}")
    (folder / "cases" / "records.yaml").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize(("slope", "parts_are_easier"), [(2.0, True), (0.0, False)])
def test_independent_material_is_easier_in_parts_as_attention_falls(
    material: Path, slope: float, parts_are_easier: bool
) -> None:
    rates = {**dict.fromkeys(("retrieve", "compute", "decide", "act", "write"), 0.0), "lookup": 0.02}
    model = profile(
        material.with_name("model.yaml"), rates=rates, looks_right=1, per_1k_context=slope, check={"own": 0}
    )
    done = do(Plan(str(material), ("solo", "graph"), model=model, trials=RUNS, seed=3))
    right = {team: sum(o.success for o, _ in done if o.team == team) / RUNS for team in ("solo", "graph")}
    assert (right["graph"] - right["solo"] > 0.08) is parts_are_easier, right


def test_shipped_models_lose_attention_within_the_published_slopes() -> None:
    for name in ("small", "medium", "large"):
        profile_ = profiles.load(name)
        assert 1.046 <= profile_.crowded(1000) <= 1.4
        assert profile_.crowded(0, 100) > profile_.crowded(0, 10) > profile_.crowded(0, 4) == 1
