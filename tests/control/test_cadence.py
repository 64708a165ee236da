"""How often a service is looked at: seldom while nothing is there, and never so seldom that the promise suffers."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from autoscaler.config.model import Schedule
from autoscaler.control.loop import Rhythm, ServiceLoop
from autoscaler.core.policy import QueuePolicy
from tests.control.fakes import NOON, World, loop_over, now, ports_of, service
from tests.virtual import run_virtually

QUIET_S = 60.0
PATIENT = (QueuePolicy("orders", 300.0),)


def looks(world: World, seconds: float, script: dict[float, dict[str, object]] | None = None, **changes: object) -> Any:
    """When it was looked at, in seconds from the start, at an interval of ten."""

    async def main() -> list[float]:
        began, stopping = now(), asyncio.Event()
        loop = loop_over(world, rhythm=Rhythm(10.0, quiet_s=QUIET_S), **{"queues": PATIENT, **changes})  # type: ignore[arg-type]
        task = asyncio.create_task(loop.run(stopping))
        for at, now_so in sorted((script or {}).items()):
            await asyncio.sleep(began + at - now())
            for name, value in now_so.items():
                setattr(world, name, value)
        await asyncio.sleep(began + seconds - now())
        stopping.set()
        await task
        return [round(tick.observation.now - began) for tick in world.ticks if tick.observation is not None]

    return run_virtually(main())


def pauses(found: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(found)]


def test_each_quiet_look_doubles_the_time_to_the_next_down_to_the_bound() -> None:
    found = pauses(looks(World(), 500))
    assert found == [20, 40] + [60] * (len(found) - 2)


def test_the_first_message_brings_the_whole_pace_back() -> None:
    world = World()
    found = looks(world, 400, {125: {"waiting": 1}})
    assert pauses([at for at in found if at >= 120])[1:] == [10] * 21
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
def test_what_is_at_work_moves_or_may_still_scale_in_is_looked_at_always(busy: dict[str, object]) -> None:
    assert set(pauses(looks(World(**busy), 55, min_tasks=1))) == {10}  # type: ignore[arg-type]


def test_idle_tasks_that_must_be_there_are_no_reason_to_look() -> None:
    assert pauses(looks(World(desired=1), 300, min_tasks=1))[:3] == [20, 40, 60]


@pytest.mark.parametrize(("latency_s", "pause_s"), [(60.0, 10), (120.0, 20), (200.0, 60), (3600.0, 60)])
def test_what_comes_right_after_a_look_is_seen_in_time_to_start_a_task_for_it(latency_s: float, pause_s: int) -> None:
    """A start-up takes up to 80 s until it is known better."""
    found = looks(World(), 700, queues=(QueuePolicy("orders", latency_s),))
    assert max(pauses(found)) == pause_s
    assert pause_s + 80 <= latency_s or pause_s == 10


def test_a_schedule_begins_on_time() -> None:
    """It is noon at 1000 s; a minute and a half later two tasks shall be there."""
    world = World()
    morning = Schedule("rush", "13 * * * *", 600.0, "UTC", 2, None, 0.0)

    async def main() -> list[tuple[float, int]]:
        began, stopping = now(), asyncio.Event()
        loop = ServiceLoop(
            service(schedules=(morning,), queues=PATIENT), ports_of(world), Rhythm(10.0, quiet_s=QUIET_S)
        )
        task = asyncio.create_task(loop.run(stopping))
        await asyncio.sleep(3600)
        stopping.set()
        await task
        return [(at - began, tasks) for at, tasks in world.writes if tasks]

    [(at, tasks), *_] = run_virtually(main())
    due = -(NOON + 1000.0) % 3600 + 13 * 60
    assert tasks == 2
    assert 0 <= (at - due) % 3600 < 10


def test_of_an_empty_queue_beside_no_task_no_minutes_are_bought() -> None:
    asked = list[float]()

    class Sold(World):
        async def minute(self, queue: Any) -> Any:
            asked.append(now())
            return await super().minute(queue)

    looks(Sold(), 500)
    assert len(asked) == 1
    asked.clear()
    looks(Sold(desired=1), 500, min_tasks=1)
    assert len(asked) > 5
