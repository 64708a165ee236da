"""The event loop of a simulated process: virtual time, no threads, and a hook after each turn of the loop.

Work for an executor runs at once, in the loop's own thread: in virtual time, nothing can happen meanwhile. So a run has
no thread, no socket and no clock of the machine, and the same input gives the same run, bit for bit.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

STARTED_S = 1_800_000_000.0
"""The loop's time at the start: the true wall time in seconds since the epoch, a whole minute."""


RESOLUTION_S = 1e-6
"""A timer that is due within this time is due now: at 1.8e9 s, adding less than 2e-7 s changes nothing."""


class _Idle(selectors.BaseSelector):
    """A selector without files, which advances the virtual time instead of waiting."""

    def __init__(self) -> None:
        self.now = STARTED_S
        self.turns = 0
        self.after_turn: Callable[[int], None] | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_map(self) -> Any:
        return {}

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        if self.after_turn is not None:
            self.after_turn(self.turns)
        if timeout is None:
            raise RuntimeError("deadlock: every task waits without a timeout")
        if timeout > 0:
            self.now += timeout
        return []


class TimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. `jump` freezes the process; `after_turn` is called with the number of each turn.

    A turn ends when every task of the process waits, so each await at which a task can be interrupted ends a turn.
    """

    def __init__(self, at: float = STARTED_S) -> None:
        self._idle = _Idle()
        self._idle.now = at
        super().__init__(self._idle)
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        return self._idle.now

    @property
    def turns(self) -> int:
        return self._idle.turns

    def jump(self, seconds: float) -> None:
        """Let time pass while nothing runs, as during SIGSTOP or a live migration of the machine."""
        self._idle.now += seconds

    def watch_turns(self, after_turn: Callable[[int], None] | None) -> None:
        self._idle.after_turn = after_turn

    def run_in_executor(  # type: ignore[override] # its stubs have type variables
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run the work now, and return its result as a finished future."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            future.set_exception(error)
        return future
