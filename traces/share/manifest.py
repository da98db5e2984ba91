"""What a shared file is: its members, their checksums, what was taken out, and where it comes from.

manifest.json    this (see `Manifest`)
plan.json        the experiment's plan, without paths and addresses of the machine that it was made on
events.parquet   every event that counts, by run and number: run, seq, t, wall, type, event (JSON)
past.parquet     (forks) what the runs share with their parent, in the same columns
teams/*.yaml     the files of its teams

Members are stored, not compressed (Parquet is compressed inside), so that a file cannot be larger than it looks.
"""

from __future__ import annotations

import hashlib
import re

import msgspec
from msgspec import Struct

from traces.errors import InputError

FORMAT = "headcount-share"
VERSION = 1
MANIFEST, PLAN, EVENTS, PAST = "manifest.json", "plan.json", "events.parquet", "past.parquet"
COLUMNS = ("run", "seq", "t", "wall", "type", "event")
_SIGN = r"[^/\\:*?\"<>|\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]"  # of a file's name on any system
MEMBER = re.compile(rf"plan\.json|events\.parquet|past\.parquet|teams/(?![. ]){_SIGN}{{1,100}}\.ya?ml")
LARGEST = {MANIFEST: 4 << 20, PLAN: 16 << 20}
TEAM_FILE = 1 << 20


class Member(Struct, frozen=True):
    """One member: its bytes, their SHA-256 in hex and, of a table, its rows and the bytes of their JSON."""

    bytes: int
    sha256: str
    rows: int = 0
    text: int = 0


class Manifest(Struct, frozen=True):
    """`made` and `created` (of the experiment) are Unix time. `state`, `done`, `total` and `message` are the
    experiment's as it was exported. `secrets` and `personal` count the places where something was taken out."""

    format: str
    version: int
    experiment: str
    created: float
    made: float
    made_with: str
    scenario: str
    scenario_digest: str
    state: str
    done: int
    total: int
    message: str
    runs: int
    secrets: int
    personal: int
    members: dict[str, Member]

    @property
    def content(self) -> str:
        """Names what is in the file, whenever and wherever it was written."""
        named = sorted((name, member.sha256) for name, member in self.members.items())
        return hashlib.sha256(msgspec.json.encode([self.experiment, named])).hexdigest()


class Damaged(InputError):
    """A file that cannot be opened: what is wrong with it, in words."""
