"""What costs is asked for once a period at most: in between the last answer stands, for everybody who asks."""

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
"""So many answers are kept before any is forgotten."""

FORGOTTEN_S = 3600.0

Key = TypeVar("Key", bound=Hashable)
Reading = TypeVar("Reading")


def at_once(_fault: AutoscalerError) -> float:
    """After any error the next who asks tries again."""
    return 0.0


@dataclass(frozen=True, slots=True)
class CachedReading(Generic[Reading]):
    """A reading, and until when it stands for a question."""

    reading: Reading
    until: Instant


class TtlCache(Generic[Key, Reading]):
    """Answers by key, each standing for `period_s`. An error stands for as many seconds as `again_after` gives."""

    def __init__(
        self,
        now: Callable[[], Instant],
        period_s: float,
        again_after: Callable[[AutoscalerError], float] = at_once,
    ) -> None:
        self._now = now
        self._period_s = period_s
        self._again_after = again_after
        self._kept: dict[Key, CachedReading[Reading | Missing]] = {}
        self._sweep_at = SWEEP_AT
        self._turns: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def reading(self, key: Key, ask: Callable[[], Awaitable[Reading]]) -> Reading | Missing:
        """The answer that still stands, else what `ask` gives now; `Missing` where it raises `AutoscalerError`.

        Who asks while another's question is under way waits for that answer.
        """
        async with self._turns[key]:
            now, kept = self._now(), self._kept.get(key)
            if kept is None or now >= kept.until:
                kept = await self._anew(kept, now, ask)
                self._kept[key] = kept
                self._sweep(now)
            return kept.reading

    def _sweep(self, now: Instant) -> None:
        """What nobody has asked for in a while is forgotten once there is much of it: services come and go."""
        if len(self._kept) <= self._sweep_at:
            return
        gone = [key for key, kept in self._kept.items() if now - kept.until > FORGOTTEN_S]
        for key in gone:
            del self._kept[key]
            if not self._turns[key].locked():
                del self._turns[key]
        self._sweep_at = max(SWEEP_AT, 2 * len(self._kept))

    async def _anew(
        self, kept: CachedReading[Reading | Missing] | None, now: Instant, ask: Callable[[], Awaitable[Reading]]
    ) -> CachedReading[Reading | Missing]:
        try:
            return CachedReading(await ask(), self._next_due(kept, now))
        except AutoscalerError as fault:
            return CachedReading(missing(fault), now + self._again_after(fault))

    def _next_due(self, kept: CachedReading[Reading | Missing] | None, now: Instant) -> Instant:
        """A period after the last time it was due, not after it was asked: else ticks that jitter make 70 s of 60."""
        due = now if kept is None else kept.until
        return (due if now - due < self._period_s else now) + self._period_s
