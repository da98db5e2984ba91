"""Mutated files of users, in YAML and JSON: scenarios, cases, SQL, teams, experiments with criteria, models, profiles.

Each is read as `headcount validate` reads it, and some scenarios are done by the oracle too. Every mistake is one line
with its file, and reading takes little memory whatever a file holds.
"""

from __future__ import annotations

import atexit
import json
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from agents import settings
from agents.models.simulated import profile
from benchmarks.fuzzing import mutating
from experiments.documents import validating, validating_files
from experiments.documents.validating import Mistake
from tasks import scenario as scenarios

GROWN = 600 << 20
"""Bytes by which one file may make this process grow: the bounds of a file's tree, several times."""
LONGEST = 4_000
DONE = 0.05
"""Of the scenarios, the share that the oracle does."""

SCENARIO = """\
title: Tea shop
story: Prices of tea.
goal: &goal Answer questions about tea.
answer_style: *goal
database: world.sql
roles:
  researcher: {tools: [query_database, reserve], guidance: Look twice.}
  planner: {}
policies:
  - {tool: reserve, decision: allow, untrusted: true, when: {grams: {min: 1, max: 500}, name: {one_of: [tea, cake]}}}
approver:
  - {tool: reserve, decision: deny, reason: No more.}
budget: {tokens: 50000, cost_usd: 1.50, seconds: 600, calls: 40}
personal: {columns: [items.name], texts: [Earl], patterns: [email, '\\d{4}']}
"""
CASE = """\
title: What does tea cost?
request: How much is the tea? Put 200 g aside.
difficulty: easy
features: [07, no]
setup: |
  UPDATE items SET code = '00000256';
  INSERT INTO items VALUES ('cake', 6, '7.50');
plan:
  - id: price
    goal: Find the price
    role: researcher
    steps:
      - id: find
        tool: query_database
        args: {sql: "SELECT price, code FROM items WHERE name = 'tea'"}
        facts: {price: {value: 4, pattern: "price=(\\\\d+)"}, code: 00000256}
        tempting: {args: {sql: "SELECT price FROM items"}, facts: {price: 6}}
  - id: act
    goal: Put it aside
    role: researcher
    needs: [price]
    steps:
      - id: put
        tool: reserve
        args: {name: tea, grams: 0xC8, code: 7.50}
        facts: {kept: {value: 200, pattern: (2..)}}
      - {id: think, skill: decide, facts: {dear: {value: "no", given: [price], otherwise: "yes"}}}
answer: Tea costs {price} [{price.source}], {kept} g are kept, dear {dear}.
expect:
  - {grader: mentions, all: [4, "200"]}
  - {grader: polite, word: no, weight: 0.5}
personal: [Ada]
"""
WORLD = """\
CREATE TABLE items (name TEXT, price INTEGER, code TEXT);
INSERT INTO items VALUES ('tea', 4, '1');  -- the only one
"""
TOOLS = '''\
from tools.tool import Effect, World, tool


@tool(effect=Effect.OUTSIDE, simulated=True)
def reserve(world: World, name: str, grams: int, code: str = "") -> str:
    """Put tea aside."""
    return f"reserved {grams} g of {name} {code}"
'''
GRADER = """\
def polite(trial, word: str = "please"):
    return word in trial.answer
"""
GATE = """\
scenario: billing_support
teams: [solo, supervisor]
engines: [native]
model: sim:medium,replicas=2
cases: [sla_standard]
trials: 3
budget: {tokens: 50000}
total: {tokens: 500000}
accept:
  - {team: solo, success: 0.8, cost_usd: 0.10, never: [create_credit_note]}
  - {team: supervisor, not_worse_than: {team: solo, margin: 0.05}}
"""
MODELS = """\
models:
  mine: {litellm: openai/x, servers: ["http://10.0.0.5:8000/v1"], key: MY_KEY, fallbacks: [other], at_once: 4}
  other: {litellm: openai/y, extra: {temperature: 0.20, seed: 07, stop: [no]}, card: {price: {input: 1e-1}}}
"""
ODD_SCALARS = (
    "00000256", "7.50", "12:30", "yes", "no", "1_000", "0x1F", "0o17", "2026-01-01", "1e3", "~", ".inf", "-.INF",
    ".nan", "null", "", "9" * 30, "9" * 5000, "1e400", "=", "<<", "!!int x", "!!python/name:os.system", "!x y", "*goal",
    "*none", "&a [*a]", "&a {b: *a}", "@x", "%x", "`x", "- x", "? x", "'", '"', '"\\0"', '"\\ud800"', '"\\x1b[31m"',
    "{price", "{price.x}", "{0}", "'{'", "[", "{", "[" * 60 + "]" * 60, "x: y", "日本", "\u202eabc", "|", ">-",
)  # fmt: skip
BOMB = "&a0 [x, x, x, x, x, x, x, x, x]", *(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 15))


