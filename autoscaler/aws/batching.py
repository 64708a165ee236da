"""Questions about one thing, gathered into one about several: who asks within a few milliseconds shares an answer.

Law: one member's error is nobody else's. Where a whole question is refused, or its answer cannot be read, its members
are asked about one by one, and who fails alone is asked about alone from then on, until that goes well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from autoscaler.aws.in_flight import GATHER_S, InFlight
from autoscaler.errors import AutoscalerError, ClockSkewed, Garbled, NoCredentials, NotFound, Throttled, Unavailable

EVERYBODYS = (Throttled, Unavailable, NoCredentials, ClockSkewed, NotFound)
"""Errors that a question meets whatever it is about. A member that is not there is told of in the answer; where the
question itself finds nothing, it is the cluster that all its members name."""

Group = TypeVar("Group", bound=Hashable)
Member = TypeVar("Member", bound=Hashable)
Got = TypeVar("Got")

Asked: TypeAlias = Mapping[Member, Got | AutoscalerError]


class Batcher(Generic[Group, Member, Got]):
    """`ask` asks about at most `most` members of a group, and answers for each; it may raise `AutoscalerError`."""

    def __init__(self, ask: Callable[[Group, Sequence[Member]], Awaitable[Asked[Member, Got]]], most: int) -> None:
        self._ask = ask
        self._most = most
        self._open: dict[Group, dict[Member, asyncio.Future[Got]]] = {}
        self._alone: set[tuple[Group, Member]] = set()
        self._under_way = InFlight[None]()

    async def of(self, group: Group, member: Member) -> Got:
        """The member's answer. Raises `AutoscalerError`. Who gives up waiting does not end a question of others."""
        if (group, member) in self._alone:
            return await self._by_itself(group, member)
        waiting = self._open.get(group)
        if waiting is None or (len(waiting) >= self._most and member not in waiting):
            waiting = self._open[group] = {}
            self._under_way.begin(self._gather(group, waiting))
        if member not in waiting:
            waiting[member] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(waiting[member])

    async def close(self) -> None:
        """No question is under way any more."""
        await self._under_way.close()

    async def _gather(self, group: Group, waiting: dict[Member, asyncio.Future[Got]]) -> None:
        """Every future of `waiting` is done, whatever happens: our own bug is theirs, too."""
        try:
            await asyncio.sleep(GATHER_S)
            if self._open.get(group) is waiting:
                del self._open[group]
            for member, got in (await self._answers(group, list(waiting))).items():
                _tell(waiting[member], got)
        except Exception as bug:  # noqa: BLE001 - it ends whoever waits, and with him the daemon
            for future in waiting.values():
                _tell(future, bug)
        finally:
            for future in waiting.values():
                future.cancel()

    async def _answers(self, group: Group, members: Sequence[Member]) -> Asked[Member, Got]:
        try:
            return await self._ask(group, members)
        except AutoscalerError as fault:
            if isinstance(fault, EVERYBODYS) and not isinstance(fault, Garbled):
                return dict.fromkeys(members, fault)
            if len(members) == 1:
                self._alone.add((group, members[0]))
                return {members[0]: fault}
        return {member: (await self._answers(group, [member]))[member] for member in members}

    async def _by_itself(self, group: Group, member: Member) -> Got:
        got = (await self._ask(group, [member]))[member]
        if isinstance(got, AutoscalerError):
            raise got
        self._alone.discard((group, member))
        return got


def _tell(future: asyncio.Future[Got], got: Got | Exception) -> None:
    if future.done():
        return
    if isinstance(got, Exception):
        future.set_exception(got)
        future.exception()  # it is nobody's fault if nobody waits any more
    else:
        future.set_result(got)
