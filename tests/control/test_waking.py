"""An event makes the next poll earlier and reads ECS, without more than one poll per interval."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.control.cadence import Rhythm
from autoscaler.core.policy import QueuePolicy
from tests.control.fakes import loop_over, now
from tests.control.test_fleetwatch import ROUND_S, CountedReads
from tests.virtual import run_virtually

QUIET_S = 60.0


def played(seconds: float, wakes: Sequence[float], *, waiting: int = 0, derived: bool = False) -> CountedReads:
    """Run one loop with an interval of 10 s, which is quiet unless messages wait, and wake it at these times."""
    world = CountedReads(waiting=waiting)

    async def main() -> None:
        began, stopping = now(), asyncio.Event()
        rhythm = Rhythm(10.0, quiet_s=QUIET_S, fleet_every_s=lambda: ROUND_S, derived=derived)
        loop = loop_over(world, rhythm=rhythm, queues=(QueuePolicy("orders", 600.0),))
        task = asyncio.create_task(loop.run(stopping))
        for at in sorted(wakes):
            await asyncio.sleep(began + at - now())
            loop.wake()
        await asyncio.sleep(began + seconds - now())
        stopping.set()
        await task

    run_virtually(main())
    return world


def poll_times(world: CountedReads) -> list[float]:
    return [poll.observation.now - 1000.0 for poll in world.polls if poll.observation is not None]


def read_times(world: CountedReads) -> list[float]:
    return [at - 1000.0 for at, _ in world.reads]


def test_a_quiet_service_is_polled_and_read_within_one_interval() -> None:
    calm, woken = played(400, []), played(400, [195.0])
    assert not [at for at in poll_times(calm) if 195 <= at <= 205]
    assert [at for at in poll_times(woken) if 195 <= at <= 205] == [200.0]
    assert 200.0 in read_times(woken)


def test_ecs_is_read_once_for_a_wake() -> None:
    calm, woken = played(150, []), played(150, [75.0])
    assert len(read_times(woken)) == len(read_times(calm)) + 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.0, 299.0), max_size=60), st.booleans())
def test_there_is_at_most_one_poll_per_interval_however_many_events_there_are(
    wakes: list[float], derived: bool
) -> None:
    times = poll_times(played(300, wakes, derived=derived))
    assert all(later - earlier >= 10.0 - 1e-6 for earlier, later in pairwise(times))
    assert all(abs(at - 10 * round(at / 10)) < 1e-6 for at in times), "polls stay on the grid of the service's group"


def test_a_service_that_is_polled_at_each_interval_keeps_its_times() -> None:
    calm, woken = played(200, [], waiting=500), played(200, [33.0, 34.0, 78.0], waiting=500)
    assert poll_times(calm) == poll_times(woken)