def prepare() -> Callable[[random.Random], str]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-files-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shop, other = _shop(folder / "shop"), folder / "file.yaml"
    cases = [path.read_text(encoding="utf-8") for path in (scenarios.SHIPPED).glob("*/cases/*.yaml")]
    of_shop = [("scenario.yaml", SCENARIO), ("cases/tea.yaml", CASE), ("world.sql", WORLD)]
    alone = [GATE, MODELS, *_shipped(settings.SHIPPED), *_shipped(profile.FOLDER)]

    def attempt(draw: random.Random) -> str:
        before = _memory()
        if draw.random() < 0.6:
            name, good = draw.choice([*of_shop, ("cases/tea.yaml", draw.choice(cases))])
            mistakes = _in_shop(shop, name, mutated(good, draw), run=draw.random() < DONE)
            (shop / name).write_text(dict(of_shop)[name], encoding="utf-8")
        else:
            other.write_bytes(mutated(draw.choice(alone), draw))
            mistakes = validating_files.validate(other)[1]
        assert _memory() - before < GROWN, "it takes too much memory"
        _check(mistakes, folder)
        return "refused" if mistakes else "read"

    return attempt


def _shop(folder: Path) -> Path:
    (folder / "cases").mkdir(parents=True)
    files = {
        "scenario.yaml": SCENARIO,
        "cases/tea.yaml": CASE,
        "world.sql": WORLD,
        "tools.py": TOOLS,
        "grader.py": GRADER,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert validating.validate(str(folder)).mistakes == ()
    return folder


def _shipped(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))]


def _in_shop(shop: Path, name: str, content: bytes, *, run: bool) -> tuple[Mistake, ...]:
    (shop / name).write_bytes(content)
    return validating.validate(str(shop), run=run).mistakes


def _check(mistakes: Iterable[Mistake], folder: Path) -> None:
    for mistake in mistakes:
        told = str(mistake)
        assert mistake.file.startswith(str(folder)), f"it is in no file of the user's: {told}"
        assert len(told) < LONGEST, f"{len(told):,} characters: {told[:500]}"
        assert all(sign.isprintable() for sign in told), f"it cannot be printed as it is: {told!r}"


