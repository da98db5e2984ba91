"""Bringing in traces of other frameworks, as an experiment whose runs can be viewed and compared."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from experiments.exchange.sharing import already_here
from experiments.plan import Plan
from traces import home, paths
from traces.errors import InputError
from traces.home import ExperimentFolder, Status
from traces.journal import Journal
from traces.otlp import reading
from traces.otlp.runs import Foreign, runs
from traces.otlp.span import Span
from traces.recorder import readable


class Brought(Struct, frozen=True):
    """What came in as experiment `id`. `skipped` counts traces that say nothing of models, tools or agents. Of `calls`,
    `unpriced`, `uncounted` and `silent` count those without a price, without tokens, without prompt or reply; of
    `runs`, `ungraded` those of which nothing says whether they succeeded."""

    id: str
    runs: int
    teams: dict[str, int]
    skipped: int = 0
    calls: int = 0
    unpriced: int = 0
    uncounted: int = 0
    silent: int = 0
    ungraded: int = 0
    already: bool = False


def untold(brought: Brought) -> list[str]:
    """What the traces do not say, in words."""
    b = brought
    of_calls = ((b.uncounted, "tokens"), (b.unpriced, "the price"), (b.silent, "the prompt or the reply"))
    found = [f"{what} of {number:,} of {b.calls:,} model calls" for number, what in of_calls if number]
    if b.ungraded:
        found.insert(0, f"whether {b.ungraded:,} of {b.runs:,} runs succeeded")
    return found


def is_foreign(place: Path) -> bool:
    """Whether this is no file of `headcount export`: a folder, or a file that is no zip."""
    if paths.is_dir(place) or not paths.is_file(place):
        return place.suffix != ".zip"
    with place.open("rb") as file:
        return file.read(2) != b"PK" and place.suffix != ".zip"


def bring_in(place: Path, name: str = "", content: bytes | None = None) -> Brought:
    """Add the traces in a file or folder as one experiment. The same request is the same case, and the workflow's or
    service's name is the team's. `content`: of a file that was uploaded as `name`. Raises InputError for what is no
    OTLP or holds no trace of an agent."""
    spans: list[Span] = []
    hashed = hashlib.sha256()
    for path in reading.files(place):
        found = reading.read(Path(name) if name else path, content)
        spans += found
        hashed.update(msgspec.json.encode(sorted((s.trace_id, s.span_id, s.end) for s in found)))
    known = already_here(hashed.hexdigest())
    if known is not None:
        return Brought(known.id, 0, {}, already=True)
    title = Path(name).stem if name else place.resolve().stem
    traces = runs(spans, f"otlp {title}")
    if not traces:
        raise InputError(f"{name or place}: no span in it says anything of a model, a tool or an agent")
    folder = _written(traces, hashed.hexdigest(), f"otlp {title}")
    skipped = len({span.trace_id for span in spans}) - len(traces)
    return Brought(
        folder.id,
        len(traces),
        dict(Counter(trace.run.team for trace in traces)),
        skipped,
        calls=sum(trace.calls for trace in traces),
        unpriced=sum(trace.unpriced for trace in traces),
        uncounted=sum(trace.uncounted for trace in traces),
        silent=sum(trace.silent for trace in traces),
        ungraded=sum(not trace.graded for trace in traces),
    )


def _written(traces: Sequence[Foreign], content: str, scenario: str) -> ExperimentFolder:
    base = home.home()
    (base / "experiments").mkdir(parents=True, exist_ok=True)
    scratch = ExperimentFolder(Path(tempfile.mkdtemp(prefix=".import-", dir=base)))
    try:
        with Journal(scratch.journal_file()) as journal:
            trials: Counter[tuple[str, str, str]] = Counter()
            for number, trace in enumerate(traces):
                key = (trace.run.team, trace.run.engine, trace.run.case)
                for record in trace.records(number, trials[key]):
                    journal.write([readable(record)[:-1]])
                trials[key] += 1
        folder = home.experiment_folder(home.new_id())
        scratch.write_plan(_plan(traces, folder.id, content, scenario))
        now = time.time()
        scratch.write_status(Status(0, 0.0, "finished", len(traces), len(traces), now))
        scratch.path.rename(folder.path)
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)
    return folder


def _plan(traces: Sequence[Foreign], experiment: str, content: str, scenario: str) -> dict[str, Any]:
    def each(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(getattr(trace.run, name) for trace in traces))

    trials = max(Counter((t.run.team, t.run.engine, t.run.case) for t in traces).values())
    plan = Plan(scenario, each("team"), each("engine"), ", ".join(each("model")), cases=each("case"), trials=trials)
    return {
        "id": experiment,
        "created": traces[0].started / 1e9,
        "command": "",
        "scenario": scenario,
        "simulated": all(trace.run.simulated for trace in traces),
        "total": len(traces),
        "plan": msgspec.to_builtins(plan),
        "imported": {"content": content, "scenario_digest": "", "at": time.time(), "kind": "otlp"},
    }
