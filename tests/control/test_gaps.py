"""S12: no scale-in is based on readings from before a gap: gaps in each reading, and frozen processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Backlog, Measurement, Missing, Rule, Utilization
from autoscaler.core.policy import (
    Direction,
    Fallback,
    FallbackBehavior,
    MetricPolicy,
    QueuePolicy,
    ScaleIn,
    WorkerSafety,
)
from autoscaler.ports import CloudWatchMetric, MetricRequest, QueueRef, ServiceRef
from autoscaler.sources.prometheus import PrometheusQuery
from tests.control.fakes import FakePorts, loop_over, now
from tests.virtual import run_virtually

INTERVAL_S = 10.0
WINDOW_S = 60.0
KINDS = ("throttled", "unavailable", "denied", "unreadable", "no_data")
CPU = CloudWatchMetric("Own", "lag", (), "Average")
GAUGE = PrometheusQuery("http://127.0.0.1:9090", "lag")


@dataclass
class Gappy(FakePorts):
    """Fakes with two queues, CPU and two metrics, each of them readable or not. `load`: the required tasks."""

    unread: dict[str, Missing] = field(default_factory=dict)
    load: float = 20.0

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        """At the first poll a message is in flight: this proves that workers receive from the queue."""
        busy, first = int(self.load) if queue.name == "orders" else 0, now() < 1000.0 + INTERVAL_S
        return self.unread.get(queue.name) or Backlog(max(0, 10 * busy - 2 * first), int(first), 0, now())

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        return self.unread.get("cpu") or Utilization(100.0 * self.load / max(1, self.desired), now())

    async def measure(self, service: ServiceRef, request: MetricRequest, /) -> Measurement | Missing:
        name = "gauge" if isinstance(request, PrometheusQuery) else "metric"
        return self.unread.get(name) or Measurement(self.load, now())


ECS = "ecs"
READS = (ECS, "orders", "refunds", "cpu", "metric", "gauge")


def gappy_loop(world: Gappy, **changes: object) -> ServiceLoop:
    fields: dict[str, object] = {
        "queues": (QueuePolicy("orders", 60.0), QueuePolicy("refunds", 60.0)),
        "cpu_target_percent": 100.0,
        "metrics": (MetricPolicy("metric", target_per_task=1.0), MetricPolicy("gauge", target_per_task=1.0)),
        "sources": (("metric", CPU), ("gauge", GAUGE)),
        "scale_in": ScaleIn(stabilization_s=WINDOW_S, utilization_stabilization_s=WINDOW_S),
        "tolerance": 0.0,
        **changes,
    }
    return loop_over(world, interval_s=INTERVAL_S, **fields)  # type: ignore[arg-type]


async def polls(world: Gappy, loop: ServiceLoop, count: int) -> None:
    for _ in range(count):
        world.record(await loop.poll())
        await asyncio.sleep(INTERVAL_S)


def hide(world: Gappy, read: str, kind: str) -> None:
    gap = Missing(f"{read} could not be read", kind)
    if read == ECS:
        world.service_missing = gap
    else:
        world.unread[read] = gap


def reveal(world: Gappy) -> None:
    world.service_missing = None
    world.unread.clear()


def played(world: Gappy, story: Callable[[ServiceLoop], object], **changes: object) -> None:
    async def main() -> None:
        loop = gappy_loop(world, **changes)
        world.load, world.desired = 20.0, 20
        await polls(world, loop, 20)
        assert world.writes == []
        await story(loop)  # type: ignore[misc]  # every story is a coroutine function

    run_virtually(main())


def removed_at(world: Gappy, since: float) -> list[float]:
    """Return the times at which tasks were removed, in seconds after `since`."""
    before, found = 20, []
    for at, tasks in world.writes:
        if tasks < before:
            found.append(at - since)
        before = tasks
    return found


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("missed", [4, 7, 360])
def test_a_gap_in_any_reading_restarts_the_warm_up(read: str, missed: int) -> None:
    """A gap of 40 s, 70 s or one hour, in ECS, a queue, CPU or a metric."""
    world, since = Gappy(), 0.0

    async def story(loop: ServiceLoop) -> None:
        nonlocal since
        hide(world, read, "unavailable")
        await polls(world, loop, missed)
        reveal(world)
        world.load, since = 1.0, now()
        await polls(world, loop, 13)

    played(world, story)
    first = next(poll for poll in world.polls if poll.observation and poll.observation.now >= since)
    assert first.decision is not None
    assert first.decision.target == 20, "the first reading after a gap permits no scale-in"
    assert removed_at(world, since)[0] >= WINDOW_S


@pytest.mark.parametrize("frozen_s", [40.0, 60.0, 3600.0])
def test_a_frozen_process_restarts_the_warm_up(frozen_s: float) -> None:
    """SIGSTOP or a stopped virtual machine: the clock continues, and nothing is read."""
    world, since = Gappy(), 0.0

    async def story(loop: ServiceLoop) -> None:
        nonlocal since
        await asyncio.sleep(frozen_s)
        world.load, since = 0.0, now()
        await polls(world, loop, 13)

    played(world, story, busy_floor=False)
    assert removed_at(world, since)[0] >= WINDOW_S


def test_zero_readings_before_a_freeze_do_not_count_after_it() -> None:
    world, since = Gappy(), 0.0

    async def story(loop: ServiceLoop) -> None:
        nonlocal since
        world.load = 0.0
        await polls(world, loop, 2)
        await asyncio.sleep(60.0)
        since = now()
        await polls(world, loop, 30)

    played(world, story, cpu_target_percent=None, metrics=(), sources=())
    assert world.writes[-1][1] == 0
    assert removed_at(world, since)[0] >= WINDOW_S
    zero = next(at for at, tasks in world.writes if tasks == 0)
    assert zero - since > 60.0


@pytest.mark.parametrize("read", [ECS, "orders", "refunds"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_failed_read_ends_a_run_of_zero_readings(read: str, kind: str) -> None:
    world, failed_at = Gappy(), 0.0

    async def story(loop: ServiceLoop) -> None:
        nonlocal failed_at
        world.load = 0.0
        await polls(world, loop, 6)
        hide(world, read, kind)
        failed_at = now()
        await polls(world, loop, 1)
        reveal(world)
        await polls(world, loop, 20)

    played(world, story, cpu_target_percent=None, metrics=(), sources=(), scale_in=ScaleIn(stabilization_s=0.0))
    zero = next(at for at, tasks in world.writes if tasks == 0)
    assert zero - failed_at > 60.0, "the run of zero readings starts again after the failed read"


def test_two_failed_polls_in_a_row_are_no_gap() -> None:
    world, since = Gappy(), 0.0

    async def story(loop: ServiceLoop) -> None:
        nonlocal since
        world.load, since = 1.0, now()
        await polls(world, loop, 1)
        hide(world, ECS, "unavailable")
        await polls(world, loop, 2)
        reveal(world)
        await polls(world, loop, 8)

    played(world, story, cpu_target_percent=None, metrics=(), sources=(), scale_in=ScaleIn(stabilization_s=30.0))
    late = [poll.decision for poll in world.polls if poll.observation and poll.observation.now >= since]
    assert Rule.WARM_UP not in {step.rule for decision in late if decision for step in decision.steps}
    assert removed_at(world, since)


@given(
    gaps=st.lists(
        st.tuples(
            st.sampled_from([*READS, "freeze"]),
            st.sampled_from(KINDS),
            st.sampled_from([1, 2, 3, 4, 5, 8, 40]),
            st.sampled_from([0.0, 1.0, 20.0]),
            st.sampled_from([1, 2, 5, 9]),
        ),
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_gaps_causes_an_early_scale_in(gaps: list[tuple[str, str, int, float, int]]) -> None:
    """The check uses the times of the complete polls and the writes, not the loop's memory."""
    world, complete = Gappy(), list[float]()

    async def story(loop: ServiceLoop) -> None:
        for read, kind, length, load, good in gaps:
            if read == "freeze":
                await asyncio.sleep(length * INTERVAL_S)
            else:
                hide(world, read, kind)
                await polls(world, loop, length)
                reveal(world)
            world.load = load
            for _ in range(good):
                complete.append(now())
                await polls(world, loop, 1)

    played(world, story)
    before = 20
    for at, tasks in world.writes:
        if tasks < before:
            run = [time for time in complete if time <= at]
            starts = [later for earlier, later in pairwise(run) if later - earlier > 40.0]
            assert not starts or at - starts[-1] >= WINDOW_S
        before = tasks


