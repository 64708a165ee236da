"""Whether the promise is kept, from one tick."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, Some
from autoscaler.core.model import Backlog, Missing
from autoscaler.ports import Tick
from autoscaler.telemetry.account import faults_of
from autoscaler.telemetry.slo import SloStatus, oldest_waits_s, slo_of
from tests.telemetry.ticks import blind, decided, policy_of, seen, unread


def known(*waiting: tuple[float, float], received: float = 0.0, late: float = 0.0) -> Knowledge:
    """What was learned where so many messages have waited for so long: (seconds, messages), newest first."""
    sure = Estimate(5.0, inf)
    queue = QueueKnowledge("orders-queue", tuple(Some(*one) for one in waiting))
    return Knowledge(sure, 5.0, 1.0, Estimate(1.0, inf), sure, 5.0, sure, 1.0, 1.0, 10.0, received, late, (queue,))


def learned(*waiting: tuple[float, float], tasks: int = 50, notices: tuple[Missing, ...] = (), **more: float) -> Tick:
    tick = decided(seen(tasks=tasks))
    assert tick.observation is not None
    seen_and_known = replace(tick.observation, knowledge=known(*waiting, **more))
    return replace(tick, observation=seen_and_known, notices=notices)


def told(tick: Tick | None) -> SloStatus:
    return slo_of(tick, () if tick is None else faults_of(tick)).status


@pytest.mark.parametrize(("waited_s", "status"), [(0.0, "met"), (60.0, "met"), (60.1, "missed")])
def test_it_is_broken_where_a_message_waits_longer_than_it_may_and_not_at_just_as_long(
    waited_s: float, status: str
) -> None:
    assert told(learned((1.0, 5.0), (waited_s, 1.0))) == status


def test_a_fraction_of_a_message_breaks_nothing() -> None:
    assert told(learned((500.0, 0.4))) is SloStatus.MET


def test_it_is_broken_where_messages_were_received_late() -> None:
    assert told(learned(received=9.0, late=0.4)) is SloStatus.MET
    answer = slo_of(learned(received=9.0, late=2.0), ())
    assert answer == (SloStatus.MISSED, "about 2 of 9 messages received since the last poll were late")


def test_it_is_at_risk_where_the_tick_says_so_or_what_comes_now_will_wait_too_long() -> None:
    notice = Missing("the promise of 60 s needs 90 tasks, and max_tasks is 20: raise it, or the latency", "slo_at_risk")
    assert slo_of(learned(notices=(notice,)), ()) == (SloStatus.AT_RISK, notice.reason)
    assert told(learned((1.0, 25.0), tasks=2)) is SloStatus.AT_RISK


def test_what_cannot_be_seen_is_not_known_and_says_why() -> None:
    assert told(None) is SloStatus.UNKNOWN
    assert slo_of(blind(reason="not allowed"), faults_of(blind(reason="not allowed"))).reason == "not allowed"
    assert told(unread()) is SloStatus.UNKNOWN


def test_nothing_is_promised_where_no_queue_is_followed() -> None:
    assert told(decided(seen(), policy=policy_of(queues=(), cpu_target_percent=50.0))) is SloStatus.NONE


def test_before_anything_was_learned_cloudwatchs_age_counts_while_messages_wait() -> None:
    waiting = Backlog(5, 0, 0, at=1_000.0, oldest_age_s=90.0)
    assert told(decided(seen(backlog=waiting, tasks=20))) is SloStatus.MISSED
    assert oldest_waits_s(decided(seen(backlog=replace(waiting, visible=0)))) == {"orders-queue": 0.0}
    assert oldest_waits_s(decided(seen(backlog=(5, 0, 0)))) == {}
