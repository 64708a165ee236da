"""After a start, the first plan uses what CloudWatch stored; without an answer, the daemon asks again, and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Missing, PastCounts, PastMinute
from autoscaler.ports import QueueRef, ServiceRef
from tests.control.fakes import FakePorts, now, ports_of, service
from tests.virtual import run_virtually


@dataclass
class Recorded(FakePorts):
    """CloudWatch has an hour in which ten tasks deleted 300 messages of 2 s a minute; first it fails with `faults`."""

    faults: list[str] = field(default_factory=list)
    reads: int = 0

    async def past(self, service: ServiceRef, queues: Sequence[QueueRef]) -> tuple[PastMinute, ...] | Missing:
        self.reads += 1
        if self.faults:
            return Missing("CloudWatch does not answer", self.faults.pop(0))
        counts = {queue.name: PastCounts(2000, 10, 300, 300) for queue in queues}
        return tuple(PastMinute(now() - 60.0 * ago, 10.0, None, counts) for ago in range(60, 0, -1))


def polled(world: Recorded, polls: int, *, minutes: bool = True) -> list[float]:
    """Return the processing time that each poll used."""
    times = list[float]()

    async def main() -> None:
        loop = ServiceLoop(replace(service(), queue_minutes=minutes), ports_of(world), Rhythm(10.0))
        for _ in range(polls):
            poll = await loop.poll()
            assert poll.observation is not None
            assert poll.observation.knowledge is not None
            times.append(poll.observation.knowledge.processing_s.value)
            await asyncio.sleep(10)

    run_virtually(main())
    return times


def world(*faults: str) -> Recorded:
    return Recorded(desired=10, waiting=2000, in_flight=10, faults=list(faults))


def test_the_first_plan_knows_the_processing_time() -> None:
    recorded = world()
    assert polled(recorded, 3)[0] == pytest.approx(2.0, rel=0.03)
    assert recorded.reads == 1


@pytest.mark.parametrize("kind", ["throttled", "unavailable"])
def test_a_read_that_failed_is_repeated_twice(kind: str) -> None:
    twice = world(kind, kind)
    assert polled(twice, 5)[1:3] == [12.0, pytest.approx(2.0, rel=0.03)]
    assert twice.reads == 3
    always = world(*[kind] * 9)
    polled(always, 6)
    assert always.reads == 3


@pytest.mark.parametrize("kind", ["denied", "no_data"])
def test_a_denied_read_is_not_repeated(kind: str) -> None:
    denied = world(kind)
    assert set(polled(denied, 4)) == {12.0}
    assert denied.reads == 1


def test_without_minutes_the_past_is_not_read() -> None:
    off = world()
    polled(off, 2, minutes=False)
    assert off.reads == 0
