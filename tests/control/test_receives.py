"""Before the first scale-in each queue must have shown a receive; and who is asked for one, when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from autoscaler.control.loop import Ports, Rhythm, ServiceLoop
from autoscaler.control.receives import DAY_S, LOOK_AGAIN_S
from autoscaler.core.model import Backlog, Missing, Rule, Verdict
from autoscaler.core.policy import Direction, Fallback, FallbackBehavior, QueuePolicy
from autoscaler.errors import AutoscalerError, Denied, NotFound, Unavailable
from autoscaler.ports import PeriodSum, QueueMinute, QueueRef, Span
from tests.control.fakes import World, now, ports_of, service
from tests.virtual import run_virtually


@dataclass
class Remembered(World):
    """A world with CloudWatch's past: by queue, what it answers. A queue that is not there is not known to it."""

    past: dict[str, float | AutoscalerError] = field(default_factory=dict)
    asked: list[tuple[str, float, tuple[Span, ...]]] = field(default_factory=list)

    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        raise NotFound("nothing was sent")

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        self.asked.append((queue.name, now(), tuple(spans)))
        answer = self.past.get(queue.name, NotFound(f"{queue.name}: no datapoint"))
        if isinstance(answer, AutoscalerError):
            raise answer
        [(start, _, period_s)] = spans
        return ((start, period_s, 0.0), (start + period_s, period_s, answer))


def played(world: Remembered, polls: int, then: Callable[[], None] = lambda: None, **changes: object) -> None:
    async def main() -> None:

        ports: Ports = replace(ports_of(world), history=world)
        loop = ServiceLoop(
            service(scale_in=Direction(stabilization_s=60.0), **dict[str, Any](changes)), ports, Rhythm(10.0)
        )
        for number in range(polls):
            if number == polls // 2:
                then()
            world.record(await loop.tick())
            await asyncio.sleep(10.0)

    run_virtually(main())


def reasons(world: World) -> list[str]:
    steps = [step for tick in world.ticks if tick.decision for step in tick.decision.steps]
    return [step.reason for step in steps if step.rule is Rule.NO_RECEIVES]


def test_a_queue_that_nothing_receives_from_scales_nothing_in_and_says_why() -> None:
    world = Remembered(desired=6)
    played(world, 60)
    assert world.writes == []
    assert "orders" in reasons(world)[-1]
    assert "Region" in reasons(world)[-1]


@pytest.mark.parametrize(
    "proof",
    [
        lambda world: setattr(world, "in_flight", 1),
        lambda world: world.minutes.update(orders=QueueMinute(now() - 60, received=3, deleted=0)),
        lambda world: world.minutes.update(orders=QueueMinute(now() - 60, received=0, deleted=2)),
        lambda world: world.past.update(orders=1.0),
    ],
    ids=["in flight", "a minute's receives", "a minute's deletions", "the last 14 days"],
)
def test_one_receive_is_enough_for_good(proof: Callable[[Remembered], None]) -> None:
    world = Remembered(desired=6)
    played(world, 140, then=lambda: proof(world))
    assert world.writes
    proven = world.writes[0][0]
    assert not [why for tick in world.ticks if tick.observation and tick.observation.now > proven + 60
                for step in (tick.decision.steps if tick.decision else ()) if step.rule is Rule.NO_RECEIVES
                for why in [step.reason]]  # fmt: skip


def test_where_cloudwatch_cannot_be_read_fewer_visible_messages_are_a_receive_that_was_seen() -> None:
    world = Remembered(desired=6, waiting=30, past={"orders": Denied("not allowed")})
    played(world, 80, then=lambda: setattr(world, "waiting", 5))
    assert world.desired == 1


@pytest.mark.parametrize("left", [29, 0], ids=["an approximate count, or one that expired", "a purge"])
def test_fewer_visible_messages_are_no_receive_where_cloudwatch_says_that_there_was_none(left: int) -> None:
    world = Remembered(desired=6, waiting=30, past={"orders": 0.0})
    played(world, 80, then=lambda: setattr(world, "waiting", left))
    assert world.writes == []


def test_cloudwatch_is_asked_only_when_a_scale_in_is_due_and_then_every_few_minutes() -> None:
    busy = Remembered(desired=6, waiting=60)
    played(busy, 60)
    assert busy.asked == []
    idle = Remembered(desired=6)
    played(idle, 120)
    times = [at for _, at, _ in idle.asked]
    assert len(times) == pytest.approx((1200 - 60) / LOOK_AGAIN_S, abs=1)
    assert all(later - earlier >= LOOK_AGAIN_S for earlier, later in pairwise(times))
    [(start, end, period_s)] = idle.asked[0][2]
    assert (end - start, period_s, start % DAY_S) == (14 * DAY_S, DAY_S, 0)


@pytest.mark.parametrize("error", [Denied("not allowed"), Unavailable("timed out")])
def test_where_cloudwatch_cannot_be_read_our_own_readings_decide(error: AutoscalerError) -> None:
    world = Remembered(desired=6, past={"orders": error})
    played(world, 60)
    assert world.writes == []
    seen = Remembered(desired=6, past={"orders": error})
    played(seen, 120, then=lambda: setattr(seen, "in_flight", 1))
    assert seen.desired == 1


def test_every_queue_must_show_one() -> None:
    queues = (QueuePolicy("orders", 60.0), QueuePolicy("refunds", 60.0))
    world = Remembered(desired=6, past={"orders": 5.0})
    played(world, 60, queues=queues)
    assert world.writes == []
    assert "refunds" in reasons(world)[-1]
    assert "orders" not in reasons(world)[-1]
    world.past["refunds"] = 2.0
    played(world, 60, queues=queues)
    assert world.desired == 0


def test_it_never_hinders_a_scale_out_and_a_chosen_fallback_still_lowers() -> None:
    world = Remembered(desired=1, waiting=200)
    played(world, 2)
    assert world.desired == 20
    gone = Remembered(desired=6, blind=Missing("denied", "denied"))
    played(gone, 60, fallback=Fallback(FallbackBehavior.STATIC, 2, 3))
    assert gone.desired == 2


def test_a_queue_that_is_changed_by_a_reload_must_show_one_of_its_own() -> None:
    world = Remembered(desired=6, in_flight=1)

    async def main() -> None:

        loop = ServiceLoop(service(busy_floor=False), ports_of(world), Rhythm(10.0))
        world.record(await loop.tick())
        world.in_flight = 0
        loop.adopt(service(queues=(QueuePolicy("other", 60.0),), busy_floor=False), ports_of(world), Rhythm(10.0))
        stopping = asyncio.Event()
        task = asyncio.create_task(loop.run(stopping))
        await asyncio.sleep(600.0)
        stopping.set()
        await task

    run_virtually(main())
    assert world.writes == []
    assert "other" in reasons(world)[-1]


def test_what_was_proven_is_in_the_record() -> None:
    world = Remembered(desired=6)
    played(world, 20)
    last = world.ticks[-1]
    assert last.observation is not None
    assert last.observation.unreceived == ("orders",)
    assert last.decision is not None
    assert last.decision.verdict is Verdict.HOLD
    assert isinstance(last.observation.queues[0].backlog, Backlog)
