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
