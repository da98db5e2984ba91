"""Workers that are processes on this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from multiprocessing import connection
from pathlib import Path
from typing import IO

import msgspec

from experiments.running.stopping import write_begun
from experiments.running.totals import FilePurse, Used
from experiments.running.worker import SAID, Done
from experiments.running.workers import Worker, WorkerKilled, WorkerLost
from headcount import place
from traces.home import ExperimentFolder


class Processes:
    """`python -m experiments.running.worker` for each share; a local model is served by this process for them all."""

    def __init__(self, folder: ExperimentFolder, of: int, environment: dict[str, str]) -> None:
        self._folder, self._of = folder, of
        self._environment = {**os.environ, **environment}
        self._begun = 0

    def start(self, share: int) -> Worker:
        command = place.command("experiments.running.worker", self._folder.id, str(share), str(self._of))
        with self._folder.log_file.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self._environment
            )
        return _Process(share, process, self._folder.log_file)

    def begin(self, cases: int) -> None:
        if cases != self._begun:
            write_begun(self._folder, cases)
            self._begun = cases

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        connection.wait([worker.pipe.fileno() for worker in workers if isinstance(worker, _Process)], seconds)

    def used(self) -> Used:
        return FilePurse(self._folder.path, 0).used()

    def close(self) -> None:
        pass


class _Process:
    def __init__(self, share: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.share, self.over = share, False
        self._process, self._log = process, log
        self._buffer = b""
        self._said: list[str] = []
        assert process.stdout is not None
        self.pipe: IO[bytes] = process.stdout
        os.set_blocking(self.pipe.fileno(), False)

    def news(self) -> list[Done]:
        ended = False
        try:
            while data := os.read(self.pipe.fileno(), 1 << 16):
                self._buffer += data
            ended = True
        except BlockingIOError:
            pass
        *lines, self._buffer = self._buffer.split(b"\n")
        self._said += [line[len(SAID) :].decode() for line in lines if line.startswith(SAID)]
        found = [msgspec.json.decode(line, type=Done) for line in lines if not line.startswith(SAID)]
        if ended and not found:
            self._ended()
        return found

    def _ended(self) -> None:
        code = self._process.wait()
        self.over = code == 0
        if code:
            last = self._said[-1:] or self._logged()
            how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
            kind = WorkerKilled if code < 0 else WorkerLost
            raise kind(f"a worker {how}: {last[0]} (all of it: {self._log})")

    def _logged(self) -> list[str]:
        with contextlib.suppress(OSError):
            return self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
        return ["no message"]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()

    def end(self) -> None:
        self.stop()
        if self._process.poll() is None:
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.pipe.close()
