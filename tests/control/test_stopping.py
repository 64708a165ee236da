"""The stopTimeout in the loop: read in the background if `workers` is not set, cached, and read again on errors."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from autoscaler.control.background import Background
from autoscaler.control.cadence import Rhythm
from autoscaler.control.definitions import STOP_RETRY_S
from autoscaler.control.loop import ServiceLoop
from autoscaler.control.shadow import Shadow
from autoscaler.core.engine import decide
from autoscaler.core.model import Missing, StopTimeout
from autoscaler.core.policy import WorkerSafety
from autoscaler.core.workers import REMEDY
from autoscaler.ports import Poll, ServiceRef
from autoscaler.situation import decode, encode
from autoscaler.telemetry.account import account_of, faults_of
from tests.control.fakes import FakePorts, play, policy, ports_of, service
from tests.virtual import run_virtually

OLD, NEW = "arn:task-definition/orders:1", "arn:task-definition/orders:2"
DENIED = Missing("the task role may not read it", "denied")
LONG = {"processing_time_s": 95.0, "backlog_per_task": 10.0}


def busy(**fields: object) -> FakePorts:
    """A service with 10 tasks, three of them busy: far more than required."""
    return FakePorts(desired=10, in_flight=3, definitions=(OLD,), **fields)  # type: ignore[arg-type]  # fields of FakePorts


def notices(poll: Poll) -> list[str]:
    return [notice.reason for notice in poll.notices if notice.kind == "assumed"]


def test_the_stop_timeout_is_read_once_per_task_definition() -> None:
    world = busy(stop_timeouts={OLD: StopTimeout(120.0, "app")})
    play(world, 1800, **dict[str, Any](LONG))
    assert [arn for _, arn in world.definition_reads] == [OLD]
    assert {poll.observation.stop_timeout for poll in world.polls if poll.observation} == {StopTimeout(120.0, "app")}


@pytest.mark.parametrize("workers", [WorkerSafety.SELF_PROTECTING, WorkerSafety.UNSAFE])
def test_the_stop_timeout_is_not_read_if_it_decides_nothing(workers: WorkerSafety) -> None:
    world = busy(stop_timeouts={OLD: StopTimeout(120.0, "app")})
    play(world, 600, workers=workers, **dict[str, Any](LONG))
    assert world.definition_reads == []
    assert not any(notices(poll) for poll in world.polls)


def test_long_messages_block_a_scale_in_until_none_is_in_flight() -> None:
    world = busy(stop_timeouts={OLD: StopTimeout(30.0, "app")})
    play(world, 900, {600.0: lambda: setattr(world, "in_flight", 0)}, **dict[str, Any](LONG))
    assert min(at for at, _ in world.writes) - world.polls[0].observation.now >= 600  # type: ignore[union-attr]
    assert world.desired < 3
    other = busy(stop_timeouts={OLD: StopTimeout(120.0, "app")})
    play(other, 600, **dict[str, Any](LONG))
    assert other.desired < 10, "the messages end within the stopTimeout"


def test_the_assumption_gives_one_notice_while_it_is_in_force() -> None:
    world = busy(stop_timeouts={OLD: StopTimeout(30.0, "app")})
    play(world, 300, **dict[str, Any](LONG))
    [notice] = {text for poll in world.polls for text in notices(poll)}
    assert "the stopTimeout of 30 s of container app" in notice
    assert REMEDY in notice
    assert all(notices(poll) for poll in world.polls)
    account = account_of(world.polls[-1], faults_of(world.polls[-1]))
    assert {"kind": "assumed", "text": notice} in account["notices"]
    assert account["faults"] == [], "an assumption is no fault"


def test_an_unreadable_stop_timeout_is_assumed_reported_and_read_again_after_three_minutes() -> None:
    world = busy(stop_timeouts={OLD: DENIED})
    play(
        world,
        2 * STOP_RETRY_S + 100,
        {STOP_RETRY_S + 50: lambda: world.stop_timeouts.update({OLD: StopTimeout(120.0, "app")})},
        **LONG,
    )
    times = [at for at, _ in world.definition_reads]
    assert len(times) == 3
    assert all(later - earlier >= STOP_RETRY_S for earlier, later in pairwise(times))
    first, last = world.polls[0], world.polls[-1]
    assert "30 s (assumed; grant ecs:DescribeTaskDefinition to read it)" in notices(first)[0]
    assert notices(last) == [], "120 s are enough"
    assert all(poll.decision is not None and not faults_of(poll) for poll in world.polls), (
        "an unreadable stopTimeout is no fault"
    )


@pytest.mark.parametrize(("old_s", "new_s"), [(10.0, 120.0), (120.0, 10.0)])
def test_the_shortest_stop_timeout_counts_during_a_deployment(old_s: float, new_s: float) -> None:
    world = busy(stop_timeouts={OLD: StopTimeout(old_s, "app"), NEW: StopTimeout(new_s, "app")})
    script = {
        105.0: lambda: setattr(world, "definitions", (NEW, OLD)),
        205.0: lambda: setattr(world, "definitions", (NEW,)),
    }
    play(world, 300, script, **dict[str, Any](LONG))
    seen = [poll.observation for poll in world.polls if poll.observation]
    timeouts_s = [one.stop_timeout.seconds for one in seen if one.stop_timeout]
    assert timeouts_s == [old_s] * 11 + [10.0] * 10 + [new_s] * 9
    assert [arn for _, arn in world.definition_reads] == [OLD, NEW]


def test_a_read_that_never_ends_delays_no_poll() -> None:
    class Hung(FakePorts):
        async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
            self.definition_reads.append((0.0, task_definition))
            answer: StopTimeout | Missing = await asyncio.get_running_loop().create_future()
            return answer

    async def main() -> FakePorts:
        world = Hung(desired=10, in_flight=3, definitions=(OLD,))
        async with Background() as background:
            loop = ServiceLoop(
                service(**dict[str, Any](LONG)), replace(ports_of(world), background=background), Rhythm(10.0)
            )
            for _ in range(5):
                poll = await loop.poll()
                assert poll.decision is not None
                await asyncio.sleep(10)
        return world

    world = run_virtually(main())
    assert len(world.definition_reads) == 1, "one read is in progress"


def test_the_stop_timeout_is_also_read_in_shadow() -> None:
    async def main() -> StopTimeout | Missing:
        world = FakePorts(stop_timeouts={OLD: StopTimeout(120.0, "app")})
        return await Shadow(world).stop_timeout(ServiceRef("orders", "prod", "orders"), OLD)

    assert run_virtually(main()) == StopTimeout(120.0, "app")


def test_every_encoded_poll_gives_the_same_decision_again() -> None:
    for stop in (StopTimeout(2.0, "app"), StopTimeout(120.0, "app"), DENIED):
        world = busy(stop_timeouts={OLD: stop})
        play(world, 200, **dict[str, Any](LONG))
        for poll in world.polls:
            assert poll.observation is not None
            assert decide(*decode(encode(poll.policy, poll.observation, poll.memory))) == poll.decision
    assert policy().workers is None, "the fake has the default of the settings"


@pytest.mark.parametrize(("stop_s", "is_short"), [(94.0, True), (95.0, False)])
def test_draining_workers_whose_messages_take_longer_than_stop_timeout_give_a_notice(
    stop_s: float, is_short: bool
) -> None:
    world = busy(stop_timeouts={OLD: StopTimeout(stop_s, "app")})
    play(world, 100, workers=WorkerSafety.DRAINING, **dict[str, Any](LONG))
    found = {notice.reason for notice in world.polls[-1].notices if notice.kind == "stop_timeout"}
    assert len(found) == is_short
    assert all(f"the stopTimeout of {stop_s:g} s of container app" in text for text in found)


def test_draining_workers_without_a_readable_stop_timeout_give_no_notice() -> None:
    world = busy(stop_timeouts={OLD: DENIED})
    play(world, 100, workers=WorkerSafety.DRAINING, **dict[str, Any](LONG))
    assert not any(notice.kind == "stop_timeout" for poll in world.polls for notice in poll.notices)