def test_a_static_fallback_lowers_the_count_during_a_gap() -> None:
    world = Gappy()

    async def story(loop: ServiceLoop) -> None:
        for read in READS[1:]:
            hide(world, read, "unavailable")
        await polls(world, loop, 30)

    played(world, story, fallback=Fallback(FallbackBehavior.STATIC, 4, 3))
    assert world.desired == 4


@pytest.mark.parametrize("window_s", [60.0, 300.0, 600.0, 1800.0])
def test_an_idle_service_reaches_its_minimum_although_one_percent_of_the_reads_fail(window_s: float) -> None:
    """The mean time of 40 runs is at most twice the time without failures."""

    def settled_after(seed: int, failing: float) -> float:
        rng, world = Random(seed), Gappy()

        async def story(loop: ServiceLoop) -> None:
            began = now()
            world.load = 0.0
            while world.desired > 0 and now() - began < 36_000:
                for read in READS[:3]:
                    if rng.random() < failing:
                        hide(world, read, "unavailable")
                await polls(world, loop, 1)
                reveal(world)
            settled.append(now() - began)

        window = ScaleIn(stabilization_s=window_s)
        played(world, story, cpu_target_percent=None, metrics=(), sources=(), scale_in=window)
        return settled[-1]

    settled = list[float]()
    calm_s = settled_after(0, 0.0)
    failing_s = [settled_after(seed, 0.01) for seed in range(40)]
    assert sum(failing_s) / len(failing_s) <= 2 * calm_s


