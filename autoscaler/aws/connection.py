"""Open the AWS layer behind the ports.

    async with connect(limiter, calls, loop.time, time.time) as aws:
        backlog = await aws.queues.backlog(QueueRef("orders"))

Credentials, Region and endpoint are found as in every AWS tool. Connections are opened when they are first needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from autoscaler.aws.caller import Caller
from autoscaler.aws.clients import Clocks
from autoscaler.aws.cloudwatch import CloudWatchMeters
from autoscaler.aws.diagnoses import EcsDiagnoses
from autoscaler.aws.directory import EcsDirectory
from autoscaler.aws.ecs import EcsFleets
from autoscaler.aws.event_queue import SqsEvents
from autoscaler.aws.history import CloudWatchHistory
from autoscaler.aws.minutebook import MinuteBook
from autoscaler.aws.sqs import SqsQueues
from autoscaler.aws.started_tasks import EcsStarts
from autoscaler.ports import (
    Calls,
    DiagnosisPort,
    Directory,
    EventPort,
    FleetPort,
    HistoryPort,
    Meters,
    QueuePort,
    QueueRef,
    RateLimiter,
    StartPort,
)


@dataclass(frozen=True, slots=True)
class Aws:
    """The ports. `region()` is the Region for places that name none; it raises `Refused` if none is configured.
    `renew()` requests that all credentials are read again; `renewals()` grows with that, and when rejected ones are
    replaced. `account_of(queue)` returns the account that owns a queue, as far as it is known. `events(queue)`
    returns the port of the queue to which EventBridge sends the events of ECS.
    """

    queues: QueuePort
    meters: Meters
    fleets: FleetPort
    history: HistoryPort
    directory: Directory
    region: Callable[[], str]
    renew: Callable[[], None]
    renewals: Callable[[], int]
    account_of: Callable[[QueueRef], str | None]
    starts: StartPort
    diagnoses: DiagnosisPort
    events: Callable[[QueueRef], EventPort]


@asynccontextmanager
async def connect(
    limiter: RateLimiter,
    calls: Calls,
    clock: Callable[[], float],
    wall: Callable[[], float],
    call_timeout_s: float = 5.0,
    *,
    fast_sqs: bool = True,
    once: bool = False,
) -> AsyncIterator[Aws]:
    """Yield the ports. All connections are closed when the block ends.

    `clock` is the clock of all instants, `wall` returns seconds since the epoch. No call takes longer than
    `call_timeout_s`. `fast_sqs` False: the SDK makes every call, also those that have a faster implementation. `once`:
    for a command, so that no error refers to a next poll.
    """
    clocks = Clocks(clock, wall)
    async with AsyncExitStack() as stack:
        caller = Caller(stack, limiter, calls, clocks, call_timeout_s, fast_sqs=fast_sqs, once=once)
        book = MinuteBook(caller, clocks)
        fleets = EcsFleets(caller, clocks)
        stack.push_async_callback(book.close)
        stack.push_async_callback(fleets.close)
        queues = SqsQueues(caller, clocks)
        yield Aws(
            queues,
            CloudWatchMeters(book, clocks),
            fleets,
            CloudWatchHistory(caller),
            EcsDirectory(caller),
            caller.region,
            caller.renew,
            caller.renewals,
            queues.account_of,
            EcsStarts(caller),
            EcsDiagnoses(caller, clocks),
            partial(SqsEvents, caller, clocks, queues),
        )
