"""The connections to AWS and to the sources of metrics, and the ports of a loop over them.

The daemon, the commands that poll once, and `doctor` open their connections here.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from autoscaler.aws.connection import Aws, connect
from autoscaler.ports import BackgroundTasks, Calls, Journal, MetricPort, MetricRequest, Ports, RateLimiter
from autoscaler.sources import connect_metrics
from autoscaler.sources.source import Connection


@dataclass(frozen=True, slots=True)
class Connections:
    """Open connections. `clock` is the clock of all instants."""

    aws: Aws
    metrics: MetricPort[MetricRequest]
    clock: Callable[[], float]

    def ports(self, journal: Journal, background: BackgroundTasks | None = None) -> Ports:
        """Return the ports of a loop. `background` None: no history is read, and there is no look-ahead."""
        return Ports(
            queues=self.aws.queues,
            meters=self.aws.meters,
            metrics=self.metrics,
            fleets=self.aws.fleets,
            journal=journal,
            clock=self.clock,
            wall=time.time,
            history=self.aws.history,
            background=background,
            renewals=self.aws.renewals,
            starts=self.aws.starts,
            diagnoses=self.aws.diagnoses,
        )


@asynccontextmanager
async def connected(
    limiter: RateLimiter, calls: Calls, clock: Callable[[], float], timeout_s: float, *, once: bool = False
) -> AsyncIterator[Connections]:
    """Yield the connections, and close them at the end. Each is opened when it is first needed.

    No call takes longer than `timeout_s`. `once`: for a command, so that no error refers to a next poll.
    """
    async with (
        connect(limiter, calls, clock, time.time, timeout_s, once=once) as aws,
        connect_metrics(Connection(aws.meters, clock, time.time, timeout_s)) as metrics,
    ):
        yield Connections(aws, metrics, clock)
