"""The price of a task in the loop: read once in the background, optional, and without any effect on decisions."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from autoscaler.control.cadence import Rhythm
from autoscaler.control.definitions import PRICE_RETRY_S, PriceWatch
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Fleet, Missing
from autoscaler.core.policy import WorkerSafety
from autoscaler.ports import Computed, Poll
from autoscaler.pricing import NoPrice, TaskPrice, TaskSize
from tests.control.fakes import FakePorts, play, ports_of, service
from tests.virtual import run_virtually

OLD, NEW = "arn:task-definition/orders:1", "arn:task-definition/orders:2"
SIZE = TaskSize("us-east-1", 1.0, 2.0)
SET: dict[str, Any] = {"workers": WorkerSafety.DRAINING}


def world(**fields: object) -> FakePorts:
    return FakePorts(desired=3, definitions=(OLD,), providers=(("FARGATE", 1.0),), **fields)  # type: ignore[arg-type]


def price(poll: Poll) -> TaskPrice | NoPrice | None:
    return poll.price


def test_the_list_price_of_the_task_definition_is_read_once() -> None:
    one = world(sizes={OLD: SIZE})
    play(one, 1800, **SET)
    assert [arn for _, arn in one.size_reads] == [OLD]
    found = price(one.polls[-1])
    assert isinstance(found, TaskPrice)
    assert found.dollars_per_hour == 0.04048 + 2 * 0.004445


def test_a_denied_permission_is_no_notice_and_no_fault_and_is_asked_once_an_hour() -> None:
    one = world(sizes={OLD: Missing("ecs:DescribeTaskDefinition was denied", "denied")})
    play(one, 2 * PRICE_RETRY_S + 100, **SET)
    assert len(one.size_reads) == 3
    assert not any(poll.notices or poll.failure for poll in one.polls)
    found = price(one.polls[-1])
    assert isinstance(found, NoPrice)
    assert found.reason == "ecs:DescribeTaskDefinition was denied"


def test_a_new_task_definition_is_read_at_once() -> None:
    one = world(sizes={OLD: SIZE, NEW: replace(SIZE, vcpu=4.0)})
    play(one, 600, {300.0: lambda: setattr(one, "definitions", (NEW, OLD))}, **SET)
    assert [arn for _, arn in one.size_reads] == [OLD, NEW]
    found = price(one.polls[-1])
    assert isinstance(found, TaskPrice)
    assert "4 vCPU" in found.basis


async def test_a_size_is_only_that_of_its_own_task_definition() -> None:
    """A deployment while `task_price` is set: after the setting is removed, the new definition is read."""
    one = world(sizes={OLD: SIZE, NEW: replace(SIZE, vcpu=4.0)})
    ports, watch = ports_of(one), PriceWatch(service(**SET).ref)
    before = Fleet(3, 3, 0, 0.0, task_definitions=(OLD,), providers=one.providers)
    after = replace(before, task_definitions=(NEW,))
    await watch.check(None, before, ports)
    await watch.check(0.25, after, ports)
    await watch.check(None, after, ports)
    assert [arn for _, arn in one.size_reads] == [OLD, NEW]
    found = watch.of(None, after)
    assert isinstance(found, TaskPrice)
    assert "4 vCPU" in found.basis


async def test_an_answer_about_an_earlier_task_definition_is_not_used() -> None:
    one, begun = world(sizes={OLD: SIZE, NEW: replace(SIZE, vcpu=4.0)}), list[Coroutine[Any, Any, None]]()

    class Later:
        def begin(self, work: Coroutine[Any, Any, None]) -> None:
            begun.append(work)

        async def compute(self, work: Callable[[], Computed]) -> Computed:
            return work()

    ports, watch = replace(ports_of(one), background=Later()), PriceWatch(service(**SET).ref)
    before = Fleet(3, 3, 0, 0.0, task_definitions=(OLD,), providers=one.providers)
    after = replace(before, task_definitions=(NEW,))
    await watch.check(None, before, ports)
    await watch.check(None, after, ports)
    for work in reversed(begun):
        await work
    found = watch.of(None, after)
    assert isinstance(found, TaskPrice)
    assert "4 vCPU" in found.basis


def test_a_configured_price_needs_no_reading() -> None:
    one = world()

    async def poll_once() -> Poll:
        configured = replace(service(**SET), task_price=0.25)
        return await ServiceLoop(configured, ports_of(one), Rhythm(10.0)).poll()

    poll = run_virtually(poll_once())
    assert one.size_reads == []
    found = price(poll)
    assert isinstance(found, TaskPrice)
    assert found.dollars_per_hour == 0.25


def test_decisions_are_the_same_with_any_price_and_without_one() -> None:
    def writes(**fields: object) -> list[tuple[float, int]]:
        one = world(waiting=500, **fields)
        play(one, 1200, {600.0: lambda: setattr(one, "waiting", 0)}, **SET)
        return one.writes

    free = writes(sizes={})
    assert free
    assert writes(sizes={OLD: SIZE}) == free == writes(sizes={OLD: replace(SIZE, vcpu=16.0)})
