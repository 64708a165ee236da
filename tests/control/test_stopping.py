"""The stopTimeout in the loop: read beside the polls where `workers` is not set, kept, and tried again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from autoscaler.control.background import Background
from autoscaler.control.loop import Rhythm, ServiceLoop
from autoscaler.control.shadow import Shadow
from autoscaler.control.stopping import ASK_AGAIN_S
from autoscaler.core.engine import decide
from autoscaler.core.model import Missing, StopTimeout
from autoscaler.core.policy import Workers
from autoscaler.core.workers import REMEDY
from autoscaler.ports import ServiceRef, Tick
from autoscaler.situation import decode, encode
from autoscaler.telemetry.account import account_of, faults_of
from tests.control.fakes import World, play, policy, ports_of, service
from tests.virtual import run_virtually

OLD, NEW = "arn:task-definition/orders:1", "arn:task-definition/orders:2"
DENIED = Missing("the task role may not read it", "denied")
LONG = {"processing_time_s": 95.0, "backlog_per_task": 10.0}


def busy(**fields: object) -> World:
    """Far too many tasks, of which three are busy."""
    return World(desired=10, in_flight=3, definitions=(OLD,), **fields)  # type: ignore[arg-type]  # fields of World


def notices(tick: Tick) -> list[str]:
    return [notice.reason for notice in tick.notices if notice.kind == "assumed"]


def test_it_is_read_once_for_each_task_definition_and_kept() -> None:
    world = busy(stops={OLD: StopTimeout(120.0, "app")})
    play(world, 1800, **dict[str, Any](LONG))
    assert [arn for _, arn in world.definition_reads] == [OLD]
    assert {tick.observation.stop_timeout for tick in world.ticks if tick.observation} == {StopTimeout(120.0, "app")}


@pytest.mark.parametrize("workers", Workers)
def test_it_is_not_read_where_the_operator_said_what_workers_do(workers: Workers) -> None:
    world = busy(stops={OLD: StopTimeout(120.0, "app")})
    play(world, 600, workers=workers, **dict[str, Any](LONG))
    assert world.definition_reads == []
    assert not any(notices(tick) for tick in world.ticks)


def test_long_messages_hold_a_scale_in_until_none_is_in_flight() -> None:
    world = busy(stops={OLD: StopTimeout(30.0, "app")})
    play(world, 900, {600.0: lambda: setattr(world, "in_flight", 0)}, **dict[str, Any](LONG))
    assert min(at for at, _ in world.writes) - world.ticks[0].observation.now >= 600  # type: ignore[union-attr]
    assert world.desired < 3
    other = busy(stops={OLD: StopTimeout(120.0, "app")})
    play(other, 600, **dict[str, Any](LONG))
    assert other.desired < 10, "within stopTimeout they drain"


def test_the_assumption_is_one_notice_while_it_is_in_force() -> None:
    world = busy(stops={OLD: StopTimeout(30.0, "app")})
    play(world, 300, **dict[str, Any](LONG))
    [notice] = {text for tick in world.ticks for text in notices(tick)}
    assert "the stopTimeout of 30 s of container app" in notice
    assert REMEDY in notice
    assert all(notices(tick) for tick in world.ticks)
    told = account_of(world.ticks[-1], faults_of(world.ticks[-1]))
    assert {"kind": "assumed", "text": notice} in told["notices"]
    assert told["faults"] == [], "an assumption is no fault"


def test_what_cannot_be_read_is_assumed_said_and_tried_again_every_few_minutes() -> None:
    world = busy(stops={OLD: DENIED})
    play(
        world,
        2 * ASK_AGAIN_S + 100,
        {ASK_AGAIN_S + 50: lambda: world.stops.update({OLD: StopTimeout(120.0, "app")})},
        **LONG,
    )
    times = [at for at, _ in world.definition_reads]
    assert len(times) == 3
    assert all(later - sooner >= ASK_AGAIN_S for sooner, later in pairwise(times))
    first, last = world.ticks[0], world.ticks[-1]
    assert "30 s (assumed; grant ecs:DescribeTaskDefinition to read it)" in notices(first)[0]
    assert notices(last) == [], "120 s are enough"
    assert all(tick.decision is not None and not faults_of(tick) for tick in world.ticks), "nothing is missing for it"


@pytest.mark.parametrize(("old_s", "new_s"), [(10.0, 120.0), (120.0, 10.0)])
def test_during_a_deployment_the_shorter_counts_and_after_it_the_one_that_is_left(old_s: float, new_s: float) -> None:
    world = busy(stops={OLD: StopTimeout(old_s, "app"), NEW: StopTimeout(new_s, "app")})
    script = {
        105.0: lambda: setattr(world, "definitions", (NEW, OLD)),
        205.0: lambda: setattr(world, "definitions", (NEW,)),
    }
    play(world, 300, script, **dict[str, Any](LONG))
    seen = [tick.observation for tick in world.ticks if tick.observation]
    told = [one.stop_timeout.seconds for one in seen if one.stop_timeout]
    assert told == [old_s] * 11 + [10.0] * 10 + [new_s] * 9
    assert [arn for _, arn in world.definition_reads] == [OLD, NEW]


def test_a_reading_that_never_ends_holds_up_no_poll() -> None:
    class Hung(World):
        async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
            self.definition_reads.append((0.0, task_definition))
            answer: StopTimeout | Missing = await asyncio.get_running_loop().create_future()
            return answer

    async def main() -> World:
        world = Hung(desired=10, in_flight=3, definitions=(OLD,))
        async with Background() as background:
            loop = ServiceLoop(
                service(**dict[str, Any](LONG)), replace(ports_of(world), background=background), Rhythm(10.0)
            )
            for _ in range(5):
                tick = await loop.tick()
                assert tick.decision is not None
                await asyncio.sleep(10)
        return world

    world = run_virtually(main())
    assert len(world.definition_reads) == 1, "one question is under way"


def test_shadow_reads_it_too() -> None:
    async def main() -> StopTimeout | Missing:
        world = World(stops={OLD: StopTimeout(120.0, "app")})
        return await Shadow(world).stop_timeout(ServiceRef("orders", "prod", "orders"), OLD)

    assert run_virtually(main()) == StopTimeout(120.0, "app")


def test_every_poll_is_decided_again_alike_from_its_record() -> None:
    for stop in (StopTimeout(2.0, "app"), StopTimeout(120.0, "app"), DENIED):
        world = busy(stops={OLD: stop})
        play(world, 200, **dict[str, Any](LONG))
        for tick in world.ticks:
            assert tick.observation is not None
            assert decide(*decode(encode(tick.policy, tick.observation, tick.memory))) == tick.decision
    assert policy().workers is None, "the fake's default is the settings'"
