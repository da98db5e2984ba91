"""Where a run starts from: from nothing, or from what is recorded of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from traces.committed import Committed
from traces.kernel import Record
from traces.past import Amendment, Past
from traces.recorder import Recorder, Writer
from traces.rerecorder import Rerecorder


@dataclass(frozen=True)
class Start:
    """`expected` must happen first, served from the record; what is `written` of it stands in the journal already.
    `changed` is the number of an event that was put in place of what happened. `sealed`: nothing comes after it.
    `made`: effects of an attempt that broke off, recorded after that: none is made a second time."""

    expected: Sequence[Record] = ()
    written: Committed | None = None
    changed: int = -1
    sealed: bool = False
    amendment: Amendment | None = None
    made: Sequence[Record] = ()

    @classmethod
    def at_the_end_of(cls, run: Committed) -> Start:
        return cls(run.records, run)

    @property
    def seconds(self) -> float:
        """How far the run's clock had come."""
        return self.expected[-1].t if self.expected else 0.0

    def past(self, *, virtual: bool) -> Past | None:
        if not self.expected:
            return None
        return Past(
            self.expected,
            virtual=virtual,
            changed=self.changed,
            sealed=self.sealed,
            amendment=self.amendment,
            made=self.made,
        )

    def recorder(self, run: int, journal: Writer | None, *, virtual: bool) -> Recorder:
        if not self.expected:
            return Recorder(run, journal)
        return Rerecorder(run, self.expected, exact=virtual, journal=journal, written=self.written, sealed=self.sealed)
