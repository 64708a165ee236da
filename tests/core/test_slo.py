"""When messages will wait longer than they may, it is said, with the number that would do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.memory import Change, Memory
from autoscaler.core.model import Backlog, Decision, Fleet, Observation, QueueReading
from autoscaler.core.policy import Limit, Policy
from autoscaler.core.slo import at_risk, expected_wait_s
from tests.core.calm import NOW
from tests.core.test_latency import known, policy


def seen(knowledge: Knowledge | None, waiting: int, tasks: int) -> Observation:
    queue = QueueReading("q", Backlog(waiting, 0, 0, NOW))
    return Observation(NOW, Fleet(tasks, tasks, 0, NOW), (queue,), knowledge=knowledge)


def told(wishes: Policy, looked: Observation, memory: Memory | None = None) -> tuple[str | None, Decision]:
    decision = decide(wishes, memory or Memory.begun(looked.fleet, NOW - 3600), looked)
    return at_risk(wishes, looked, decision), decision


def test_a_maximum_that_is_too_low_is_told_with_the_count_that_would_do() -> None:
    reason, decision = told(policy(max_tasks=5), seen(known((50.0, 600.0)), 600, 5))
    needed = decision.votes[0].tasks
    assert needed > 5
    assert (
        reason
        == f"the latency target of 60 s requires {needed} tasks, max_tasks is 5: raise max_tasks or acceptable_latency"
    )


def test_nothing_is_said_where_the_tasks_that_are_needed_are_asked_for() -> None:
    reason, decision = told(policy(), seen(known((50.0, 600.0)), 600, 5))
    assert decision.target > 5
    assert reason is None


def test_what_holds_the_tasks_back_is_told_by_its_name() -> None:
    slow = policy()
    slow = replace(slow, scale_out=replace(slow.scale_out, limits=(Limit(600.0, tasks=2),)))
    memory = replace(Memory.begun(Fleet(5, 5, 0, NOW), NOW - 3600), changes=(Change(NOW - 60, 1),))
    reason, decision = told(slow, seen(known((50.0, 600.0)), 600, 5), memory)
    assert reason is not None
    assert reason.endswith(f"and only {decision.target} can run: scale_out.limits allows no more")


@pytest.mark.parametrize(("latency_s", "is_told"), [(60.0, True), (84.9, True), (85.0, False), (300.0, False)])
def test_from_zero_it_holds_only_where_a_look_and_a_start_fit_into_the_latency(latency_s: float, is_told: bool) -> None:
    """A look every 10 s, and one task in ten takes 75 s to start: 85 s would do."""
    reason, decision = told(policy(latency_s), seen(known((5.0, 3.0)), 3, 0))
    assert decision.target > 0 or latency_s == 300.0, "with so much time it waits on purpose"
    assert (reason is not None) == is_told
    if reason is not None:
        assert "set min_tasks to 1, or acceptable_latency to at least 85 s" in reason


def test_with_a_task_running_a_start_is_not_waited_for() -> None:
    reason, _ = told(policy(), seen(known((5.0, 3.0)), 3, 1))
    assert reason is None


def test_without_knowledge_nothing_is_foretold() -> None:
    looked = seen(None, 600, 5)
    assert told(policy(max_tasks=5), looked)[0] is None
    assert expected_wait_s(looked) is None


def test_the_expected_wait_is_what_waits_by_what_the_tasks_receive() -> None:
    """600 messages of 5 s on 5 tasks of 2 slots: 300 s."""
    assert expected_wait_s(seen(known((50.0, 600.0), slots=2.0), 600, 5)) == 300.0
    assert expected_wait_s(seen(known((50.0, 600.0)), 600, 0)) is None
