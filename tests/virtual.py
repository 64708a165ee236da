"""An event loop in virtual time: waiting takes no real time, and every run is exactly the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Skipping(selectors.SelectSelector):
    """A selector that advances the virtual clock instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: every task waits without a timeout")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 1,000 s and advances only while all tasks wait."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        self._skipping.now = 1000.0
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def run_virtually(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run the coroutine in virtual time; return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
