"""How often a service is polled: less often while it is quiet, but often enough for the latency target."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from autoscaler.config.model import Schedule
from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.policy import QueuePolicy
from tests.control.fakes import NOON, FakePorts, loop_over, now, ports_of, service
from tests.virtual import run_virtually

QUIET_S = 60.0
RELAXED = (QueuePolicy("orders", 300.0),)


def polled_at(
    world: FakePorts, seconds: float, script: dict[float, dict[str, object]] | None = None, **changes: object
) -> Any:
    """Return the times of the polls, in seconds from the start, with an interval of 10 s."""

    async def main() -> list[float]:
        began, stopping = now(), asyncio.Event()
        loop = loop_over(world, rhythm=Rhythm(10.0, quiet_s=QUIET_S), **{"queues": RELAXED, **changes})  # type: ignore[arg-type]
        task = asyncio.create_task(loop.run(stopping))
        for at, fields in sorted((script or {}).items()):
            await asyncio.sleep(began + at - now())
            for name, value in fields.items():
                setattr(world, name, value)
        await asyncio.sleep(began + seconds - now())
        stopping.set()
        await task
        return [round(poll.observation.now - began) for poll in world.polls if poll.observation is not None]

    return run_virtually(main())


def gaps_s(found: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(found)]


def test_each_quiet_poll_doubles_the_time_to_the_next_poll_up_to_the_bound() -> None:
    found = gaps_s(polled_at(FakePorts(), 500))
    assert found == [20, 40] + [60] * (len(found) - 2)


def test_the_first_message_restores_the_configured_interval() -> None:
    world = FakePorts()
    found = polled_at(world, 400, {125: {"waiting": 1}})
    assert gaps_s([at for at in found if at >= 120])[1:] == [10] * 21
    assert world.writes


@pytest.mark.parametrize(
    "busy",
    [
        {"in_flight": 1, "desired": 1},
        {"desired": 1, "running": 0},
        {"desired": 3},
        {"desired": 1, "deploying_since": 0.0},
    ],
)
def test_a_service_that_is_busy_changing_or_above_its_minimum_is_polled_at_every_interval(
    busy: dict[str, object],
) -> None:
    assert set(gaps_s(polled_at(FakePorts(**busy), 55, min_tasks=1))) == {10}  # type: ignore[arg-type]


def test_a_service_with_idle_tasks_at_its_minimum_is_quiet() -> None:
    assert gaps_s(polled_at(FakePorts(desired=1), 300, min_tasks=1))[:3] == [20, 40, 60]


@pytest.mark.parametrize(("latency_s", "pause_s"), [(60.0, 10), (120.0, 20), (200.0, 60), (3600.0, 60)])
def test_a_message_right_after_a_poll_is_seen_in_time_to_start_a_task(latency_s: float, pause_s: int) -> None:
    """The start-up time is assumed to be up to 80 s until it is learned."""
    found = polled_at(FakePorts(), 700, queues=(QueuePolicy("orders", latency_s),))
    assert max(gaps_s(found)) == pause_s
    assert pause_s + 80 <= latency_s or pause_s == 10


def test_a_schedule_begins_on_time() -> None:
    """The schedule requires two tasks from minute 13 of each hour."""
    world = FakePorts()
    hourly = Schedule("rush", "13 * * * *", 600.0, "UTC", 2, None, 0.0)

    async def main() -> list[tuple[float, int]]:
        began, stopping = now(), asyncio.Event()
        loop = ServiceLoop(service(schedules=(hourly,), queues=RELAXED), ports_of(world), Rhythm(10.0, quiet_s=QUIET_S))
        task = asyncio.create_task(loop.run(stopping))
        await asyncio.sleep(3600)
        stopping.set()
        await task
        return [(at - began, tasks) for at, tasks in world.writes if tasks]

    [(at, tasks), *_] = run_virtually(main())
    due = -(NOON + 1000.0) % 3600 + 13 * 60
    assert tasks == 2
    assert 0 <= (at - due) % 3600 < 10


def test_the_minutes_of_an_empty_queue_without_tasks_are_not_read() -> None:
    reads = list[float]()

    class MinuteReads(FakePorts):
        async def minute(self, queue: Any) -> Any:
            reads.append(now())
            return await super().minute(queue)

    polled_at(MinuteReads(), 500)
    assert len(reads) == 1
    reads.clear()
    polled_at(MinuteReads(desired=1), 500, min_tasks=1)
    assert len(reads) > 5
