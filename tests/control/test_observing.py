"""The readings of one poll: the queues' minutes, metrics, and task protection."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.control.observing import PROTECTION_S
from autoscaler.core.model import Flow, Measurement, Missing, Observation
from autoscaler.core.policy import MetricPolicy, QueuePolicy, WorkerSafety
from autoscaler.ports import CloudWatchMetric, Poll, QueueMinute
from autoscaler.sources.prometheus import PrometheusQuery
from tests.control.fakes import FakePorts, loop_over, now, play, ports_of, service
from tests.virtual import run_virtually

TWO = (QueuePolicy("orders", 60.0), QueuePolicy("refunds", 60.0))


def seen_by(world: FakePorts) -> list[Observation]:
    return [poll.observation for poll in world.polls if poll.observation is not None]


def flows(world: FakePorts) -> list[Flow]:
    return [seen.flow for seen in seen_by(world) if isinstance(seen.flow, Flow)]


def minute(at: float, received: int | None = 30, deleted: int | None = 20, **more: object) -> QueueMinute:
    return QueueMinute(1000.0 + at, received, deleted, **more)  # type: ignore[arg-type]  # fields of QueueMinute


def test_a_queues_minute_adds_the_oldest_message_age_and_the_tasks_of_its_time() -> None:
    world = FakePorts(waiting=10, desired=4)
    found = {"orders": minute(20, oldest_age_s=33.0, groups_in_flight=3)}
    play(world, 45, {5: lambda: setattr(world, "running", 1), 35: lambda: world.minutes.update(found)})
    before, after = seen_by(world)[0].queues[0].backlog, seen_by(world)[-1].queues[0].backlog
    assert not isinstance(before, Missing)
    assert not isinstance(after, Missing)
    assert (before.oldest_age_s, before.groups_in_flight, before.oldest_tasks) == (None, None, None)
    assert (after.oldest_age_s, after.groups_in_flight, after.oldest_tasks) == (33.0, 3, 1)


def test_an_old_minute_is_ignored() -> None:
    world = FakePorts(waiting=10, desired=4, minutes={"orders": minute(0, oldest_age_s=33.0)})
    play(world, 320)
    ages = [seen.queues[0].backlog.oldest_age_s for seen in seen_by(world)]  # type: ignore[union-attr]
    assert ages == [33.0] * 31 + [None]


def test_each_minute_gives_one_flow_with_the_tasks_at_its_start() -> None:
    world = FakePorts(waiting=10, desired=4)
    script = {
        65: lambda: world.minutes.update(orders=minute(60)),
        125: lambda: world.minutes.update(orders=minute(120)),
    }
    play(world, 200, {**script, 15: lambda: setattr(world, "running", 2)})
    assert flows(world) == [Flow(30, 20, 4, 1060.0), Flow(30, 20, 2, 1120.0, 10)], "two tasks ended in the first minute"


def test_a_minute_that_began_between_a_change_and_its_reading_does_not_measure_the_tasks() -> None:
    """Tasks started at 61 s, between the polls at 60 and 70 s; the minute began at 63 s. Every reading in it shows 6
    tasks, and `tasks` is 4, as of the poll before it.
    """
    world = FakePorts(waiting=10, desired=4)
    started = {61: lambda: setattr(world, "running", 6), 130: lambda: world.minutes.update(orders=minute(123))}
    play(world, 150, started)
    assert flows(world) == [Flow(30, 20, 4, 1123.0, waiting=0)]


def test_a_minute_that_began_before_the_first_poll_gives_no_flow() -> None:
    world = FakePorts(waiting=10, desired=4, minutes={"orders": minute(30)})
    play(world, 60)
    assert flows(world) == []


def test_several_queues_give_one_flow_once_all_their_minutes_are_known() -> None:
    world = FakePorts(waiting=10, desired=4, minutes={"orders": minute(60)})
    script = {95: lambda: world.minutes.update(refunds=minute(60, 5, 1))}
    play(world, 130, script, queues=TWO)
    assert flows(world) == [Flow(35, 21, 4, 1060.0, 20)]
    assert [seen.now >= 1095 for seen in seen_by(world) if seen.flow is not None] == [True]


def test_a_queue_without_datapoints_counts_as_zero_only_if_it_is_empty() -> None:
    silent = minute(60, None, None)
    busy = FakePorts(waiting=10, desired=4, minutes={"orders": minute(60), "refunds": silent})
    play(busy, 130, queues=TWO)
    assert flows(busy) == []
    empty = FakePorts(desired=4, minutes={"orders": minute(60), "refunds": silent}, queue_depths={"orders": (9, 0)})
    play(empty, 130, queues=TWO)
    assert [(flow.received, flow.deleted) for flow in flows(empty)] == [(30, 20)]


def test_minutes_that_cannot_be_read_block_nothing_and_give_a_notice_only_if_denied() -> None:
    world = FakePorts(waiting=95, minutes={"orders": Missing("give the task role cloudwatch:GetMetricData", "denied")})
    play(world, 15)
    assert [tasks for _, tasks in world.writes] == [10]
    assert [notice.kind for notice in world.polls[-1].notices] == ["denied"]
    late = FakePorts(waiting=95, minutes={"orders": Missing("throttled", "throttled")})
    play(late, 15)
    assert late.polls[-1].notices == ()


def test_minutes_are_not_read_if_the_settings_disable_them() -> None:
    world = FakePorts(waiting=95, minutes={"orders": Missing("not allowed", "denied")})

    async def main() -> Poll:
        quiet = replace(service(), queue_minutes=False)
        return await ServiceLoop(quiet, ports_of(world), Rhythm(10.0)).poll()

    assert run_virtually(main()).notices == ()


def test_metrics_are_read_from_their_source_with_the_tasks_of_their_time() -> None:
    world = FakePorts(waiting=10, desired=4)
    world.measured = {"Lag": Measurement(100.0, 1015.0), "sum(lag)": Missing("the query returns 3 series", "no_data")}
    sources = (("lag", CloudWatchMetric("App", "Lag")), ("sum", PrometheusQuery("http://localhost:9090", "sum(lag)")))
    policies = (MetricPolicy("lag", target_per_task=10.0), MetricPolicy("sum", target_value=1.0))
    play(world, 25, {5: lambda: setattr(world, "running", 3)}, metrics=policies, sources=sources)
    assert seen_by(world)[-1].metrics == (
        ("lag", Measurement(100.0, 1015.0, tasks=3)),
        ("sum", world.measured["sum(lag)"]),
    )


def shrink(world: FakePorts, seconds: float, workers: WorkerSafety = WorkerSafety.SELF_PROTECTING) -> FakePorts:
    """Run a service that is warmed up and requires only one task from 100 s on."""
    play(world, seconds, {100: lambda: setattr(world, "waiting", 5)}, workers=workers, busy_floor=False)
    return world


def test_protection_is_read_only_before_a_scale_in_and_limits_it() -> None:
    world = shrink(FakePorts(waiting=95, desired=10, protected_tasks=4), 175)
    assert [tasks for _, tasks in world.writes] == [4]
    assert world.protection_reads == 1
    counts = [poll.observation.fleet.protected for poll in world.polls if poll.observation]
    assert counts == [None] * 15 + [4, 4, 4], "from 150 s on, when the stabilization window has passed"


def test_a_recent_protection_reading_can_block_a_scale_in_without_another_read() -> None:
    world = shrink(FakePorts(waiting=95, desired=10, protected_tasks=4), 400)
    assert [tasks for _, tasks in world.writes] == [4]
    held_s = 400 - 160
    assert world.protection_reads <= held_s / PROTECTION_S + 1


def test_a_scale_in_is_based_on_a_protection_reading_of_its_own_poll() -> None:
    world = FakePorts(waiting=95, desired=10, protected_tasks=10)
    ages: list[float] = []
    world.before_write = lambda: ages.append(now() - world.protection_read_at)
    script = {
        100: lambda: setattr(world, "waiting", 25),
        165: lambda: setattr(world, "protected_tasks", 5),
        201: lambda: setattr(world, "protected_tasks", 3),
    }
    play(world, 300, script, workers=WorkerSafety.SELF_PROTECTING, busy_floor=False)
    assert [tasks for _, tasks in world.writes] == [5, 3]
    assert ages == [0, 0]


def test_a_second_scale_in_soon_after_the_first_reads_protection_again() -> None:
    world = FakePorts(waiting=95, desired=10, protected_tasks=2)
    ages: list[float] = []
    world.before_write = lambda: ages.append(now() - world.protection_read_at)
    script = {100: lambda: setattr(world, "waiting", 75), 110: lambda: setattr(world, "waiting", 55)}
    play(world, 300, script, workers=WorkerSafety.SELF_PROTECTING, busy_floor=False)
    assert [tasks for _, tasks in world.writes] == [8, 6]
    assert world.writes[1][0] - world.writes[0][0] < PROTECTION_S
    assert ages == [0, 0]


def test_unknown_protection_blocks_the_scale_in_with_a_notice() -> None:
    world = shrink(FakePorts(waiting=95, desired=10, protected_tasks=Missing("ECS did not answer", "unavailable")), 300)
    assert world.writes == []
    assert "no scale-in: ECS did not answer" in [notice.reason for notice in world.polls[-1].notices]


def test_protection_is_not_read_for_draining_workers() -> None:
    assert shrink(FakePorts(waiting=95, desired=10), 300, WorkerSafety.DRAINING).protection_reads == 0


def test_no_reading_is_newer_than_its_observation() -> None:
    world = FakePorts(waiting=95, slow_s=0.37)

    async def main() -> Poll:
        await asyncio.sleep(0.013)
        poll = await loop_over(world).poll()
        assert poll.observation is not None
        assert poll.observation.now <= now() + 1 / 64
        return poll

    seen = run_virtually(main()).observation
    assert seen is not None
    assert seen.now >= seen.fleet.at
    assert (seen.now * 64).is_integer()
