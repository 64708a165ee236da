"""A scale-in requires a receive from each queue. CloudWatch is read for one only when a scale-in is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from autoscaler.control.cadence import Rhythm
from autoscaler.control.learning import DAY_S, RECHECK_S
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Backlog, Missing, Rule, Verdict
from autoscaler.core.policy import Fallback, FallbackBehavior, QueuePolicy, ScaleIn
from autoscaler.errors import AutoscalerError, Denied, NotFound, Unavailable
from autoscaler.ports import PeriodSum, Ports, QueueMinute, QueueRef, Span
from tests.control.fakes import FakePorts, now, ports_of, service
from tests.virtual import run_virtually


@dataclass
class WithHistory(FakePorts):
    """Fakes with CloudWatch's history. `received_before`: the receives or the error of each queue; without an entry
    `NotFound`.
    """

    received_before: dict[str, float | AutoscalerError] = field(default_factory=dict)
    requests: list[tuple[str, float, tuple[Span, ...]]] = field(default_factory=list)

    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        raise NotFound("nothing was sent")

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        self.requests.append((queue.name, now(), tuple(spans)))
        answer = self.received_before.get(queue.name, NotFound(f"{queue.name}: no datapoint"))
        if isinstance(answer, AutoscalerError):
            raise answer
        [(start, _, period_s)] = spans
        return ((start, period_s, 0.0), (start + period_s, period_s, answer))


def played(world: WithHistory, polls: int, then: Callable[[], None] = lambda: None, **changes: object) -> None:
    async def main() -> None:

        ports: Ports = replace(ports_of(world), history=world)
        loop = ServiceLoop(
            service(scale_in=ScaleIn(stabilization_s=60.0), **dict[str, Any](changes)), ports, Rhythm(10.0)
        )
        for number in range(polls):
            if number == polls // 2:
                then()
            world.record(await loop.poll())
            await asyncio.sleep(10.0)

    run_virtually(main())


def reasons(world: FakePorts) -> list[str]:
    steps = [step for poll in world.polls if poll.decision for step in poll.decision.steps]
    return [step.reason for step in steps if step.rule is Rule.NO_RECEIVES]


def test_a_queue_without_receives_blocks_the_scale_in_with_a_reason() -> None:
    world = WithHistory(desired=6)
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
        lambda world: world.received_before.update(orders=1.0),
    ],
    ids=["in flight", "a minute's receives", "a minute's deletions", "the last 14 days"],
)
def test_one_receive_permits_all_later_scale_ins(proof: Callable[[WithHistory], None]) -> None:
    world = WithHistory(desired=6)
    played(world, 140, then=lambda: proof(world))
    assert world.writes
    proven = world.writes[0][0]
    assert not [why for poll in world.polls if poll.observation and poll.observation.now > proven + 60
                for step in (poll.decision.steps if poll.decision else ()) if step.rule is Rule.NO_RECEIVES
                for why in [step.reason]]  # fmt: skip


def test_fewer_visible_messages_prove_a_receive_if_cloudwatch_cannot_be_read() -> None:
    world = WithHistory(desired=6, waiting=30, received_before={"orders": Denied("not allowed")})
    played(world, 80, then=lambda: setattr(world, "waiting", 5))
    assert world.desired == 1


@pytest.mark.parametrize("left", [29, 0], ids=["an approximate count or an expired message", "a purge"])
def test_fewer_visible_messages_prove_no_receive_if_cloudwatch_counted_none(left: int) -> None:
    world = WithHistory(desired=6, waiting=30, received_before={"orders": 0.0})
    played(world, 80, then=lambda: setattr(world, "waiting", left))
    assert world.writes == []


def test_cloudwatch_is_read_only_when_a_scale_in_is_due_and_then_every_five_minutes() -> None:
    busy = WithHistory(desired=6, waiting=60)
    played(busy, 60)
    assert busy.requests == []
    idle = WithHistory(desired=6)
    played(idle, 120)
    times = [at for _, at, _ in idle.requests]
    assert len(times) == pytest.approx((1200 - 60) / RECHECK_S, abs=1)
    assert all(later - earlier >= RECHECK_S for earlier, later in pairwise(times))
    [(start, end, period_s)] = idle.requests[0][2]
    assert (end - start, period_s, start % DAY_S) == (14 * DAY_S, DAY_S, 0)


@pytest.mark.parametrize("error", [Denied("not allowed"), Unavailable("timed out")])
def test_our_own_readings_decide_if_cloudwatch_cannot_be_read(error: AutoscalerError) -> None:
    world = WithHistory(desired=6, received_before={"orders": error})
    played(world, 60)
    assert world.writes == []
    seen = WithHistory(desired=6, received_before={"orders": error})
    played(seen, 120, then=lambda: setattr(seen, "in_flight", 1))
    assert seen.desired == 1


def test_a_scale_in_requires_a_receive_from_every_queue() -> None:
    queues = (QueuePolicy("orders", 60.0), QueuePolicy("refunds", 60.0))
    world = WithHistory(desired=6, received_before={"orders": 5.0})
    played(world, 60, queues=queues)
    assert world.writes == []
    assert "refunds" in reasons(world)[-1]
    assert "orders" not in reasons(world)[-1]
    world.received_before["refunds"] = 2.0
    played(world, 60, queues=queues)
    assert world.desired == 0


def test_missing_receives_block_neither_a_scale_out_nor_a_configured_fallback() -> None:
    world = WithHistory(desired=1, waiting=200)
    played(world, 2)
    assert world.desired == 20
    gone = WithHistory(desired=6, queue_missing=Missing("denied", "denied"))
    played(gone, 60, fallback=Fallback(FallbackBehavior.STATIC, 2, 3))
    assert gone.desired == 2


def test_a_queue_that_a_reload_adds_requires_its_own_receive() -> None:
    world = WithHistory(desired=6, in_flight=1)

    async def main() -> None:

        loop = ServiceLoop(service(busy_floor=False), ports_of(world), Rhythm(10.0))
        world.record(await loop.poll())
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


def test_queues_without_receives_are_in_the_record() -> None:
    world = WithHistory(desired=6)
    played(world, 20)
    last = world.polls[-1]
    assert last.observation is not None
    assert last.observation.unreceived == ("orders",)
    assert last.decision is not None
    assert last.decision.verdict is Verdict.HOLD
    assert isinstance(last.observation.queues[0].backlog, Backlog)
