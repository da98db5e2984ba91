"""Workers that die while an experiment runs."""

from __future__ import annotations

import contextlib

import psutil

from experiments.running.conduct import Progress


class Killing:
    """Kills a worker of this process, so many times, as soon as some runs are done: to be given to `conduct`."""

    def __init__(self, some: int, mark: str, times: int = 1) -> None:
        self.some, self.mark, self.left = some, mark, times

    def __call__(self, progress: Progress) -> None:
        if not self.left or progress.done < self.some:
            return
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if self.mark in " ".join(process.cmdline()):
                    process.kill()
                    self.left -= 1
                    return
