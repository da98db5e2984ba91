"""Experiments as OpenTelemetry traces: to a collector, or into a file."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments import personal
from experiments.exchange.sharing import settled
from traces import journal
from traces.committed import committed
from traces.home import ExperimentFolder, writing
from traces.kernel import Record
from traces.otlp import protobuf, sending
from traces.otlp.sending import Sent
from traces.otlp.span import Span
from traces.otlp.spans import spans_of
from traces.withheld import Withheld


def send(experiment: str, endpoint: str, *, content: bool = False, hide: Sequence[str] = ()) -> Sent:
    """Send an experiment's runs to the collector at `endpoint`, without secrets and marked personal data, and without
    what was said unless `content`. Raises InputError where it still runs, NotSent where the collector takes nothing."""
    sending.address(endpoint)
    return sending.send(protobuf.requests(_spans(settled(experiment), content, hide), _version()), endpoint)


def write(experiment: str, target: Path, *, content: bool = False, hide: Sequence[str] = ()) -> int:
    """The same into a file of OTLP's JSON, a request a line; gives the number of spans."""
    folder, total = settled(experiment), 0
    with writing(target), target.open("w", encoding="utf-8") as file:
        for request, spans in protobuf.requests(_spans(folder, content, hide), _version()):
            file.write(protobuf.as_json(request) + "\n")
            total += spans
    return total


def _spans(folder: ExperimentFolder, content: bool, hide: Sequence[str]) -> Iterator[Span]:
    out = personal.withheld(folder, hide)
    for run in committed(folder.journals()):
        records = [_record(line, out) for line in run.read()]
        yield from spans_of(folder.id, records, content=content)


def _record(line: bytes, out: Withheld) -> Record:
    place, end = line.index(b',"event":') + 9, line.rindex(b',"crc":"')
    return journal.decode(line[:place] + out.event(line[place:end]) + b"}")


def _version() -> str:
    return importlib.metadata.version("headcount")
