"""A latency target at risk is reported with the number of tasks that would meet it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.memory import AcceptedChange, Memory
from autoscaler.core.model import Backlog, Decision, Fleet, Missing, Observation, QueueReading
from autoscaler.core.policy import Policy, RateLimit
from autoscaler.core.slo import at_risk, expected_wait_s, refused
from tests.core.calm import NOW
from tests.core.test_latency import known, policy


def seen(knowledge: Knowledge | None, waiting: int, tasks: int) -> Observation:
    queue = QueueReading("q", Backlog(waiting, 0, 0, NOW))
    return Observation(NOW, Fleet(tasks, tasks, 0, NOW), (queue,), knowledge=knowledge)


def decided(configured: Policy, observation: Observation, memory: Memory | None = None) -> tuple[str | None, Decision]:
    decision = decide(configured, memory or Memory.begun(observation.fleet, NOW - 3600), observation)
    advice = at_risk(configured, observation, decision)
    return None if advice is None else advice.text, decision


def test_a_maximum_that_is_too_low_is_reported_with_the_required_count() -> None:
    reason, decision = decided(policy(max_tasks=5), seen(known((50.0, 600.0)), 600, 5))
    needed = decision.votes[0].tasks
    assert needed > 5
    requires = f"the latency target of 60 s requires {needed} tasks"
    assert reason == f"max_tasks is 5, and {requires}; raise max_tasks or acceptable_latency"


def test_nothing_is_reported_if_the_target_is_the_required_count() -> None:
    reason, decision = decided(policy(), seen(known((50.0, 600.0)), 600, 5))
    assert decision.target > 5
    assert reason is None


def test_the_rule_that_limits_the_tasks_is_reported() -> None:
    slow = policy()
    slow = replace(slow, scale_out=replace(slow.scale_out, limits=(RateLimit(600.0, tasks=2),)))
    memory = replace(Memory.begun(Fleet(5, 5, 0, NOW), NOW - 3600), changes=(AcceptedChange(NOW - 60, 1),))
    reason, decision = decided(slow, seen(known((50.0, 600.0)), 600, 5), memory)
    assert reason is not None
    assert reason.startswith("scale_out.limits allows no more: the latency target of 60 s requires")
    assert reason.endswith(f"and only {decision.target} can run; raise scale_out.limits")


@pytest.mark.parametrize(("latency_s", "is_at_risk"), [(60.0, True), (84.9, True), (85.0, False), (300.0, False)])
def test_from_zero_the_target_is_at_risk_unless_it_covers_a_poll_and_a_start(
    latency_s: float, is_at_risk: bool
) -> None:
    """A poll every 10 s, and one task in ten takes 75 s or more to start: 85 s is enough."""
    reason, decision = decided(policy(latency_s), seen(known((5.0, 3.0)), 3, 0))
    assert decision.target > 0 or latency_s == 300.0, "with a long latency target it waits intentionally"
    assert (reason is not None) == is_at_risk
    if reason is not None:
        assert "set min_tasks to 1, or acceptable_latency to at least 85 s" in reason


def test_with_a_running_task_the_start_up_time_does_not_count() -> None:
    reason, _ = decided(policy(), seen(known((5.0, 3.0)), 3, 1))
    assert reason is None


def test_without_estimates_nothing_is_predicted() -> None:
    observation = seen(None, 600, 5)
    assert decided(policy(max_tasks=5), observation)[0] is None
    assert decided(policy(max_tasks=5, processing_time_s=5.0), observation)[0] is None, "the latency votes"
    assert expected_wait_s(observation) is None


def test_the_expected_wait_is_the_backlog_divided_by_the_throughput() -> None:
    """600 messages of 5 s on 5 tasks of 2 slots: 300 s."""
    assert expected_wait_s(seen(known((50.0, 600.0), slots=2.0), 600, 5)) == 300.0
    assert expected_wait_s(seen(known((50.0, 600.0)), 600, 0)) is None


@pytest.mark.parametrize("per_task", [None, 5.0])
def test_a_service_that_was_set_to_0_by_hand_is_at_risk_with_any_kind_of_demand(per_task: float | None) -> None:
    configured = policy(min_tasks=2, backlog_per_task=per_task)
    reason, decision = decided(configured, seen(known(), 0, 0), Memory(expected=5))
    assert decision.target == 0
    assert reason is not None
    assert "set to 0 by hand, and min_tasks is 2" in reason
    reason, _ = decided(configured, seen(known(), 30, 0), Memory(expected=5))
    assert reason is not None
    assert "30 messages wait" in reason


def test_the_waiting_messages_of_the_queues_that_were_read_are_reported_for_a_service_that_was_set_to_0() -> None:
    unread = QueueReading("r", Missing("it was denied", "denied"))
    observation = replace(seen(None, 30, 0), queues=(*seen(None, 30, 0).queues, unread))
    reason, _ = decided(policy(min_tasks=2), observation, Memory(expected=5))
    assert reason is not None
    assert "30 messages wait" in reason


def test_a_service_at_0_that_needs_no_task_is_not_at_risk() -> None:
    reason, _ = decided(policy(min_tasks=0), seen(known(), 0, 0), Memory(expected=0, off=True))
    assert reason is None


def test_a_refused_scale_out_is_reported_and_a_refused_scale_in_is_not() -> None:
    _, more = decided(policy(), seen(known((30.0, 500.0)), 500, 2))
    assert more.target > 2
    assert refused(more, "ECS throttled the call; it is repeated") == (
        f"{more.target} tasks are required, and 2 requested: ECS throttled the call",
        "it is repeated",
    )
    _, fewer = decided(policy(), seen(known(), 0, 9))
    assert refused(fewer, "ECS throttled the call") is None
    assert refused(replace(fewer, target=fewer.current), "ECS throttled the call") is None
