"""The SLO status of a service by one poll."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, TimedCount
from autoscaler.core.model import Backlog, Missing
from autoscaler.ports import Poll
from autoscaler.telemetry.account import faults_of
from autoscaler.telemetry.status_store import SloStatus, oldest_ages_s, slo_of
from tests.telemetry.polls import decided, missing_signal, policy_of, seen, unread


def known(*waiting: tuple[float, float], received: float = 0.0, late: float = 0.0) -> Knowledge:
    """Return the estimates for messages that wait: (seconds waited, messages), newest first."""
    sure = Estimate(5.0, inf)
    queue = QueueKnowledge("orders-queue", tuple(TimedCount(*one) for one in waiting))
    return Knowledge(sure, 5.0, 1.0, Estimate(1.0, inf), sure, 5.0, sure, 1.0, 1.0, 10.0, received, late, (queue,))


def learned(*waiting: tuple[float, float], tasks: int = 50, notices: tuple[Missing, ...] = (), **more: float) -> Poll:
    poll = decided(seen(tasks=tasks))
    assert poll.observation is not None
    seen_and_known = replace(poll.observation, knowledge=known(*waiting, **more))
    return replace(poll, observation=seen_and_known, notices=notices)


def status_of(poll: Poll | None) -> SloStatus:
    return slo_of(poll, () if poll is None else faults_of(poll)).status


@pytest.mark.parametrize(("waited_s", "status"), [(0.0, "met"), (60.0, "met"), (60.1, "missed")])
def test_the_target_is_missed_only_if_a_message_waits_longer_than_the_target(waited_s: float, status: str) -> None:
    assert status_of(learned((1.0, 5.0), (waited_s, 1.0))) == status


def test_a_fraction_of_a_late_message_does_not_miss_the_target() -> None:
    assert status_of(learned((500.0, 0.4))) is SloStatus.MET


def test_the_target_is_missed_if_messages_were_received_late() -> None:
    assert status_of(learned(received=9.0, late=0.4)) is SloStatus.MET
    answer = slo_of(learned(received=9.0, late=2.0), ())
    assert answer == (SloStatus.MISSED, "about 2 of 9 messages received since the last poll were late")


def test_the_target_is_at_risk_by_a_notice_or_by_the_expected_wait() -> None:
    notice = Missing("the latency target of 60 s requires 90 tasks: raise max_tasks", "slo_at_risk")
    assert slo_of(learned(notices=(notice,)), ()) == (SloStatus.AT_RISK, notice.reason)
    assert status_of(learned((1.0, 25.0), tasks=2)) is SloStatus.AT_RISK


def test_the_status_is_unknown_with_a_reason_if_a_signal_is_missing() -> None:
    assert status_of(None) is SloStatus.UNKNOWN
    denied = missing_signal(reason="not allowed")
    assert slo_of(denied, faults_of(denied)).reason == "not allowed"
    assert status_of(unread()) is SloStatus.UNKNOWN


def test_a_service_without_queues_has_no_latency_target() -> None:
    assert status_of(decided(seen(), policy=policy_of(queues=(), cpu_target_percent=50.0))) is SloStatus.NONE


def test_without_estimates_the_cloudwatch_age_counts_while_messages_wait() -> None:
    waiting = Backlog(5, 0, 0, at=1_000.0, oldest_age_s=90.0)
    assert status_of(decided(seen(backlog=waiting, tasks=20))) is SloStatus.MISSED
    assert oldest_ages_s(decided(seen(backlog=replace(waiting, visible=0)))) == {"orders-queue": 0.0}
    assert oldest_ages_s(decided(seen(backlog=(5, 0, 0)))) == {}
