"""Batch calls about one item into calls about several: callers within a few milliseconds share a response.

Invariant: an error of one member affects no other member. If a batch is refused, or its response cannot be read, its
members are requested one by one. A member that fails alone is requested alone until it succeeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from autoscaler.aws.in_flight import BATCH_WINDOW_S, InFlight
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
