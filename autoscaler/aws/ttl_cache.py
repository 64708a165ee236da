"""A cache for expensive readings: each one is read at most once per period, for all callers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from autoscaler.aws.faults import missing
from autoscaler.core.model import Instant, Missing
from autoscaler.errors import AutoscalerError

SWEEP_AT = 1000
"""The number of cached readings before old ones are removed."""

REMOVED_AFTER_S = 3600.0

Key = TypeVar("Key", bound=Hashable)
Reading = TypeVar("Reading")


def at_once(_fault: AutoscalerError) -> float:
    """Return 0: an error is not cached, and the next caller reads again."""
    return 0.0


@dataclass(frozen=True, slots=True)
class CachedReading(Generic[Reading]):
    """A cached reading, and until when it is valid."""

    reading: Reading
    until: Instant


class TtlCache(Generic[Key, Reading]):
    """Readings by key, each valid for `period_s`. An error is valid for the number of seconds that `retry_after`
    returns.
    """

    def __init__(
        self,
        now: Callable[[], Instant],
        period_s: float,
        retry_after: Callable[[AutoscalerError], float] = at_once,
    ) -> None:
        self._now = now
        self._period_s = period_s
        self._retry_after = retry_after
        self._cached: dict[Key, CachedReading[Reading | Missing]] = {}
        self._sweep_at = SWEEP_AT
        self._locks: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def reading(self, key: Key, ask: Callable[[], Awaitable[Reading]]) -> Reading | Missing:
        """Return the valid cached reading, otherwise the result of `ask`; `Missing` if it raises `AutoscalerError`.

        Concurrent callers for the same key wait for one call.
        """
        async with self._locks[key]:
            now, cached = self._now(), self._cached.get(key)
            if cached is None or now >= cached.until:
                cached = await self._refreshed(cached, now, ask)
                self._cached[key] = cached
                self._sweep(now)
            return cached.reading

    def _sweep(self, now: Instant) -> None:
        """Remove readings that have been unused for a long time once there are many: services come and go."""
        if len(self._cached) <= self._sweep_at:
            return
        gone = [key for key, cached in self._cached.items() if now - cached.until > REMOVED_AFTER_S]
        for key in gone:
            del self._cached[key]
            if not self._locks[key].locked():
                del self._locks[key]
        self._sweep_at = max(SWEEP_AT, 2 * len(self._cached))

    async def _refreshed(
        self, cached: CachedReading[Reading | Missing] | None, now: Instant, ask: Callable[[], Awaitable[Reading]]
    ) -> CachedReading[Reading | Missing]:
        try:
            return CachedReading(await ask(), self._next_due(cached, now))
        except AutoscalerError as fault:
            return CachedReading(missing(fault), now + self._retry_after(fault))

    def _next_due(self, cached: CachedReading[Reading | Missing] | None, now: Instant) -> Instant:
        """A period after the last due time, not after the last read: otherwise jitter of the polls would turn 60 s into
        70 s.
        """
        due = now if cached is None else cached.until
        return (due if now - due < self._period_s else now) + self._period_s
