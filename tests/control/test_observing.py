"""What one tick reads: the queues' minutes, metrics, and the protection of tasks."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from autoscaler.control.loop import Rhythm, ServiceLoop
from autoscaler.control.observing import PROTECTION_S
from autoscaler.core.model import Flow, Measurement, Missing, Observation
from autoscaler.core.policy import MetricPolicy, QueuePolicy, Workers
from autoscaler.ports import CloudWatchMetric, PrometheusQuery, QueueMinute, Tick
from tests.control.fakes import World, loop_over, now, play, ports_of, service
from tests.virtual import run_virtually

TWO = (QueuePolicy("orders", 60.0), QueuePolicy("refunds", 60.0))


def seen_by(world: World) -> list[Observation]:
    return [tick.observation for tick in world.ticks if tick.observation is not None]


def flows(world: World) -> list[Flow]:
    return [seen.flow for seen in seen_by(world) if isinstance(seen.flow, Flow)]


def minute(at: float, received: int | None = 30, deleted: int | None = 20, **more: object) -> QueueMinute:
    return QueueMinute(1000.0 + at, received, deleted, **more)  # type: ignore[arg-type]  # fields of QueueMinute


def test_a_queues_minute_sharpens_its_reading_with_the_tasks_of_that_time() -> None:
    world = World(waiting=10, desired=4)
    found = {"orders": minute(20, oldest_age_s=33.0, groups_in_flight=3)}
    play(world, 45, {5: lambda: setattr(world, "running", 1), 35: lambda: world.minutes.update(found)})
    before, after = seen_by(world)[0].queues[0].backlog, seen_by(world)[-1].queues[0].backlog
    assert not isinstance(before, Missing)
    assert not isinstance(after, Missing)
    assert (before.oldest_age_s, before.groups_in_flight, before.oldest_tasks) == (None, None, None)
    assert (after.oldest_age_s, after.groups_in_flight, after.oldest_tasks) == (33.0, 3, 1)


def test_an_old_minute_says_nothing_any_more() -> None:
    world = World(waiting=10, desired=4, minutes={"orders": minute(0, oldest_age_s=33.0)})
    play(world, 320)
    ages = [seen.queues[0].backlog.oldest_age_s for seen in seen_by(world)]  # type: ignore[union-attr]
    assert ages == [33.0] * 31 + [None]


def test_each_minute_flows_once_with_the_tasks_that_ran_at_its_start() -> None:
    world = World(waiting=10, desired=4)
    script = {
        65: lambda: world.minutes.update(orders=minute(60)),
        125: lambda: world.minutes.update(orders=minute(120)),
    }
    play(world, 200, {**script, 15: lambda: setattr(world, "running", 2)})
    assert flows(world) == [Flow(30, 20, 4, 1060.0), Flow(30, 20, 2, 1120.0, 10)], "in the first, two tasks went"


def test_a_minute_that_began_before_we_watched_has_no_known_tasks_and_does_not_flow() -> None:
    world = World(waiting=10, desired=4, minutes={"orders": minute(30)})
    play(world, 60)
    assert flows(world) == []


def test_queues_flow_together_once_all_of_them_are_known() -> None:
    world = World(waiting=10, desired=4, minutes={"orders": minute(60)})
    script = {95: lambda: world.minutes.update(refunds=minute(60, 5, 1))}
    play(world, 130, script, queues=TWO)
    assert flows(world) == [Flow(35, 21, 4, 1060.0, 20)]
    assert [seen.now >= 1095 for seen in seen_by(world) if seen.flow is not None] == [True]


def test_a_queue_without_datapoints_is_still_only_where_it_is_seen_empty() -> None:
    silent = minute(60, None, None)
    busy = World(waiting=10, desired=4, minutes={"orders": minute(60), "refunds": silent})
    play(busy, 130, queues=TWO)
    assert flows(busy) == []
    empty = World(desired=4, minutes={"orders": minute(60), "refunds": silent}, queue_depths={"orders": (9, 0)})
    play(empty, 130, queues=TWO)
    assert [(flow.received, flow.deleted) for flow in flows(empty)] == [(30, 20)]


def test_minutes_that_cannot_be_read_blind_nothing_and_are_told_of_only_where_we_are_not_allowed_to() -> None:
    world = World(waiting=95, minutes={"orders": Missing("give the task role cloudwatch:GetMetricData", "denied")})
    play(world, 15)
    assert [tasks for _, tasks in world.writes] == [10]
    assert [notice.kind for notice in world.ticks[-1].notices] == ["denied"]
    late = World(waiting=95, minutes={"orders": Missing("throttled", "throttled")})
    play(late, 15)
    assert late.ticks[-1].notices == ()


def test_minutes_are_not_asked_for_where_the_settings_say_so() -> None:
    world = World(waiting=95, minutes={"orders": Missing("not allowed", "denied")})

    async def main() -> Tick:
        quiet = replace(service(), queue_minutes=False)
        return await ServiceLoop(quiet, ports_of(world), Rhythm(10.0)).tick()

    assert run_virtually(main()).notices == ()


def test_metrics_come_from_their_source_with_the_tasks_of_their_time() -> None:
    world = World(waiting=10, desired=4)
    world.measured = {"Lag": Measurement(100.0, 1015.0), "sum(lag)": Missing("it gives 3 series", "no_data")}
    sources = (("lag", CloudWatchMetric("App", "Lag")), ("sum", PrometheusQuery("http://localhost:9090", "sum(lag)")))
    policies = (MetricPolicy("lag", target_per_task=10.0), MetricPolicy("sum", target_value=1.0))
    play(world, 25, {5: lambda: setattr(world, "running", 3)}, metrics=policies, sources=sources)
    assert seen_by(world)[-1].metrics == (
        ("lag", Measurement(100.0, 1015.0, tasks=3)),
        ("sum", world.measured["sum(lag)"]),
    )


def shrink(world: World, seconds: float, workers: Workers = Workers.SELF_PROTECTING) -> World:
    """A service whose memory is warm and whose demand falls to one task at 100 s."""
    play(world, seconds, {100: lambda: setattr(world, "waiting", 5)}, workers=workers, busy_floor=False)
    return world


def test_protection_is_read_only_when_a_scale_in_is_about_to_happen_and_nobody_goes_below_it() -> None:
    world = shrink(World(waiting=95, desired=10, protects=4), 175)
    assert [tasks for _, tasks in world.writes] == [4]
    assert world.protection_reads == 1
    told = [tick.observation.fleet.protected for tick in world.ticks if tick.observation]
    assert told == [None] * 15 + [4, 4, 4], "from 150 s on, when the demand of before no longer holds"


def test_what_was_read_a_moment_ago_may_hold_back_and_not_permit() -> None:
    world = shrink(World(waiting=95, desired=10, protects=4), 400)
    assert [tasks for _, tasks in world.writes] == [4]
    held_s = 400 - 160
    assert world.protection_reads <= held_s / PROTECTION_S + 1


def test_a_scale_in_never_rests_on_an_older_reading_of_protection() -> None:
    world = World(waiting=95, desired=10, protects=10)
    ages: list[float] = []
    world.before_write = lambda: ages.append(now() - world.protection_read_at)
    script = {
        100: lambda: setattr(world, "waiting", 25),
        165: lambda: setattr(world, "protects", 5),
        201: lambda: setattr(world, "protects", 3),
    }
    play(world, 300, script, workers=Workers.SELF_PROTECTING, busy_floor=False)
    assert [tasks for _, tasks in world.writes] == [5, 3]
    assert ages == [0, 0]


def test_a_second_scale_in_soon_after_the_first_reads_protection_again() -> None:
    world = World(waiting=95, desired=10, protects=2)
    ages: list[float] = []
    world.before_write = lambda: ages.append(now() - world.protection_read_at)
    script = {100: lambda: setattr(world, "waiting", 75), 110: lambda: setattr(world, "waiting", 55)}
    play(world, 300, script, workers=Workers.SELF_PROTECTING, busy_floor=False)
    assert [tasks for _, tasks in world.writes] == [8, 6]
    assert world.writes[1][0] - world.writes[0][0] < PROTECTION_S
    assert ages == [0, 0]


def test_unknown_protection_means_no_scale_in_and_a_notice() -> None:
    world = shrink(World(waiting=95, desired=10, protects=Missing("ECS did not answer", "unavailable")), 300)
    assert world.writes == []
    assert "no scale-in: ECS did not answer" in [notice.reason for notice in world.ticks[-1].notices]


def test_workers_of_other_kinds_are_not_asked_for_protection() -> None:
    assert shrink(World(waiting=95, desired=10), 300, Workers.DRAINING).protection_reads == 0


def test_no_reading_is_younger_than_the_decision_made_of_it() -> None:
    world = World(waiting=95, slow_s=0.37)

    async def main() -> Tick:
        await asyncio.sleep(0.013)
        tick = await loop_over(world).tick()
        assert tick.observation is not None
        assert tick.observation.now <= now() + 1 / 64
        return tick

    seen = run_virtually(main()).observation
    assert seen is not None
    assert seen.now >= seen.fleet.at
    assert (seen.now * 64).is_integer()
