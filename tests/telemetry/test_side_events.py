"""What is told beside decisions: drift, pauses, notices; and what a decision's line says of its inputs."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.memory import Memory
from autoscaler.core.model import Missing, Utilization
from autoscaler.core.policy import Pause
from autoscaler.ports import Tick
from autoscaler.telemetry import views
from autoscaler.telemetry.journal import REPEAT_S
from autoscaler.telemetry.status_store import ServiceState
from tests.telemetry.ticks import Desk, decided, holding, policy_of, scaling_out, seen, unread

CONFLICTING_SCALER = Missing("another autoscaler has a say: a target", "refused")


def drifted(expected: int = 7) -> Tick:
    return decided(seen(tasks=2), memory=Memory(expected=expected))


def paused(pause: Pause | int | None) -> Tick:
    return decided(seen(), policy=policy_of(paused=pause))


def noticed(*notices: Missing) -> Tick:
    return replace(holding(), notices=notices)


def told(desk: Desk, *events: str) -> list[tuple[str, str]]:
    """The levels and names of these lines."""
    return [(level, event) for level, event, _ in desk.lines.said if event in events]


def test_a_drift_is_told_with_both_counts_and_whose_it_is() -> None:
    desk = Desk()
    desk.record(drifted())
    level, _, fields = next(line for line in desk.lines.said if line[1] == "drift")
    assert (level, fields["from"], fields["to"]) == ("warning", 7, 2)
    assert (fields["service"], fields["cluster"], fields["ecs_service"]) == ("orders", "prod", "orders-worker")
    assert "from 7 to 2" in fields["sentence"]


def test_drifts_without_end_are_told_once_a_minute_and_all_counted() -> None:
    desk = Desk()
    for count in range(14):
        desk.record(drifted(expected=3 + count), 10.0)
    drifts = [fields for _, event, fields in desk.lines.said if event == "drift"]
    assert [fields.get("repeated") for fields in drifts] == [None, 5, 5]
    assert desk.metrics.snapshot().services[0][1].drifts == 14


def test_a_pause_that_begins_changes_or_ends_is_told_each_time() -> None:
    desk = Desk()
    for pause in (None, Pause.ALL, Pause.ALL, Pause.IN, None, Pause.IN, 0, None):
        desk.record(paused(pause), 1.0)
    events = [(event, fields["paused"]) for _, event, fields in desk.lines.said if event in ("paused", "resumed")]
    assert events == [
        ("paused", Pause.ALL),
        ("paused", Pause.IN),
        ("resumed", None),
        ("paused", Pause.IN),
        ("paused", 0),
        ("resumed", None),
    ]


def test_a_service_that_is_paused_from_the_start_is_told_of() -> None:
    desk = Desk()
    desk.record(paused(Pause.OUT))
    assert told(desk, "paused") == [("info", "paused")]


def test_a_notice_is_told_when_it_comes_up_and_stands_in_every_account() -> None:
    desk = Desk()
    for tick in (holding(), noticed(CONFLICTING_SCALER), noticed(CONFLICTING_SCALER), noticed(CONFLICTING_SCALER)):
        desk.record(tick, REPEAT_S)
    assert told(desk, "notice") == [("warning", "notice")]
    accounts = [fields["notices"] for _, event, fields in desk.lines.said if event == "holding"]
    assert accounts == [[], *[[{"kind": "refused", "text": CONFLICTING_SCALER.reason}]] * 3]


def test_a_notice_that_comes_and_goes_is_told_once_a_minute() -> None:
    desk = Desk()
    for turn in range(12):
        desk.record(noticed(CONFLICTING_SCALER) if turn % 2 else holding(), 10.0)
    assert len(told(desk, "notice")) == 2


def test_a_service_with_notices_is_served_all_the_same_and_ready_says_them() -> None:
    desk = Desk()
    desk.record(noticed(CONFLICTING_SCALER))
    status = desk.store.statuses()[0]
    assert status.state is ServiceState.OK
    ready, body = views.readiness(desk.store.statuses(), desk.clock())
    assert ready
    assert body["services"]["orders"]["notices"] == [{"kind": "refused", "text": CONFLICTING_SCALER.reason}]
    assert body["services"]["orders"]["faults"] == []


def test_asides_leave_with_their_service() -> None:
    desk = Desk()
    desk.record(drifted())
    desk.journal.forget("orders")
    assert desk.journal._asides == {}


def test_a_decision_says_what_each_signal_asked_for_and_how_old_each_reading_was() -> None:
    desk = Desk()
    policy = policy_of(cpu_target_percent=50.0)
    observation = seen(now=1_000.0, cpu=Utilization(60.0, at=940.0))
    desk.record(decided(replace(observation, now=1_002.5), policy=policy))
    fields = desk.lines.said[0][2]
    votes = {vote["signal"]: vote["tasks"] for vote in fields["votes"]}
    assert votes == {"backlog": 2, "cpu": 3}
    assert fields["ages_s"] == {"ecs": 2.5, "queue:orders-queue": 2.5, "cpu": 62.5}
    assert all(vote["reason"] for vote in fields["votes"])


def test_the_api_gives_the_same() -> None:
    desk = Desk()
    desk.record(scaling_out())
    status = desk.store.statuses()[0]
    entry = views.decisions(desk.store.told("orders"), status)["decisions"][-1]
    assert entry["votes"][0]["tasks"] == 20
    assert entry["ages_s"]["ecs"] == 0.0
    brief = views.services([status], desk.clock())["services"][0]["decision"]
    assert (brief["votes"], brief["ages_s"]) == (entry["votes"], entry["ages_s"])


def test_of_an_unread_service_there_are_none() -> None:
    desk = Desk()
    desk.record(unread())
    assert (desk.lines.said[0][2]["votes"], desk.lines.said[0][2]["ages_s"]) == ([], {})