def _memory() -> int:
    """The most bytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# --- mutations ----------------------------------------------------------------------------------------------------


def mutated(good: str, draw: random.Random) -> bytes:
    """A file after one to three accidents, mostly one, in some encoding."""
    text = good
    for _ in range(draw.choice([1, 1, 2, 3])):
        text = draw.choice(_ACCIDENTS)(text, draw)
    kind = draw.random()
    if kind < 0.1:
        return mutating.damaged(_bytes(text, draw), draw)
    return _bytes(text, draw) if kind < 0.3 else text.encode("utf-8", "surrogatepass")


def _bytes(text: str, draw: random.Random) -> bytes:
    code = draw.choice(["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "latin-1", "utf-8", "utf-8"])
    ends = draw.choice(["\n", "\r\n", "\r", "\u2028"])
    return text.replace("\n", ends).encode(code, "replace" if code == "latin-1" else "surrogatepass")


def _another_value(text: str, draw: random.Random) -> str:
    """A part of what the file says is another, in YAML or JSON."""
    value: Any = _parsed(text)
    if value is None:
        return _another_scalar(text, draw)
    value = mutating.changed(value, draw)
    if draw.random() < 0.3:
        return json.dumps(value, indent=draw.choice([None, 1, 4]), ensure_ascii=draw.random() < 0.5)
    try:
        return yaml.safe_dump(value, sort_keys=False, default_flow_style=draw.choice([None, True, False]))
    except yaml.YAMLError:
        return json.dumps(value)


def _parsed(text: str) -> Any:
    """The plain values of a text that is as it should be, else None. Not the product's own reader."""
    if len(text) > 20_000 or text.count("[") + text.count("{") > 300:
        return None
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # which makes nothing but texts
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _another_scalar(text: str, draw: random.Random) -> str:
    """What is behind one colon, or is one item of a list, is something odd; or a whole line's value is."""
    places = [n for n, sign in enumerate(text) if sign in ":[,"]
    if not places:
        return text + draw.choice(ODD_SCALARS)
    at = draw.choice(places) + 1
    until = at + 1
    while until < len(text) and text[until] not in ",]}\n":
        until += 1
    return f"{text[:at]} {draw.choice(ODD_SCALARS)}{text[until:]}"


def _line_twice(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    at, to = draw.randrange(len(lines)), draw.randint(0, len(lines))
    return "".join([*lines[:to], lines[at] if draw.random() < 0.7 else lines[at].lstrip(), *lines[to:]])


def _line_moved(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    line = lines.pop(draw.randrange(len(lines)))
    lines.insert(draw.randint(0, len(lines)), draw.choice(["", " ", "  ", "\t"]) + line)
    return "".join(lines)


def _sign(text: str, draw: random.Random) -> str:
    signs = "\t\n\r \x00\x1b\x85\u2028\ufeff:#-,[]{}&*!|>'\"%@`?~\\="
    at = draw.randint(0, len(text))
    return text[:at] + draw.choice(signs) * draw.choice([1, 1, 1, 2, 30]) + text[at + draw.randint(0, 2) :]


def _grown(text: str, draw: random.Random) -> str:
    """Something that has no end, or nearly: in a place of its own, or instead of a value."""
    kind = draw.randrange(5)
    if kind == 0:
        value = f"[{', '.join(BOMB[: draw.randint(2, len(BOMB))])}]"
    elif kind == 1:
        value = mutating.deep(draw, draw.choice([50, 99, 101, 3_000, 50_000]))
    elif kind == 2:
        return text + "".join(f"{' ' * n}a{n}:\n" for n in range(draw.choice([90, 500])))
    elif kind == 3:
        value = f"[&long {'x' * 60_000}, {', '.join(['*long'] * draw.choice([10, 3_000]))}]"
    else:
        value = draw.choice(["x", "日本 ", "'", "- "]) * draw.choice([10_000, 300_000])
    if draw.random() < 0.3:
        return f"{text}more: {value}\n"
    places = [n for n, sign in enumerate(text) if sign == ":"] or [0]
    at = draw.choice(places) + 1
    return f"{text[:at]} {value}{text[text.find(chr(10), at) if chr(10) in text[at:] else len(text) :]}"


def _second(text: str, draw: random.Random) -> str:
    return draw.choice(
        [f"{text}---\n{text}", f"---\n{text}...\n", f"%YAML 1.1\n---\n{text}", f"{text}...\nmore", text * 2]
    )


_ACCIDENTS = (
    _another_value, _another_value, _another_value, _another_scalar, _another_scalar, _another_scalar, _line_twice,
    _line_moved, _sign, _grown, _second,
)  # fmt: skip
