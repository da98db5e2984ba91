"""Which faults would the tests not notice? `python -m tests.mutants` puts one small fault after the other into the
modules that everything rests on, runs the tests that reach it, and lists the faults that none of them saw.

`tests/mutants.toml` says which tests watch over which module, and which surviving mutants are equivalent, with the
reason.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import tomllib

from tests.mutant_forks import ROOT, Watch, measure, survivors
from tests.mutating import mutants

SETTINGS = ROOT / "tests" / "mutants.toml"
ENOUGH = 0.90  # of the mutants that are not equivalent
PRELOADED = ("pytest", "hypothesis", "numpy", "scipy.special", "msgspec", "pydantic", "jsonschema", "coverage", "httpx",
             "starlette", "networkx", "yaml", "typer", "rich")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="paths, such as tools/rules.py; all of mutants.toml without any")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=1, help="only every N-th mutant: a quick look")
    asked = parser.parse_args()
    settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    for name in PRELOADED:
        importlib.import_module(name)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    unknown = set(asked.modules) - settings["modules"].keys()
    if unknown:
        sys.exit(f"{SETTINGS.name} has no tests for {', '.join(sorted(unknown))}")
    done = [
        _report(Watch(path, files), settings.get("equivalent", []), asked.jobs, asked.every)
        for path, files in settings["modules"].items()
        if not asked.modules or path in asked.modules
    ]
    sys.exit(0 if all(done) else 1)


def _report(watch: Watch, equivalent: list[dict[str, str]], jobs: int, every: int) -> bool:
    known = {(e["before"], e["after"]): e["why"] for e in equivalent if e["path"] == watch.path}
    started = time.monotonic()
    measure(watch)
    made = list(mutants(watch.path, ROOT))[::every]
    survived = survivors(made, watch, jobs)
    listed = [m for m in survived if (m.before, m.after) in known]
    share = (len(made) - len(survived)) / max(1, len(made) - len(listed))
    print(
        f"{watch.path}: {len(made)} mutants, {len(made) - len(survived)} killed, {len(listed)} equivalent: "
        f"{share:.1%} of the others, in {time.monotonic() - started:.0f} s",
        flush=True,
    )
    for mutant in survived:
        if mutant not in listed:
            print(f"  {watch.path}:{mutant.lines[0]} {mutant.operator}\n    - {mutant.before}\n    + {mutant.after}")
    return share >= ENOUGH


if __name__ == "__main__":
    main()
