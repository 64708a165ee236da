"""An event loop in virtual time: waiting costs nothing, and every run is the same to the last bit."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Skipping(selectors.SelectSelector):
    """A selector whose wait moves the clock instead of passing the time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits, and nothing will ever wake one")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time()` starts at 1,000 s and moves only while everybody waits."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        self._skipping.now = 1000.0
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def run_virtually(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns, run to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
