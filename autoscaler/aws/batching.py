"""Batch calls about one item into calls about several: callers within a few milliseconds share a response.

Invariant: an error of one member affects no other member. If a batch is refused, or its response cannot be read, its
members are requested one by one. A member that fails alone is requested alone until it succeeds.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from autoscaler.aws.faults import missing
from autoscaler.core.model import Instant, Missing
from autoscaler.errors import AutoscalerError, ClockSkewed, Garbled, NoCredentials, NotFound, Throttled, Unavailable

SHARED_ERRORS = (Throttled, Unavailable, NoCredentials, ClockSkewed, NotFound)
"""Errors that do not depend on the member. A missing member is reported in the response; if the call itself returns
NotFound, the cluster of all members is missing.
"""

Group = TypeVar("Group", bound=Hashable)
Member = TypeVar("Member", bound=Hashable)
Got = TypeVar("Got")

BatchAnswers: TypeAlias = Mapping[Member, Got | AutoscalerError]


class Batcher(Generic[Group, Member, Got]):
    """Collects the members of a group into batches. `ask` requests at most `most` members and returns a result for
    each; it may raise `AutoscalerError`.
    """

    def __init__(
        self, ask: Callable[[Group, Sequence[Member]], Awaitable[BatchAnswers[Member, Got]]], most: int
    ) -> None:
        self._ask = ask
        self._most = most
        self._open: dict[Group, dict[Member, asyncio.Future[Got]]] = {}
        self._alone: set[tuple[Group, Member]] = set()
        self._in_flight = InFlight[None]()

    async def of(self, group: Group, member: Member) -> Got:
        """Return the member's result. Raises `AutoscalerError`. If a caller is cancelled, the call continues for the
        others.
        """
        if (group, member) in self._alone:
            return await self._request_alone(group, member)
        waiting = self._open.get(group)
        if waiting is None or (len(waiting) >= self._most and member not in waiting):
            waiting = self._open[group] = {}
            self._in_flight.begin(self._run_batch(group, waiting))
        if member not in waiting:
            waiting[member] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(waiting[member])

    async def close(self) -> None:
        """Cancel all calls in flight."""
        await self._in_flight.close()

    async def _run_batch(self, group: Group, waiting: dict[Member, asyncio.Future[Got]]) -> None:
        """Every future of `waiting` is done afterwards, also after a bug in this process."""
        try:
            await asyncio.sleep(BATCH_WINDOW_S)
            if self._open.get(group) is waiting:
                del self._open[group]
            for member, got in (await self._results(group, list(waiting))).items():
                _resolve(waiting[member], got)
        except Exception as bug:  # noqa: BLE001 - it ends all waiting callers, and with them the daemon
            for future in waiting.values():
                _resolve(future, bug)
        finally:
            for future in waiting.values():
                future.cancel()

    async def _results(self, group: Group, members: Sequence[Member]) -> BatchAnswers[Member, Got]:
        try:
            return await self._ask(group, members)
        except AutoscalerError as fault:
            if isinstance(fault, SHARED_ERRORS) and not isinstance(fault, Garbled):
                return dict.fromkeys(members, fault)
            if len(members) == 1:
                self._alone.add((group, members[0]))
                return {members[0]: fault}
        return {member: (await self._results(group, [member]))[member] for member in members}

    async def _request_alone(self, group: Group, member: Member) -> Got:
        got = (await self._ask(group, [member]))[member]
        if isinstance(got, AutoscalerError):
            raise got
        self._alone.discard((group, member))
        return got


def _resolve(future: asyncio.Future[Got], got: Got | Exception) -> None:
    if future.done():
        return
    if isinstance(got, Exception):
        future.set_exception(got)
        future.exception()  # marks the error as retrieved: no caller may be left
    else:
        future.set_result(got)


# Calls with several waiting callers: a cancelled caller does not end the call, only `close` does.

BATCH_WINDOW_S = 0.02
"""How long a batch waits for more callers. Services that poll together make their calls within a few milliseconds of
each other.
"""

Shared = TypeVar("Shared")


class InFlight(Generic[Shared]):
    """The calls that have started and not ended. Must be closed."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Shared]] = set()

    def begin(self, question: Coroutine[Any, Any, Shared]) -> asyncio.Task[Shared]:
        """Start the call. It runs even if no caller waits for it."""
        task = asyncio.create_task(question)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel all calls in flight."""
        for task in self._tasks:
            task.cancel()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError):
                await task


# A cache for expensive readings: each one is read at most once per period, for all callers.

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


# Split lists for calls that accept a limited number of items.

Item = TypeVar("Item")


def batches(items: Sequence[Item], most: int) -> Iterator[list[Item]]:
    """Yield the items in order, at most `most` at a time."""
    for start in range(0, len(items), most):
        yield list(items[start : start + most])
