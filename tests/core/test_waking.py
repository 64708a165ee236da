"""Scale-out from 0: the activation threshold, the required readings, and the longest wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Measurement, MetricReading, Observation, QueueReading, Rule
from autoscaler.core.policy import Activation, MetricPolicy, QueuePolicy
from tests.core.calm import NOW, demands, policy, seen
from tests.core.test_latency import known


@pytest.mark.parametrize(("waking", "target"), [(0, 0), (1, 0), (2, 1)])
def test_the_configured_number_of_consecutive_readings_activates(waking: int, target: int) -> None:
    configured = policy(activation=Activation(0, 3))
    assert decide(configured, Memory(waking=waking), seen(9, desired=0)).target == target


def lag(value: float) -> Observation:
    return seen(0, desired=0, metrics=(MetricReading("lag", Measurement(value, NOW)),))


@pytest.mark.parametrize(
    ("threshold", "world", "wakes"),
    [
        (0, seen(1, desired=0), True),
        (0, seen(0, desired=0), False),
        (9, seen(9, desired=0), False),
        (8, seen(9, desired=0), True),
        (0, seen(9), False),  # not at 0 tasks
        (9, lag(7.0), True),  # a signal other than the queues has no threshold
        (9, lag(0.0), False),
    ],
)
def test_more_messages_than_the_threshold_or_another_signal_activate(
    threshold: int, world: Observation, wakes: bool
) -> None:
    configured = policy(activation=Activation(threshold, 1), metrics=(MetricPolicy("lag", target_per_task=7.0),))
    decision = decide(configured, Memory(), world)
    assert decision.wakes is wakes
    assert wakes == (decision.target > 0) or world.fleet.desired


@pytest.mark.parametrize(
    ("threshold", "waiting", "foreseen", "wakes"),
    [
        (0, 0, 0.0, False),
        (0, 0, 0.3, True),
        (5, 0, 5.0, False),
        (5, 0, 5.1, True),
        (5, 3, 2.0, False),
        (5, 3, 2.1, True),
    ],
)
def test_forecast_messages_activate_like_present_ones(
    threshold: int, waiting: int, foreseen: float, wakes: bool
) -> None:
    learned = replace(known((1.0, waiting), coming=((10.0, 40.0),)), foreseen=foreseen)
    world = replace(seen(waiting, desired=0), knowledge=learned)
    queues = (QueuePolicy("q", 60.0),)
    decision = decide(
        policy(processing_time_s=5.0, activation=Activation(threshold, 1), queues=queues), Memory(), world
    )
    assert decision.demand
    assert (decision.wakes, decision.target > 0) == (wakes, wakes)


def test_an_empty_queue_does_not_activate() -> None:
    assert decide(policy(), Memory(), seen(0, desired=0)).target == 0


def test_the_threshold_applies_to_every_vote_of_the_queues() -> None:
    late = (QueueReading("q", Backlog(9, 0, 0, NOW, oldest_age_s=60.0, oldest_tasks=4)),)
    for settings in ({"processing_time_s": 5.0}, {}):
        decision = decide(policy(activation=Activation(9, 1), **settings), Memory(), seen(0, desired=0, queues=late))
        assert all(vote.tasks for vote in decision.votes)
        assert not decision.wakes


def asleep(age_s: float | None, latency_s: float = 60.0, earlier: int = 1) -> int:
    """Return the target for a few messages with this oldest age, after `earlier` readings of them."""
    configured = policy(activation=Activation(1000, 1), queues=(QueuePolicy("q", latency_s),))
    old = (QueueReading("q", Backlog(9, 0, 0, NOW, oldest_age_s=age_s)),)
    memory = demands(*((0.5 * n, 1) for n in range(1, earlier + 1)))
    return decide(configured, memory, seen(0, desired=0, queues=old)).target


def test_a_message_at_the_latency_target_activates_from_its_second_reading() -> None:
    assert asleep(59.9) == 0
    assert asleep(60.0) > 0
    assert asleep(60.0, earlier=0) == 0
    assert asleep(0.5, latency_s=1.0) == 0
    assert asleep(1.0, latency_s=1.0) > 0
    assert asleep(None, latency_s=1.0) == 0


def test_an_empty_reading_restarts_the_wait() -> None:
    configured = policy(activation=Activation(1000, 1))
    assert decide(configured, demands((70, 1), (40, 0), (10, 1)), seen(9, desired=0)).target == 0
    assert decide(configured, demands((70, 1), (40, 1), (10, 1)), seen(9, desired=0)).target == 1


def test_without_activation_the_target_is_0() -> None:
    decision = decide(policy(activation=Activation(9, 1)), Memory(), seen(9, desired=0))
    assert [(step.rule, step.start, step.end) for step in decision.steps] == [(Rule.ACTIVATION, 1, 0)]


@pytest.mark.parametrize("desired", [1, 10])
def test_the_threshold_applies_only_at_0_tasks(desired: int) -> None:
    configured = policy(activation=Activation(1000, 3))
    assert decide(configured, Memory(), seen(300, desired=desired)).target == 30


def test_a_given_demand_activates_at_once() -> None:
    configured = policy(activation=Activation(1000, 3))
    assert decide(configured, Memory(), seen(0, desired=0, given=5)).target == 5
