"""The real adapters (`autoscaler/aws`) against the simulated AWS, in virtual time and without sockets.

Only the HTTP client below the SDK and below the fast SQS path is replaced: a request is answered by `FakeAws` in the
same process. Signing, endpoints, protocols, parsers, batching, the minute book, timeouts and the table of errors are
the real ones. The truth is the same Region as at the ports, and the auditor receives what was in the protocol.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from unittest.mock import patch

from autoscaler.aws import clients, sqs_fast
from autoscaler.aws.connection import connect
from autoscaler.control.background import Background
from autoscaler.core.model import Measurement, Missing
from autoscaler.ports import MetricRequest, Ports, ServiceRef
from tests.fakeaws.aws import FakeAws
from tests.fakeaws.roles import ACCOUNT
from tests.fakeaws.world.queues import FakeCounts
from tests.faults.drawing import drawn
from tests.faults.exchange import InProcessSession
from tests.faults.plan import DrawnFault
from tests.faults.ports import AREA, TIMEOUT_S, Killable
from tests.faults.process import SimulatedProcess
from tests.faults.running import RunOutcome, Simulation, played

ENDPOINT = "http://aws.invalid"
ENVIRONMENT = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_REGION": AREA,
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(slots=True)
class QueueInProtocol:
    """A queue as `FakeAws` reads it: the counts that SQS shows, and the minutes of CloudWatch."""

    sim: Simulation
    name: str
    url: str

    def faults(self) -> list[DrawnFault]:
        return self.sim.active.of(self.name, self.sim.loop.time())

    def counts(self, now: float) -> FakeCounts:
        return self.sim.region.counts(self.name, now, self.faults())

    def minute(self, metric: str, began: float) -> float | None:
        service, queue = self.sim.region.queues[self.name]
        now, faults = self.sim.loop.time(), self.faults()
        late_s = sum(60.0 * int(fault.number) for fault in faults if fault.kind == "minutes_late")
        counts = queue.minutes.get(int(began // 60))
        service.settle(now)
        if counts is None or began + 120.0 + late_s > now or any(one.kind == "minutes_absent" for one in faults):
            return None
        return {
            "NumberOfMessagesSent": float(counts.sent),
            "NumberOfMessagesReceived": float(counts.received),
            "NumberOfMessagesDeleted": float(counts.deleted),
            "ApproximateNumberOfMessagesVisible": float(counts.visible),
            "ApproximateNumberOfMessagesNotVisible": float(counts.in_flight),
            "ApproximateAgeOfOldestMessage": counts.oldest_age_s,
        }.get(metric)


@dataclass(slots=True)
class _LoopClock:
    """The clock of the simulated AWS: the true time of the run."""

    sim: Simulation

    def now(self) -> float:
        return self.sim.loop.time()

    def pass_s(self, seconds: float) -> None:
        self.sim.loop.jump(seconds)


class AdapterLink:
    """Connects a daemon over the protocols of AWS."""

    def __init__(self) -> None:
        self._aws: FakeAws | None = None

    async def serve(self, sim: Simulation, process: SimulatedProcess, life: Killable, rng: Random) -> None:
        aws = self._aws = self._aws or _aws_of(sim)
        session = InProcessSession(sim, aws, life, rng)
        with _without_sockets(session):
            async with connect(process.limiter, process.metrics, sim.loop.time, sim.wall, TIMEOUT_S) as found:

                def of(background: Background) -> Ports:
                    return Ports(
                        queues=found.queues,
                        meters=found.meters,
                        metrics=_NoMetrics(),
                        fleets=found.fleets,
                        journal=process.journal,
                        clock=sim.loop.time,
                        wall=sim.wall,
                        history=found.history,
                        background=background,
                    )

                await process.serve(of, found.directory)


class _NoMetrics:
    async def measure(self, service: ServiceRef, request: MetricRequest, /) -> Measurement | Missing:
        return Missing("no datapoint", "no_data")


def _aws_of(sim: Simulation) -> FakeAws:
    aws = FakeAws(_LoopClock(sim), url=ENDPOINT)
    world = aws.world()
    world.clusters.update(prod={}, tagged={})
    for key in sorted(sim.region.services):
        fleet = sim.region.services[key].truth.fleet
        world.clusters[fleet.cluster][key] = fleet
    world.numbered = [sim.region.services[spec.key].truth.fleet for spec in sim.run.services]
    for name in sim.region.queues:
        world.queues[name] = QueueInProtocol(sim, name, f"{ENDPOINT}/{ACCOUNT}/{name}")  # type: ignore[assignment]
    return aws


@contextmanager
def _without_sockets(session: InProcessSession) -> Iterator[None]:
    """Replace the HTTP clients of the SDK and of the fast path, and the environment that the SDK reads."""

    async def of_sdk(_: object, proxy_url: str | None) -> InProcessSession:
        return session

    async def of_fast() -> InProcessSession:
        return session

    with (
        patch.object(clients._Connections, "_get_session", of_sdk),
        patch.object(sqs_fast, "_session", of_fast),
        patch.dict(os.environ, ENVIRONMENT),
    ):
        yield


ADAPTER_POLLS = 60
"""Polls of each service in a run through the adapters, which take five times as long as at the ports."""


def adapter_outcome(seed: int) -> RunOutcome:
    """Return the outcome of a seed through the real adapters."""
    return played(drawn(seed, polls=ADAPTER_POLLS), AdapterLink())