def test_a_daemon_that_starts_with_a_failed_reading_warms_up_from_its_first_complete_poll() -> None:
    world = Gappy(load=1.0, desired=20)

    async def main() -> None:
        loop = gappy_loop(world)
        hide(world, "orders", "unavailable")
        await polls(world, loop, 30)
        reveal(world)
        world.load, since = 2.0, now()
        await polls(world, loop, 1)
        world.load = 1.0
        await polls(world, loop, 12)
        assert removed_at(world, since)[0] >= WINDOW_S

    run_virtually(main())


def test_changes_are_remembered_across_a_gap() -> None:
    """A cooldown continues after the gap, and a service that an operator set to 0 tasks stays at 0."""
    world = Gappy()

    async def story(loop: ServiceLoop) -> None:
        world.load = 30.0
        await polls(world, loop, 1)
        await asyncio.sleep(60.0)
        world.load = 90.0
        await polls(world, loop, 1)

    played(world, story, max_tasks=100, scale_out=Direction(cooldown_s=300.0))
    assert world.desired == 33, "30, and a tenth more while all tasks are busy"
    off = Gappy()

    async def switched_off(loop: ServiceLoop) -> None:
        off.desired = 0
        await polls(off, loop, 1)
        await asyncio.sleep(600.0)
        await polls(off, loop, 3)

    played(off, switched_off, min_tasks=2)
    assert off.desired == 0


def test_a_queue_that_is_deleted_and_created_again_causes_no_early_scale_in() -> None:
    """A gap of one queue is a gap of the service: the first readings of the new queue remove no task."""
    world = Gappy()

    async def story(loop: ServiceLoop) -> None:
        hide(world, "orders", "not_found")
        await polls(world, loop, 6)
        reveal(world)
        world.load = 0.0
        await polls(world, loop, 6)

    played(world, story, cpu_target_percent=None, metrics=(), sources=())
    assert world.writes == []


def test_no_decision_is_based_on_readings_from_before_a_freeze() -> None:
    """The process freezes between the read of the queue and the decision: the counts are then one hour old."""

    @dataclass
    class SlowCpuRead(Gappy):
        frozen_s: float = 0.0

        async def cpu(self, service: ServiceRef) -> Utilization | Missing:
            await asyncio.sleep(self.frozen_s)
            return await super().cpu(service)

    world = SlowCpuRead()

    async def story(loop: ServiceLoop) -> None:
        world.load, world.frozen_s = 1.0, 3600.0
        await polls(world, loop, 1)
        world.frozen_s, world.load = 0.0, 20.0
        await polls(world, loop, 3)

    played(world, story)
    assert world.writes == []


def test_a_scale_in_that_was_decided_before_a_freeze_is_not_written_after_it() -> None:
    """The process freezes between the decision and its write, while it reads the task protection."""

    @dataclass
    class SlowProtectionRead(Gappy):
        frozen_s: float = 0.0

        async def protected(self, service: ServiceRef) -> int | Missing:
            if self.frozen_s:
                await asyncio.sleep(self.frozen_s)
                self.frozen_s, self.load = 0.0, 20.0
            return 0

    world = SlowProtectionRead()

    async def story(loop: ServiceLoop) -> None:
        world.load, world.frozen_s = 2.0, 3600.0
        await polls(world, loop, 20)

    played(world, story, workers=WorkerSafety.SELF_PROTECTING)
    assert world.frozen_s == 0.0
    assert world.writes == []


def test_a_gap_is_recorded_with_the_decision() -> None:
    world = Gappy()

    async def story(loop: ServiceLoop) -> None:
        await asyncio.sleep(120.0)
        world.load = 1.0
        await polls(world, loop, 1)

    played(world, story)
    last = world.polls[-1]
    assert last.memory.lapsed
    assert last.decision is not None
    assert [step.rule for step in last.decision.steps][-1] is Rule.WARM_UP
    assert replace(last.memory, lapsed=False) != last.memory
