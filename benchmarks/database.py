"""Two threads on one database: pairs of queries at once in real time, one of them an attack.

python -m benchmarks.database [PAIRS]          (20,000)

Counts the pairs that ended, and those after which the database was not as before. A pair that does not end within the
limit is a freeze: the process is ended with the stacks of its threads.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import sqlite3
import sys
import threading
import time

from tools.sql import query_database
from tools.tool import ToolError, World

LIMIT_S = 600.0
READING = (
    "SELECT count(*) FROM invoices",
    "SELECT * FROM invoices WHERE net > 10 ORDER BY net DESC",
    "SELECT nothing FROM invoices",
)
ATTACKS = (
    "DELETE FROM invoices",
    "UPDATE invoices SET net = 0",
    "INSERT INTO invoices VALUES ('x', 1)",
    "WITH x AS (SELECT 1) DELETE FROM invoices RETURNING *",
    "SELECT 1; DELETE FROM invoices",
    "PRAGMA writable_schema = ON",
    "VACUUM INTO '/tmp/never'",
)


def pairs(count: int, *, limit_s: float = LIMIT_S) -> tuple[int, int]:
    """(pairs that ended, pairs after which the database had changed). Two threads, which start each pair together."""
    db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    db.execute("CREATE TABLE invoices (id TEXT, net REAL)")
    db.executemany("INSERT INTO invoices VALUES (?, ?)", [(f"INV-{n}", n) for n in range(100)])
    world = World(db)
    before, changed, ended = db.serialize(), [0], [0]

    def look() -> None:
        ended[0] += 1
        changed[0] += db.serialize() != before

    together = threading.Barrier(2, action=look)
    faulthandler.dump_traceback_later(limit_s, exit=True)
    try:
        threads = [
            threading.Thread(target=_ask, args=(world, queries, count, together)) for queries in (READING, ATTACKS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        faulthandler.cancel_dump_traceback_later()
    world.close()
    return ended[0], changed[0]


def _ask(world: World, queries: tuple[str, ...], count: int, together: threading.Barrier) -> None:
    for query in itertools.islice(itertools.cycle(queries), count):
        with contextlib.suppress(ToolError):
            query_database(world, query)
        together.wait()


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    started = time.perf_counter()
    done, wrong = pairs(wanted)
    print(f"{done:,} of {wanted:,} pairs ended, {wrong:,} changed the database ({time.perf_counter() - started:.1f} s)")
