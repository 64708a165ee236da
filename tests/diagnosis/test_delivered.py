"""Delivered events: the evidence depends on the set of events alone, and its size is bounded."""

from __future__ import annotations

import random
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.diagnosis.delivered import (
    MOST_KEPT,
    MOST_SERVICES,
    DeliveredEvents,
    DeliveredEvidence,
    EcsEvent,
    EventOutcome,
    EventType,
)
from autoscaler.diagnosis.reports import ServiceEvent, StoppedTasks
from autoscaler.diagnosis.stops import StoppedTask

NOW = 1_790_000_000.0


def stopped(task: int, version: int, at: float) -> EcsEvent:
    evidence = StoppedTask(at, 4.0, 30.0, "EssentialContainerExited", f"version {version}", "web:7")
    return EcsEvent(EventType.TASK, at, "1", "r", "c", "web", f"task-{task}", version, stopped=evidence)


def said(number: int, at: float) -> EcsEvent:
    text = ServiceEvent(at, f"event {number}")
    return EcsEvent(EventType.SERVICE, at, "1", "r", "c", "web", f"id-{number}", said=text)


def evidence_of(events: list[EcsEvent]) -> DeliveredEvidence:
    memory = DeliveredEvents()
    for event in events:
        memory.add("web", event)
    return memory.of("web", 0.0)


@st.composite
def histories(draw: st.DrawFn) -> list[EcsEvent]:
    """Draw up to three times as many tasks and service events as are kept; the versions of a task rise with time."""
    found = list[EcsEvent]()
    for task in range(draw(st.integers(0, 3 * MOST_KEPT))):
        began = NOW - draw(st.integers(0, 300))
        found += [stopped(task, 2 + version, began + version) for version in range(draw(st.integers(1, 3)))]
    found += [said(number, NOW - draw(st.integers(0, 300))) for number in range(draw(st.integers(0, 2 * MOST_KEPT)))]
    return found


@given(histories(), st.randoms(use_true_random=False))
def test_any_order_with_duplicates_gives_the_same_evidence(events: list[EcsEvent], chance: random.Random) -> None:
    again = events + [event for event in events if chance.random() < 0.5]
    chance.shuffle(again)
    assert evidence_of(again) == evidence_of(events)


@given(histories())
def test_the_newest_are_kept_and_no_more_than_the_bound(events: list[EcsEvent]) -> None:
    found = evidence_of(events)
    newest = dict[str, EcsEvent]()
    for event in events:
        if event.stopped is not None and event.version > newest.get(event.key, event._replace(version=0)).version:
            newest[event.key] = event
    expected = sorted((event.at for event in newest.values()), reverse=True)[:MOST_KEPT]
    assert [task.at for task in found.stopped] == expected
    assert len(found.said) <= MOST_KEPT


def test_the_same_version_is_a_duplicate_and_a_lower_one_is_old() -> None:
    memory = DeliveredEvents()
    outcomes = [memory.add("web", stopped(1, version, NOW)) for version in (4, 4, 3, 5)]
    assert outcomes == [EventOutcome.USED, EventOutcome.DUPLICATE, EventOutcome.OLD, EventOutcome.USED]
    assert [task.reason for task in memory.of("web", NOW - 600).stopped] == ["version 5"]


def test_a_service_event_counts_once() -> None:
    memory = DeliveredEvents()
    assert memory.add("web", said(1, NOW)) is EventOutcome.USED
    assert memory.add("web", said(1, NOW)) is EventOutcome.DUPLICATE
    assert memory.of("web", NOW - 600).said == (ServiceEvent(NOW, "event 1"),)


def test_an_event_older_than_all_that_are_kept_is_old() -> None:
    memory = DeliveredEvents()
    for number in range(MOST_KEPT):
        assert memory.add("web", said(number, NOW)) is EventOutcome.USED
    assert memory.add("web", said(MOST_KEPT, NOW - 1)) is EventOutcome.OLD


def test_an_event_without_evidence_is_ignored() -> None:
    memory = DeliveredEvents()
    event = EcsEvent(EventType.TASK, NOW, "1", "r", "c", "web", "task-1", 3)
    assert memory.add("web", event) is EventOutcome.IGNORED
    assert memory.of("web", NOW - 600) == DeliveredEvidence()


def test_older_evidence_is_left_out() -> None:
    memory = DeliveredEvents()
    memory.add("web", stopped(1, 3, NOW))
    memory.add("web", said(1, NOW))
    assert memory.of("web", NOW) == DeliveredEvidence((stopped(1, 3, NOW).stopped,), (said(1, NOW).said,))  # type: ignore[arg-type]
    assert memory.of("web", NOW + 1) == DeliveredEvidence()


def test_services_are_apart_and_those_with_the_newest_events_are_kept() -> None:
    memory = DeliveredEvents()
    for number in range(MOST_SERVICES + 1):
        memory.add(f"service-{number}", said(number, NOW + number))
    assert memory.of("service-0", NOW - 600) == DeliveredEvidence()
    assert memory.of("service-1", NOW - 600).said == (ServiceEvent(NOW + 1, "event 1"),)


def task(name: str, at: float, reason: str = "x") -> StoppedTask:
    return StoppedTask(at, 4.0, 30.0, "EssentialContainerExited", reason, "web:7", name=name)


@given(st.dictionaries(st.integers(0, 8), st.integers(0, 5)), st.dictionaries(st.integers(0, 8), st.integers(0, 5)))
def test_a_task_that_was_read_and_delivered_counts_once(read: dict[int, int], delivered: dict[int, int]) -> None:
    """The later of two descriptions counts: an event can describe a task that still stops, and so can an answer."""
    evidence = DeliveredEvidence(tuple(task(str(one), NOW + at, "delivered") for one, at in delivered.items()))
    before = StoppedTasks(tuple(task(str(one), NOW + at, "read") for one, at in read.items()), left_off=True)
    found = evidence.added_to(before)
    expected = {one: max(read.get(one, 0), delivered.get(one, 0)) for one in read | delivered}
    assert sorted((int(each.name), each.at - NOW) for each in found.tasks) == sorted(expected.items())
    newer = {str(one) for one, at in delivered.items() if at > read.get(one, -1)}
    assert {each.name for each in found.tasks if each.reason == "delivered"} == newer
    assert found.left_off
    assert list(found.tasks) == sorted(found.tasks, key=lambda one: -one.at)


def test_tasks_without_an_id_are_counted_each() -> None:
    read = StoppedTasks((task("", NOW), task("", NOW)))
    assert len(DeliveredEvidence((task("a", NOW),)).added_to(read).tasks) == 3


def test_the_newest_problem_is_no_expected_stop_and_no_steady_state() -> None:
    normal = StoppedTask(50.0, 10.0, 12.0, "ServiceSchedulerInitiated", "Scaling activity initiated by (x)", "web:8")
    failed = StoppedTask(20.0, None, 12.0, "TaskFailedToStart", "CannotPullContainerError: not found", "web:8")
    placed = ServiceEvent(30.0, "was unable to place a task.")
    steady = ServiceEvent(60.0, "has reached a steady state.")
    assert DeliveredEvidence((normal, failed), (steady, placed)).newest_problem_at == 30.0
    assert DeliveredEvidence((normal, failed), (steady,)).newest_problem_at == 20.0
    assert DeliveredEvidence((normal,), (steady,)).newest_problem_at == -inf
    assert DeliveredEvidence((), (placed,)).with_events([steady]) == (steady, placed)
