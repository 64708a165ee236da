"""The side events (drift, pauses, notices), and the inputs in the log line of a decision."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.memory import Memory
from autoscaler.core.model import Missing, Utilization
from autoscaler.core.policy import Pause
from autoscaler.ports import Poll
from autoscaler.telemetry import views
from autoscaler.telemetry.journal import REPEAT_S
from autoscaler.telemetry.status_store import ServiceState
from tests.telemetry.polls import JournalDesk, decided, holding, policy_of, scaling_out, seen, unread

CONFLICTING_SCALER = Missing("another autoscaler scales this service: a target", "refused")


def drifted(expected: int = 7) -> Poll:
    return decided(seen(tasks=2), memory=Memory(expected=expected))


def paused(pause: Pause | int | None) -> Poll:
    return decided(seen(), policy=policy_of(paused=pause))


def noticed(*notices: Missing) -> Poll:
    return replace(holding(), notices=notices)


def logged(desk: JournalDesk, *events: str) -> list[tuple[str, str]]:
    """Return the level and event of each line with one of these events."""
    return [(level, event) for level, event, _ in desk.lines.entries if event in events]


def test_a_drift_is_logged_with_both_counts_and_the_service() -> None:
    desk = JournalDesk()
    desk.record(drifted())
    level, _, fields = next(line for line in desk.lines.entries if line[1] == "drift")
    assert (level, fields["from"], fields["to"]) == ("warning", 7, 2)
    assert (fields["service"], fields["cluster"], fields["ecs_service"]) == ("orders", "prod", "orders-worker")
    assert "from 7 to 2" in fields["sentence"]


def test_repeated_drifts_are_logged_once_a_minute_and_all_counted() -> None:
    desk = JournalDesk()
    for count in range(14):
        desk.record(drifted(expected=3 + count), 10.0)
    drifts = [fields for _, event, fields in desk.lines.entries if event == "drift"]
    assert [fields.get("repeated") for fields in drifts] == [None, 5, 5]
    assert desk.metrics.snapshot().services[0][1].drifts == 14


def test_every_start_change_and_end_of_a_pause_is_logged() -> None:
    desk = JournalDesk()
    for pause in (None, Pause.ALL, Pause.ALL, Pause.IN, None, Pause.IN, 0, None):
        desk.record(paused(pause), 1.0)
    events = [(event, fields["paused"]) for _, event, fields in desk.lines.entries if event in ("paused", "resumed")]
    assert events == [
        ("paused", Pause.ALL),
        ("paused", Pause.IN),
        ("resumed", None),
        ("paused", Pause.IN),
        ("paused", 0),
        ("resumed", None),
    ]


def test_a_service_that_is_paused_from_the_start_is_logged() -> None:
    desk = JournalDesk()
    desk.record(paused(Pause.OUT))
    assert logged(desk, "paused") == [("info", "paused")]


def test_a_new_notice_is_logged_once_and_is_in_every_poll_line() -> None:
    desk = JournalDesk()
    for poll in (holding(), noticed(CONFLICTING_SCALER), noticed(CONFLICTING_SCALER), noticed(CONFLICTING_SCALER)):
        desk.record(poll, REPEAT_S)
    assert logged(desk, "notice") == [("warning", "notice")]
    accounts = [fields["notices"] for _, event, fields in desk.lines.entries if event == "holding"]
    assert accounts == [[], *[[{"kind": "refused", "text": CONFLICTING_SCALER.reason}]] * 3]


def test_an_intermittent_notice_is_logged_once_a_minute() -> None:
    desk = JournalDesk()
    for number in range(12):
        desk.record(noticed(CONFLICTING_SCALER) if number % 2 else holding(), 10.0)
    assert len(logged(desk, "notice")) == 2


def test_a_service_with_notices_is_ready_and_the_readiness_lists_them() -> None:
    desk = JournalDesk()
    desk.record(noticed(CONFLICTING_SCALER))
    status = desk.store.statuses()[0]
    assert status.state is ServiceState.OK
    ready, body = views.readiness(desk.store.statuses(), desk.clock())
    assert ready
    assert body["services"]["orders"]["notices"] == [{"kind": "refused", "text": CONFLICTING_SCALER.reason}]
    assert body["services"]["orders"]["faults"] == []


def test_the_side_events_of_a_removed_service_are_removed() -> None:
    desk = JournalDesk()
    desk.record(drifted())
    desk.journal.forget("orders")
    assert desk.journal._side_reminders == {}


def test_a_decision_is_logged_with_the_tasks_of_each_signal_and_the_age_of_each_reading() -> None:
    desk = JournalDesk()
    policy = policy_of(cpu_target_percent=50.0)
    observation = seen(now=1_000.0, cpu=Utilization(60.0, at=940.0))
    desk.record(decided(replace(observation, now=1_002.5), policy=policy))
    fields = desk.lines.entries[0][2]
    votes = {vote["signal"]: vote["tasks"] for vote in fields["votes"]}
    assert votes == {"backlog": 2, "cpu": 3}
    assert fields["ages_s"] == {"ecs": 2.5, "queue:orders-queue": 2.5, "cpu": 62.5}
    assert all(vote["reason"] for vote in fields["votes"])


def test_the_api_returns_the_same_votes_and_ages() -> None:
    desk = JournalDesk()
    desk.record(scaling_out())
    status = desk.store.statuses()[0]
    entry = views.decisions(desk.store.recorded("orders"), status)["decisions"][-1]
    assert entry["votes"][0]["tasks"] == 20
    assert entry["ages_s"]["ecs"] == 0.0
    brief = views.services([status], desk.clock())["services"][0]["decision"]
    assert (brief["votes"], brief["ages_s"]) == (entry["votes"], entry["ages_s"])


def test_an_unread_service_has_no_votes_and_no_ages() -> None:
    desk = JournalDesk()
    desk.record(unread())
    assert (desk.lines.entries[0][2]["votes"], desk.lines.entries[0][2]["ages_s"]) == ([], {})


def risk(text: str) -> Missing:
    return Missing(text, "slo_at_risk")


def texts(desk: JournalDesk) -> list[str]:
    return [fields["text"] for _, event, fields in desk.lines.entries if event == "notice"]


def test_a_notice_whose_number_changes_at_each_poll_is_logged_at_changes_of_a_tenth() -> None:
    desk = JournalDesk()
    for tasks in range(100, 200):
        desk.record(noticed(risk(f"the latency target of 60 s requires {tasks} tasks, max_tasks is 20")), REPEAT_S)
    logged_tasks = [int(text.split()[7]) for text in texts(desk)]
    assert logged_tasks == [100, 111, 123, 136, 150, 166, 183]


def test_a_notice_is_compared_with_the_one_that_was_logged_not_with_the_poll_before() -> None:
    desk = JournalDesk()
    for count in (1_000, 1_100, 1_000, 900, 899, 1_000, 1.0):
        desk.record(noticed(risk(f"{count:,} messages of orders waited longer")), REPEAT_S)
    assert [text.split()[0] for text in texts(desk)] == ["1,000", "899", "1,000", "1.0"]


def test_any_number_of_a_notice_that_changed_by_more_than_a_tenth_is_enough() -> None:
    desk = JournalDesk()
    for changed, total in ((12, 180), (12, 190), (13, 190), (14, 190), (14, 150)):
        desk.record(noticed(Missing(f"changed {changed} times in {total} s", "drift")), REPEAT_S)
    assert texts(desk) == ["changed 12 times in 180 s", "changed 14 times in 190 s", "changed 14 times in 150 s"]


def test_a_number_that_was_zero_is_logged_when_it_is_not() -> None:
    desk = JournalDesk()
    for count in (0, 0, 1, 0):
        desk.record(noticed(risk(f"{count} tasks")), REPEAT_S)
    assert texts(desk) == ["0 tasks", "1 tasks", "0 tasks"]


def test_a_change_within_the_minute_is_logged_after_it() -> None:
    desk = JournalDesk()
    for tasks in (10, 20, 20, 20, 20, 20, 20, 20):
        desk.record(noticed(risk(f"{tasks} tasks")), 10.0)
    assert texts(desk) == ["10 tasks", "20 tasks"]


def test_other_words_another_kind_and_another_name_are_another_notice() -> None:
    desk = JournalDesk()
    for notice in (
        risk("2 tasks of orders-100 wait"),
        risk("2 tasks of orders-101 wait"),
        risk("2 tasks of orders-101 fail"),
        Missing("2 tasks of orders-101 fail", "refused"),
    ):
        desk.record(noticed(notice), REPEAT_S)
    assert len(texts(desk)) == 4


def test_a_text_that_has_the_sign_of_a_number_is_another_notice() -> None:
    desk = JournalDesk()
    for text in ("item # was refused", "item 5 was refused", "item # was refused", "item 5 of # was refused"):
        desk.record(noticed(risk(text)), REPEAT_S)
    assert len(texts(desk)) == 4


def test_notices_that_differ_only_in_a_number_are_each_logged_once() -> None:
    desk = JournalDesk()
    for number in range(3):
        both = [risk(f"queue 10{which} is late by {number + 100} s") for which in (0, 1, 2)[: number + 1]]
        desk.record(noticed(*both), REPEAT_S)
    assert texts(desk) == [f"queue 10{which} is late by {which + 100} s" for which in (0, 1, 2)]


def test_an_id_of_a_request_is_not_another_notice() -> None:
    desk = JournalDesk()
    for digit in "0123456789":
        request = f"{digit * 8}-1111-4abc-8def-{digit * 12}"
        desk.record(noticed(Missing(f"failed (Request ID: {request}); it is tried again", "denied")), REPEAT_S)
    assert len(texts(desk)) == 1


def test_a_notice_that_ended_and_begins_again_is_logged_again() -> None:
    desk = JournalDesk()
    for poll in (noticed(risk("10 tasks")), holding(), noticed(risk("10 tasks"))):
        desk.record(poll, REPEAT_S)
    assert texts(desk) == ["10 tasks", "10 tasks"]


def test_a_poll_that_fails_does_not_end_the_notices() -> None:
    """A failed poll has only some of the notices."""
    desk = JournalDesk()
    for poll in (noticed(risk("10 tasks")), unread(), noticed(risk("10 tasks")), unread(), noticed(risk("10 tasks"))):
        desk.record(poll, REPEAT_S)
    assert texts(desk) == ["10 tasks"]


def test_a_shadow_target_that_changes_a_little_at_each_poll_is_not_logged_at_each_poll() -> None:
    desk = JournalDesk()
    for step in range(360):  # an hour
        observation = seen(backlog=(500 + 5 * (step % 3), 0, 0))
        desk.record(decided(observation, "shadow", policy=policy_of(max_tasks=5_000)), 10.0)
    events = [event for _, event, _ in desk.lines.entries if event == "would_scale"]
    assert 60 <= len(events) <= 121, "about one a minute, or two at a limit between tenths"
