"""The decision where the estimates are contradicted: scale-in to a bottleneck, probing, and the reported reasons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Knowledge, Regime
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Decision, Fleet, Observation, QueueReading, Rule, Unseen
from autoscaler.core.policy import Policy, ScaleIn, WorkerSafety
from autoscaler.core.slo import at_risk
from tests.core.calm import NOW, demands, rules
from tests.core.test_latency import known, policy

FREE = ScaleIn(stabilization_s=0.0, small_step_stabilization_s=0.0)
BEHIND = replace(known((300.0, 5000.0), load=40.0), bottleneck=14.5)


def free() -> Policy:
    return policy(scale_in=FREE, workers=WorkerSafety.DRAINING)


def seen(knowledge: Knowledge, waiting: int, in_flight: int, tasks: int, **changes: object) -> Observation:
    backlog = Backlog(waiting, in_flight, 0, NOW, oldest_age_s=300.0 if waiting else None)
    fleet = Fleet(tasks, tasks, 0, NOW)
    observation = Observation(NOW, fleet, (QueueReading("q", backlog),), knowledge=knowledge)
    return replace(observation, **changes)  # type: ignore[arg-type]


def decided(configured: Policy, observation: Observation) -> Decision:
    return decide(configured, Memory(), observation)


def test_at_a_bottleneck_the_service_scales_in_although_messages_are_late() -> None:
    decision = decided(free(), seen(BEHIND, 5000, 108, 108))
    assert decision.target == 15
    assert Rule.LATE not in rules(decided(free(), seen(BEHIND, 5000, 15, 15)))


def test_without_a_bottleneck_late_messages_prevent_a_scale_in() -> None:
    late = replace(known((300.0, 5.0)), bottleneck=None)
    assert decided(free(), seen(late, 5, 5, 50)).target == 50


@pytest.mark.parametrize(
    ("workers", "target"),
    [(WorkerSafety.DRAINING, 15), (WorkerSafety.UNSAFE, 108), (WorkerSafety.SELF_PROTECTING, 108)],
)
def test_at_a_bottleneck_only_workers_that_drain_are_stopped_while_busy(workers: WorkerSafety, target: int) -> None:
    assert decided(replace(free(), workers=workers), seen(BEHIND, 5000, 108, 108)).target == target


def test_at_a_bottleneck_protected_tasks_stay() -> None:
    observation = seen(BEHIND, 5000, 108, 108)
    protected = replace(observation, fleet=replace(observation.fleet, protected=60))
    assert decided(free(), protected).target == 60


def test_at_a_bottleneck_no_more_tasks_stay_than_are_occupied() -> None:
    quiet = replace(known(), bottleneck=14.5)
    assert decided(free(), seen(quiet, 0, 4, 50)).target == decided(free(), seen(known(), 0, 4, 50)).target == 4


def test_at_a_bottleneck_messages_that_sqs_did_not_show_keep_no_more_tasks_than_it() -> None:
    unseen = Unseen(600, 600, NOW - 60, 300.0, compared=True)
    assert decided(free(), seen(BEHIND, 5000, 108, 108, unseen=unseen)).target == 15


@pytest.mark.parametrize(("regime", "target"), [(Regime.UNIDENTIFIABLE, 85), (Regime.IDLE, 100)])
def test_more_messages_in_flight_than_slots_do_not_show_how_many_tasks_are_busy(regime: Regime, target: int) -> None:
    unclear = replace(known(load=100.0), regime=regime)
    assert decided(free(), seen(unclear, 0, 130, 100)).target == target


def test_messages_that_were_in_flight_at_other_consumers_do_not_keep_a_task_for_an_empty_queue() -> None:
    empty = demands((90.0, 0), (45.0, 0), (10.0, 0))
    unclear = replace(known(), regime=Regime.UNIDENTIFIABLE)
    assert decide(free(), empty, seen(unclear, 0, 0, 10)).target == 0


def test_a_bottleneck_is_reported_with_the_count_above_which_more_tasks_do_not_help() -> None:
    observation = seen(BEHIND, 5000, 14, 15)
    reason = at_risk(free(), observation, decided(free(), observation))
    assert reason is not None
    assert reason.cause.startswith("above 15 tasks, more tasks complete no more messages: ")


@pytest.mark.parametrize(
    ("knowledge", "words"),
    [
        (known((300.0, 5.0)), "the load or the processing time rose faster than tasks start"),
        (replace(known((300.0, 5.0)), regime=Regime.BATCH), "messages take much longer than before"),
    ],
)
def test_late_messages_are_reported_with_a_reason(knowledge: Knowledge, words: str) -> None:
    observation = seen(knowledge, 5, 5, 50)
    reason = at_risk(free(), observation, decided(free(), observation))
    assert reason is not None
    assert "5 messages of q waited longer than the latency target" in reason.cause
    assert words in reason.cause


@pytest.mark.parametrize(("start_s", "is_at_risk"), [(64.0, False), (66.0, True)])
def test_a_start_that_takes_longer_than_the_target_is_reported_while_messages_arrive(
    start_s: float, is_at_risk: bool
) -> None:
    """A poll of 10 s and a start: the headroom covers up to 1.25 x 60 s."""
    calm = known((5.0, 1.0), load=2.0)
    slow = replace(calm, start_s=calm.start_s._replace(value=start_s, weight=20.0))
    observation = seen(slow, 1, 2, 5)
    observation = replace(observation, queues=(QueueReading("q", Backlog(1, 2, 0, NOW, oldest_age_s=5.0)),))
    reason = at_risk(free(), observation, decided(free(), observation))
    assert (reason is not None) == is_at_risk
    if reason is not None:
        assert (
            "a poll and a start take 80 s; raise min_tasks, or set acceptable_latency to at least 80 s" in reason.text
        )
    assumed = replace(observation, knowledge=replace(slow, start_s=slow.start_s._replace(weight=0.0)))
    assert at_risk(free(), assumed, decided(free(), assumed)) is None, "an assumed start-up time is no evidence"


GROUPED = replace(known((300.0, 5000.0), load=40.0), groups=3.0)


def test_with_few_message_groups_the_service_scales_in_although_messages_are_late() -> None:
    assert decided(free(), seen(GROUPED, 5000, 2, 50)).target == 3
    assert decided(replace(free(), min_tasks=7), seen(GROUPED, 5000, 2, 50)).target == 7
    assert decided(free(), seen(GROUPED, 5000, 2, 2)).target == 3


def test_with_few_message_groups_busy_tasks_stay() -> None:
    assert decided(replace(free(), workers=WorkerSafety.UNSAFE), seen(GROUPED, 5000, 2, 50)).target == 50
    observation = seen(GROUPED, 5000, 2, 50)
    protected = replace(observation, fleet=replace(observation.fleet, protected=9))
    assert decided(free(), protected).target == 9


def test_messages_that_wait_for_their_group_are_reported() -> None:
    observation = seen(GROUPED, 5000, 2, 3)
    reason = at_risk(free(), observation, decided(free(), observation))
    assert reason is not None
    assert "wait for earlier messages of their group" in reason.cause


def test_a_trial_is_reported_and_limits_the_first_step() -> None:
    observation = seen(replace(known((300.0, 5000.0), load=40.0), trial=25.0), 5000, 10, 10)
    decision = decided(free(), observation)
    assert decision.target == 25
    reason = at_risk(free(), observation, decision)
    assert reason is not None
    assert "25 tasks are tried first" in reason.cause
