"""What goes wrong inside a framework comes out as it was raised, whatever the framework makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Failure:
    """Keeps the first error that was raised within `kept()`; `again()` raises it."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self.error is None:
                self.error = error
            raise

    def again(self) -> None:
        if self.error is not None:
            raise self.error
