"""AWS, behind our ports: the only floor that imports an SDK.

    async with connect(pacer, calls, loop.time, time.time) as aws:
        backlog = await aws.queues.backlog(QueueRef("orders"))

Credentials, Region and endpoint are found as every AWS tool finds them; nothing is opened before it is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.cloudwatch import CloudWatchMeters
from autoscaler.aws.directory import EcsDirectory
from autoscaler.aws.ecs import SERVICES_A_CALL, EcsFleets
from autoscaler.aws.history import CloudWatchHistory
from autoscaler.aws.minutebook import MinuteBook
from autoscaler.aws.sqs import SqsQueues
from autoscaler.ports import Calls, Directory, Fleets, History, Meters, Queues, RateLimiter

__all__ = ["SERVICES_A_CALL", "Aws", "connect"]


@dataclass(frozen=True, slots=True)
class Aws:
    """The five ports. `region()` is the Region of all that names none; it raises `Refused` where there is none."""

    queues: Queues
    meters: Meters
    fleets: Fleets
    history: History
    directory: Directory
    region: Callable[[], str]


@asynccontextmanager
async def connect(
    limiter: RateLimiter,
    calls: Calls,
    clock: Callable[[], float],
    wall: Callable[[], float],
    call_timeout_s: float = 5.0,
    *,
    lean: bool = True,
    once: bool = False,
) -> AsyncIterator[Aws]:
    """The ports, until the block ends: then every connection is closed.

    `clock` is the clock of all instants, `wall` gives seconds since the epoch. No call takes longer than
    `call_timeout_s`. `lean` False: the SDK makes every call, also those for which there is a shorter way. `once`:
    a command asks, so that no error promises a next tick.
    """
    clocks = Clocks(clock, wall)
    async with AsyncExitStack() as stack:
        caller = Caller(stack, limiter, calls, clocks, call_timeout_s, lean=lean, once=once)
        book = MinuteBook(caller, clocks)
        fleets = EcsFleets(caller, clocks)
        stack.push_async_callback(book.close)
        stack.push_async_callback(fleets.close)
        yield Aws(
            SqsQueues(caller, clocks),
            CloudWatchMeters(book, clocks),
            fleets,
            CloudWatchHistory(caller),
            EcsDirectory(caller),
            caller.region,
        )
