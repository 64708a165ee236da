"""The journal: changes are always told, everything else once and then once a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.engine import decide
from autoscaler.core.policy import Direction
from autoscaler.ports import ServiceRef, Tick
from autoscaler.situation import decode
from autoscaler.telemetry.account import Event
from autoscaler.telemetry.journal import REPEAT_S
from autoscaler.telemetry.status_store import MOST_DECISIONS
from tests.telemetry.ticks import Desk, blind, decided, holding, policy_of, refused, scaling_out, seen, shadowed, unread

KINDS: list[Callable[[], Tick]] = [holding, scaling_out, blind, refused, shadowed, unread, lambda: blind("stale")]

STEPS_S = st.sampled_from([0.0, 1.0, 10.0, REPEAT_S - 0.5, REPEAT_S, REPEAT_S + 0.5, 60.0, 300.0])

WALKS = st.lists(st.tuples(st.sampled_from(KINDS), STEPS_S), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("tick", "level", "event"),
    [
        (holding(), "info", "holding"),
        (scaling_out(), "info", "scaled"),
        (shadowed(), "info", "would_scale"),
        (refused(), "warning", "scale_failed"),
        (blind(), "warning", "missing_signal"),
        (unread(), "warning", "missing_signal"),
    ],
)
def test_each_kind_of_tick_is_an_event_of_its_own(tick: Tick, level: str, event: str) -> None:
    desk = Desk()
    desk.record(tick)
    assert [(said, name) for said, name, _ in desk.lines.said] == [(level, event)]


@settings(deadline=None)
@given(WALKS)
def test_every_accepted_change_is_told(walk: list[tuple[Callable[[], Tick], float]]) -> None:
    desk = Desk()
    for kind, after_s in walk:
        desk.record(kind(), after_s)
    assert desk.lines.events.count("scaled") == sum(kind is scaling_out for kind, _ in walk)


@settings(deadline=None)
@given(WALKS)
def test_a_service_that_ticks_is_never_unmentioned_for_a_minute(walk: list[tuple[Callable[[], Tick], float]]) -> None:
    desk = Desk()
    told_at = None
    for kind, after_s in walk:
        before = len(desk.lines.said)
        desk.record(kind(), after_s)
        if len(desk.lines.said) > before:
            told_at = desk.clock.now
        assert told_at is not None
        assert desk.clock.now - told_at < REPEAT_S


@settings(deadline=None)
@given(WALKS)
def test_nothing_but_a_change_is_told_twice_within_a_minute(walk: list[tuple[Callable[[], Tick], float]]) -> None:
    desk = Desk()
    told: dict[tuple[str, object], float] = {}
    for kind, after_s in walk:
        before = len(desk.lines.said)
        desk.record(kind(), after_s)
        for _, event, fields in desk.lines.said[before:]:
            line = event, kind
            assert event == "scaled" or desk.clock.now - told.get(line, -1e9) >= REPEAT_S, fields
            told[line] = desk.clock.now


def test_a_failure_that_goes_on_is_told_once_a_minute_with_how_often_it_happened() -> None:
    desk = Desk()
    for _ in range(14):
        desk.record(blind(), 10.0)
    assert desk.lines.events == ["missing_signal"] * 3
    assert [fields.get("repeated") for *_, fields in desk.lines.said] == [None, 5, 5]


def test_a_failure_of_another_kind_is_told_at_once_and_another_text_of_the_same_is_not() -> None:
    desk = Desk()
    desk.record(blind("denied", "request 1"))
    desk.record(blind("denied", "request 2"), 1.0)
    desk.record(blind("throttled", "request 3"), 1.0)
    assert [fields["faults"][0]["reason"] for *_, fields in desk.lines.said] == ["request 1", "request 3"]


def test_the_end_of_a_failure_is_told() -> None:
    desk = Desk()
    for tick in (holding(), blind(), blind(), holding(), holding()):
        desk.record(tick, 1.0)
    assert desk.lines.events == ["holding", "missing_signal", "recovered"]


def test_in_shadow_each_new_target_is_told_once() -> None:
    desk = Desk()
    for messages in (100, 100, 50, 50, 100):
        desk.record(shadowed(messages), 1.0)
    assert [fields["target"] for *_, fields in desk.lines.said] == [20, 10]


def test_one_service_does_not_silence_another() -> None:
    desk = Desk()
    for key in ("a", "b"):
        desk.record(decided(seen(), service=ServiceRef(key, "prod", key)))
    assert [fields["service"] for *_, fields in desk.lines.said] == ["a", "b"]


def test_a_service_that_is_forgotten_leaves_nothing_behind() -> None:
    desk = Desk()
    desk.record(blind())
    desk.journal.forget("orders")
    assert (desk.store.statuses(), desk.store.told("orders"), desk.metrics.snapshot().services) == ((), (), ())
    desk.record(blind(), 1.0)
    assert desk.lines.events == ["missing_signal", "missing_signal"]


COOLING = policy_of(scale_out=Direction(cooldown_s=60.0))


@pytest.mark.parametrize(
    "tick",
    [scaling_out(), holding(), refused(), shadowed(), decided(seen(backlog=(100, 0, 0)), policy=COOLING)],
)
def test_a_line_carries_all_that_is_needed_to_decide_again(tick: Tick) -> None:
    desk = Desk()
    desk.record(tick)
    fields = desk.lines.said[0][2]
    again = decide(*decode(fields["situation"]))
    assert tick.decision is not None
    assert (again.target, again.demand, again.steps) == (
        tick.decision.target,
        tick.decision.demand,
        tick.decision.steps,
    )


def test_the_line_of_a_change() -> None:
    desk = Desk()
    desk.record(scaling_out())
    fields = desk.lines.said[0][2]
    said = {
        key: fields[key] for key in ("service", "cluster", "ecs_service", "verdict", "current", "target", "outcome")
    }
    assert said == {
        "service": "orders",
        "cluster": "prod",
        "ecs_service": "orders-worker",
        "verdict": "scale_out",
        "current": 2,
        "target": 20,
        "outcome": "accepted",
    }
    assert fields["demand"] == 20
    assert fields["sentence"].startswith("orders: 2 -> 20 tasks")


def test_all_lines_have_the_same_keys() -> None:
    desk = Desk()
    for tick in (holding(), scaling_out(), blind(), refused(), shadowed(), unread()):
        desk.record(tick)
    keys = {frozenset(fields) for *_, fields in desk.lines.said}
    assert len(keys) == 1


def test_an_unread_service_is_told_with_the_remedy() -> None:
    desk = Desk()
    desk.record(unread("prod/orders-worker does not exist: check AUTOSCALER_SERVICE"))
    fields = desk.lines.said[0][2]
    assert "check AUTOSCALER_SERVICE" in fields["sentence"]
    assert fields["faults"] == [
        {"signal": "ecs", "kind": "not_found", "reason": "prod/orders-worker does not exist: check AUTOSCALER_SERVICE"}
    ]


def test_what_is_kept_of_a_service_is_bounded() -> None:
    desk = Desk()
    for _ in range(MOST_DECISIONS + 10):
        desk.record(scaling_out(), 1.0)
    told = desk.store.told("orders")
    assert len(told) == MOST_DECISIONS
    assert told[-1].wall == desk.clock.wall()


def test_a_change_is_not_driven_out_by_what_is_told_every_minute() -> None:
    desk = Desk()
    desk.record(scaling_out())
    for _ in range(3 * MOST_DECISIONS):
        desk.record(holding(), 60.0)
    told = [one.event for one in desk.store.told("orders")]
    assert (told[0], len(told)) == (Event.SCALED, MOST_DECISIONS)
    for _ in range(MOST_DECISIONS):
        desk.record(scaling_out(), 1.0)
    assert {one.event for one in desk.store.told("orders")} == {Event.SCALED}


def test_reminders_of_ever_new_targets_do_not_pile_up() -> None:
    desk = Desk()
    for targets in range(600):
        tick = decided(seen(backlog=(5 * targets, 0, 0)), "shadow", policy=policy_of(max_tasks=1_000))
        desk.record(tick, 1.0)
    assert len(desk.journal._reminders["orders"]._told) <= REPEAT_S + 1


def test_of_very_many_services_a_thousand_that_hold_are_told_of_in_a_minute() -> None:
    desk = Desk()
    services = [ServiceRef(f"s{number}", "prod", f"s{number}") for number in range(4000)]
    told = list[int]()
    for _ in range(9):
        before = len(desk.lines.said)
        for service in services:
            desk.record(replace(holding(), service=service), 60 / len(services))
        told.append(len(desk.lines.said) - before)
    assert told[0] == len(services), "each is told of once"
    assert sum(told[1:]) <= 8 * 1000 * 1.01
    assert sum(told[1:]) >= 8 * 1000 * 0.9
