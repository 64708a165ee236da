"""The newest revision of a service's task definition in the loop: read rarely, optional, and without any effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.control.cadence import Rhythm
from autoscaler.control.definitions import REVISIONS_S
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Revisions
from autoscaler.core.policy import WorkerSafety
from autoscaler.ports import Poll
from tests.control.fakes import FakePorts, play, ports_of, service
from tests.virtual import run_virtually

OLD, NEW = "arn:task-definition/orders:1", "arn:task-definition/orders:2"
SET: dict[str, Any] = {"workers": WorkerSafety.UNSAFE}


def world(**fields: object) -> FakePorts:
    return FakePorts(desired=3, definitions=(OLD,), **fields)  # type: ignore[arg-type]


def test_the_family_is_read_every_fifteen_minutes() -> None:
    one = world(newest_definition="orders:3")
    play(one, 2 * REVISIONS_S + 100, **SET)
    assert [arn for _, arn in one.newest_reads] == [OLD] * 3
    assert one.polls[-1].revisions == Revisions("orders:1", "orders:3")


def test_a_new_task_definition_is_read_at_once() -> None:
    one = world(newest_definition="orders:2")
    play(one, 300, {150.0: lambda: setattr(one, "definitions", (NEW, OLD))}, **SET)
    assert [arn for _, arn in one.newest_reads] == [OLD, NEW]
    assert one.polls[1].revisions == Revisions("orders:1", "orders:2")
    assert one.polls[-1].revisions == Revisions("orders:2", "orders:2")


def test_without_the_permission_the_newest_one_is_unknown_without_a_notice() -> None:
    one = world()
    play(one, 600, **SET)
    assert len(one.newest_reads) == 1
    assert {poll.revisions for poll in one.polls} == {Revisions("orders:1")}
    assert not any(poll.notices or poll.failure for poll in one.polls)


def test_nothing_is_read_where_task_definitions_are_not_read_otherwise() -> None:
    one = world(newest_definition="orders:3")

    async def poll_once() -> Poll:
        configured = replace(service(**SET), task_price=0.25)
        return await ServiceLoop(configured, ports_of(one), Rhythm(10.0)).poll()

    assert run_virtually(poll_once()).revisions == Revisions("orders:1")
    assert one.newest_reads == []


def test_without_a_task_definition_there_is_none() -> None:
    one = FakePorts(desired=3)
    play(one, 100, **SET)
    assert (one.newest_reads, one.polls[-1].revisions) == ([], None)


@pytest.mark.parametrize(
    ("newest", "behind"),
    [("web:7", 0), ("web:9", 2), ("web:6", -1), (None, None), ("web", None), ("web:x", None), ("", None)],
)
def test_the_number_of_revisions_behind(newest: str | None, behind: int | None) -> None:
    assert Revisions("web:7", newest).behind == behind
