"""The cause that comes first: workers that delete nothing, and a mode that adds nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Estimate
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, DecisionStep, Flow, QueueReading, Rule, StartFailure, StartHold
from autoscaler.core.policy import Mode
from autoscaler.ports import Poll
from autoscaler.telemetry.account import PollFault, advice_of
from tests.core.calm import NOW
from tests.core.test_latency import known, policy
from tests.core.test_slo import seen
from tests.telemetry.polls import SERVICE

LATE = known((90.0, 400.0))


def late(minutes: tuple[Flow, ...] = (), processing_s: float = 20.0, mode: Mode = Mode.ACTIVE, tasks: int = 10) -> Poll:
    """Return a poll of `tasks` tasks, at most ten, whose 400 messages have waited longer than the target of 60 s.
    120 are in flight: too many for the rule `no_progress`.
    """
    knowledge = replace(LATE, processing_s=Estimate(processing_s, 50.0, NOW), slow_s=processing_s)
    configured = replace(policy(60.0), max_tasks=10, mode=mode)
    observation = replace(seen(knowledge, 0, tasks), queues=(QueueReading("q", Backlog(400, 120, 0, NOW)),))
    memory = replace(Memory(), flows=minutes)
    return Poll(SERVICE, configured, observation, memory, decide(configured, memory, observation), "unchanged")


def minutes(received: int, deleted: int = 0, newest_s: float = 60.0) -> tuple[Flow, ...]:
    return tuple(Flow(received, deleted, 10, NOW - newest_s - 60.0 * ago, waiting=400) for ago in (4, 3, 2, 1, 0))


def cause(poll: Poll) -> str:
    advice = advice_of(poll, ())
    assert advice is not None
    return advice.cause


def test_workers_that_delete_nothing_are_the_cause_and_not_the_maximum() -> None:
    poll = late(minutes(40))
    assert poll.decision is not None
    assert Rule.NO_PROGRESS not in {step.rule for step in poll.decision.steps}
    advice = advice_of(poll, ())
    assert advice is not None
    assert advice.cause == "messages are received but not deleted: 200 received and 0 deleted in 5 minutes"
    assert advice.remedy.startswith("check the workers' log")


@pytest.mark.parametrize(
    "poll",
    [
        late(),
        late(minutes(40, deleted=1)),
        late(minutes(40)[1:3]),
        late(minutes(4)),
        late(minutes(40, newest_s=301.0)),
        late(minutes(40), processing_s=600.0),
    ],
    ids=["unknown", "some deleted", "few minutes", "no more than the tasks hold", "old", "long messages"],
)
def test_without_that_evidence_the_maximum_is_the_cause(poll: Poll) -> None:
    assert cause(poll).startswith("max_tasks is 10")


def test_shadow_mode_is_the_cause_if_it_does_not_add_the_required_tasks() -> None:
    assert cause(late(mode=Mode.SHADOW, tasks=2)) == "shadow mode writes nothing: 10 tasks instead of 2"
    assert cause(late(mode=Mode.SHADOW)).startswith("max_tasks is 10"), "no change to write"
    assert cause(late(tasks=2)).startswith("max_tasks is 10")


def test_tasks_that_do_not_start_come_before_another_signal_that_cannot_be_read() -> None:
    """The rule binds whatever the signal would say: to read it would start no task."""
    poll = late()
    assert poll.decision is not None
    stalled = DecisionStep(Rule.STALLED_START, 30, 10, "8 tasks do not start: no capacity")
    stuck = replace(poll, decision=replace(poll.decision, steps=(stalled,)))
    gap = (PollFault("metric:lag", "unavailable", "prometheus did not answer; check the network"),)
    advice = advice_of(stuck, gap)
    assert advice is not None
    assert advice.cause == "8 tasks do not start: no capacity"
    assert advice_of(poll, gap) == ("prometheus did not answer", "check the network")


@pytest.mark.parametrize("hold", StartHold)
def test_starts_that_fail_are_the_cause_also_if_no_rule_limits_the_count(hold: StartHold) -> None:
    """Ten tasks are required and desired, and at this moment all of them run."""
    poll = late()
    assert poll.observation is not None
    failure = StartFailure("fix", "image_gone", "the image does not exist", "push it again", NOW, hold)
    failing = replace(poll.observation.fleet, failure=failure)
    advice = advice_of(replace(poll, observation=replace(poll.observation, fleet=failing)), ())
    assert advice is not None
    assert (advice == ("the image does not exist", "push it again")) is (hold is not StartHold.NOTHING)
