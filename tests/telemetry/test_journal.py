"""The journal: a change is always logged, any other event once and then at most once a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.engine import decide
from autoscaler.core.model import Missing
from autoscaler.core.policy import Direction
from autoscaler.inspection.deciding import JournalLine
from autoscaler.inspection.replaying import Replayed, replayed
from autoscaler.ports import Poll, ServiceRef
from autoscaler.situation import decode
from autoscaler.telemetry.account import LogEvent
from autoscaler.telemetry.journal import REPEAT_S
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.status_store import MOST_DECISIONS
from tests.telemetry.polls import (
    JournalDesk,
    decided,
    holding,
    missing_signal,
    policy_of,
    refused,
    scaling_out,
    seen,
    shadowed,
    unread,
)

POLLS: list[Callable[[], Poll]] = [
    holding,
    scaling_out,
    missing_signal,
    refused,
    shadowed,
    unread,
    lambda: missing_signal("stale"),
]

STEPS_S = st.sampled_from([0.0, 1.0, 10.0, REPEAT_S - 0.5, REPEAT_S, REPEAT_S + 0.5, 60.0, 300.0])

SEQUENCES = st.lists(st.tuples(st.sampled_from(POLLS), STEPS_S), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("poll", "level", "event"),
    [
        (holding(), "info", "holding"),
        (scaling_out(), "info", "scaled"),
        (shadowed(), "info", "would_scale"),
        (refused(), "warning", "scale_failed"),
        (missing_signal(), "warning", "missing_signal"),
        (unread(), "warning", "missing_signal"),
    ],
)
def test_each_kind_of_poll_is_logged_with_its_event_and_level(poll: Poll, level: str, event: str) -> None:
    desk = JournalDesk()
    desk.record(poll)
    assert [entry[:2] for entry in desk.lines.entries] == [(level, event)]


@settings(deadline=None)
@given(SEQUENCES)
def test_every_accepted_change_is_logged(sequence: list[tuple[Callable[[], Poll], float]]) -> None:
    desk = JournalDesk()
    for kind, after_s in sequence:
        desk.record(kind(), after_s)
    assert desk.lines.events.count("scaled") == sum(kind is scaling_out for kind, _ in sequence)


@settings(deadline=None)
@given(SEQUENCES)
def test_a_polled_service_is_logged_at_least_once_a_minute(sequence: list[tuple[Callable[[], Poll], float]]) -> None:
    desk = JournalDesk()
    logged_at = None
    for kind, after_s in sequence:
        before = len(desk.lines.entries)
        desk.record(kind(), after_s)
        if len(desk.lines.entries) > before:
            logged_at = desk.clock.now
        assert logged_at is not None
        assert desk.clock.now - logged_at < REPEAT_S


@settings(deadline=None)
@given(SEQUENCES)
def test_only_a_change_is_logged_twice_within_a_minute(sequence: list[tuple[Callable[[], Poll], float]]) -> None:
    desk = JournalDesk()
    logged_at: dict[tuple[str, object], float] = {}
    for kind, after_s in sequence:
        before = len(desk.lines.entries)
        desk.record(kind(), after_s)
        for _, event, fields in desk.lines.entries[before:]:
            line = event, kind
            assert event == "scaled" or desk.clock.now - logged_at.get(line, -1e9) >= REPEAT_S, fields
            logged_at[line] = desk.clock.now


def test_a_lasting_failure_is_logged_once_a_minute_with_its_number_of_repeats() -> None:
    desk = JournalDesk()
    for _ in range(14):
        desk.record(missing_signal(), 10.0)
    assert desk.lines.events == ["missing_signal"] * 3
    assert [fields.get("repeated") for *_, fields in desk.lines.entries] == [None, 5, 5]


def test_a_failure_of_another_kind_is_logged_immediately_and_one_with_another_text_is_not() -> None:
    desk = JournalDesk()
    desk.record(missing_signal("denied", "request 1"))
    desk.record(missing_signal("denied", "request 2"), 1.0)
    desk.record(missing_signal("throttled", "request 3"), 1.0)
    assert [fields["faults"][0]["reason"] for *_, fields in desk.lines.entries] == ["request 1", "request 3"]


def test_the_end_of_a_failure_is_logged() -> None:
    desk = JournalDesk()
    for poll in (holding(), missing_signal(), missing_signal(), holding(), holding()):
        desk.record(poll, 1.0)
    assert desk.lines.events == ["holding", "missing_signal", "recovered"]


def test_in_shadow_each_new_target_is_logged_once() -> None:
    desk = JournalDesk()
    for messages in (100, 100, 50, 50, 100):
        desk.record(shadowed(messages), 1.0)
    assert [fields["target"] for *_, fields in desk.lines.entries] == [20, 10]


def test_a_line_of_one_service_does_not_suppress_the_line_of_another() -> None:
    desk = JournalDesk()
    for key in ("a", "b"):
        desk.record(decided(seen(), service=ServiceRef(key, "prod", key)))
    assert [fields["service"] for *_, fields in desk.lines.entries] == ["a", "b"]


def test_nothing_of_a_removed_service_remains() -> None:
    desk = JournalDesk()
    desk.record(missing_signal())
    desk.journal.forget("orders")
    assert (desk.store.statuses(), desk.store.recorded("orders"), desk.metrics.snapshot().services) == ((), (), ())
    desk.record(missing_signal(), 1.0)
    assert desk.lines.events == ["missing_signal", "missing_signal"]


WITH_COOLDOWN = policy_of(scale_out=Direction(cooldown_s=60.0))


@pytest.mark.parametrize(
    "poll",
    [scaling_out(), holding(), refused(), shadowed(), decided(seen(backlog=(100, 0, 0)), policy=WITH_COOLDOWN)],
)
def test_a_log_line_has_all_inputs_of_its_decision(poll: Poll) -> None:
    desk = JournalDesk()
    desk.record(poll)
    fields = desk.lines.entries[0][2]
    again = decide(*decode(fields["situation"]))
    assert poll.decision is not None
    assert (again.target, again.demand, again.steps) == (
        poll.decision.target,
        poll.decision.demand,
        poll.decision.steps,
    )


def test_the_line_of_a_change_has_its_names_counts_and_outcome() -> None:
    desk = JournalDesk()
    desk.record(scaling_out())
    fields = desk.lines.entries[0][2]
    subset = {
        key: fields[key] for key in ("service", "cluster", "ecs_service", "verdict", "current", "target", "outcome")
    }
    assert subset == {
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


def test_all_poll_lines_have_the_same_keys() -> None:
    desk = JournalDesk()
    for poll in (holding(), scaling_out(), missing_signal(), refused(), shadowed(), unread()):
        desk.record(poll)
    keys = {frozenset(fields) for *_, fields in desk.lines.entries}
    assert len(keys) == 1


def test_an_unread_service_is_logged_with_the_remedy() -> None:
    desk = JournalDesk()
    desk.record(unread("prod/orders-worker does not exist: check AUTOSCALER_SERVICE"))
    fields = desk.lines.entries[0][2]
    assert "check AUTOSCALER_SERVICE" in fields["sentence"]
    assert fields["faults"] == [
        {"signal": "ecs", "kind": "not_found", "reason": "prod/orders-worker does not exist: check AUTOSCALER_SERVICE"}
    ]


def test_the_stored_decisions_of_a_service_are_bounded() -> None:
    desk = JournalDesk()
    for _ in range(MOST_DECISIONS + 10):
        desk.record(scaling_out(), 1.0)
    stored = desk.store.recorded("orders")
    assert len(stored) == MOST_DECISIONS
    assert stored[-1].wall == desk.clock.wall()


def test_holding_lines_do_not_evict_a_stored_change() -> None:
    desk = JournalDesk()
    desk.record(scaling_out())
    for _ in range(3 * MOST_DECISIONS):
        desk.record(holding(), 60.0)
    events = [one.event for one in desk.store.recorded("orders")]
    assert (events[0], len(events)) == (LogEvent.SCALED, MOST_DECISIONS)
    for _ in range(MOST_DECISIONS):
        desk.record(scaling_out(), 1.0)
    assert {one.event for one in desk.store.recorded("orders")} == {LogEvent.SCALED}


def test_the_reminders_of_changing_texts_are_bounded() -> None:
    desk = JournalDesk()
    for number in range(600):
        desk.record(replace(holding(), notices=(Missing(f"word{number}", "refused"),)), 1.0)
    assert desk.lines.events.count("notice") == 600
    assert len(desk.journal._side_reminders["orders"]._logged) <= REPEAT_S + 1
    assert len(desk.journal._notices["orders"]._logged) == 1


def test_the_reminders_of_changing_targets_are_bounded() -> None:
    desk = JournalDesk()
    for targets in range(600):
        poll = decided(seen(backlog=(5 * targets, 0, 0)), "shadow", policy=policy_of(max_tasks=1_000))
        desk.record(poll, 1.0)
    assert len(desk.journal._reminders["orders"]._logged) <= 60


@pytest.mark.parametrize("routine", [holding, shadowed])
def test_with_thousands_of_services_a_thousand_routine_lines_are_logged_per_minute(routine: Callable[[], Poll]) -> None:
    desk = JournalDesk()
    services = [ServiceRef(f"s{number}", "prod", f"s{number}") for number in range(4000)]
    logged = list[int]()
    for _ in range(9):
        before = len(desk.lines.entries)
        for service in services:
            desk.record(replace(routine(), service=service), 60 / len(services))
        logged.append(len(desk.lines.entries) - before)
    assert logged[0] == len(services), "the first line of each service"
    assert sum(logged[1:]) <= 8 * 1000 * 1.01
    assert sum(logged[1:]) >= 8 * 1000 * 0.9


HOUR_S = 3600.0


def sparse() -> JournalDesk:
    return JournalDesk(log_interval_s=HOUR_S)


def test_with_a_log_interval_a_service_that_holds_is_logged_once_in_it() -> None:
    desk = sparse()
    for _ in range(3 * 360):
        desk.record(holding(), 10.0)
    assert desk.lines.events == ["holding"] * 3


@pytest.mark.parametrize("after_s", [HOUR_S - 1.0, HOUR_S])
def test_a_line_is_due_a_second_before_its_interval(after_s: float) -> None:
    desk = sparse()
    desk.record(holding())
    desk.record(holding(), HOUR_S - 1.5)
    desk.clock.now -= HOUR_S - 1.5
    desk.record(holding(), after_s)
    assert len(desk.lines.events) == 2


def test_with_a_log_interval_the_same_shadow_decision_is_logged_once_in_it_and_another_one_at_once() -> None:
    desk = sparse()
    for messages in (50, 100):
        for _ in range(360):
            desk.record(shadowed(messages), 10.0)
    assert [(event, fields["target"]) for _, event, fields in desk.lines.entries] == [
        ("would_scale", 10),
        ("would_scale", 20),
    ]


@pytest.mark.parametrize("between", [missing_signal, holding, scaling_out, lambda: shadowed(60), unread])
def test_a_shadow_decision_is_logged_again_after_another_line(between: Callable[[], Poll]) -> None:
    desk = sparse()
    for kind in (shadowed, shadowed, between, shadowed, shadowed):
        desk.record(kind(), REPEAT_S)
    assert len(desk.lines.events) == 3


@pytest.mark.parametrize(
    ("before", "holds"), [(shadowed, 1), (missing_signal, 0), (refused, 0), (scaling_out, 0), (holding, 0)]
)
def test_holding_is_logged_after_a_line_of_another_state(before: Callable[[], Poll], holds: int) -> None:
    """After a fault, `recovered` reports it."""
    desk = sparse()
    for kind in (before, holding, holding, holding):
        desk.record(kind(), REPEAT_S)
    assert desk.lines.events[1:].count("holding") == holds
    assert desk.lines.events[1:].count("recovered") == int(before in (missing_signal, refused))


@settings(deadline=None)
@given(SEQUENCES)
def test_the_log_interval_omits_only_routine_lines(sequence: list[tuple[Callable[[], Poll], float]]) -> None:
    """Every change, error, recovery and notice is logged at the same polls as without it."""
    usual, rare = JournalDesk(), sparse()
    for kind, after_s in sequence:
        for desk in (usual, rare):
            desk.record(replace(kind(), notices=(Missing("a", "refused"),)), after_s)
    routine = {"holding", "would_scale"}
    logged = [
        [
            (level, event, fields | {"repeated": 0})
            for level, event, fields in desk.lines.entries
            if event not in routine
        ]
        for desk in (usual, rare)
    ]
    assert logged[0] == logged[1]


@settings(deadline=None)
@given(SEQUENCES)
def test_the_log_interval_does_not_change_the_page(sequence: list[tuple[Callable[[], Poll], float]]) -> None:
    usual, rare = JournalDesk(), sparse()
    for kind, after_s in sequence:
        for desk in (usual, rare):
            desk.record(kind(), after_s)
    recorded = [[(one.wall, one.event) for one in desk.store.recorded("orders")] for desk in (usual, rare)]
    assert recorded[0] == recorded[1]


def test_every_line_of_a_sparse_log_can_be_replayed() -> None:
    desk = sparse()
    for kind in (holding, scaling_out, missing_signal, shadowed, holding):
        desk.record(kind(), HOUR_S)
    text = [as_json(fields).encode() for _, _, fields in desk.lines.entries]
    outcomes = list(replayed(JournalLine(number, line, 0) for number, line in enumerate(text, 1)))
    assert len(outcomes) == 5
    assert all(isinstance(one, Replayed) and one.alike for one in outcomes)


def test_the_reminders_of_a_removed_service_are_removed() -> None:
    desk = sparse()
    desk.record(holding())
    desk.journal.forget("orders")
    assert desk.journal._sparse_reminders == desk.journal._reminders == {}
