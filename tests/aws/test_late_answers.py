"""ECS always answers with the state of some seconds ago: that is no other writer, and stops no scale-out.

The loop runs over the real adapter and protocol. The service is written by the autoscaler alone.
"""

from __future__ import annotations

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.control.cadence import Rhythm
from autoscaler.core.model import Rule
from tests.aws.double import AwsDouble
from tests.aws.spies import Spies
from tests.aws.test_stale_answers import POLL_S, Scene, scene
from tests.control.fakes import service


async def late_run(one: Scene, late_polls: int, polls: int, grows: int) -> None:
    """Poll while ECS answers with the state of `late_polls` polls ago, and the backlog requires more and more tasks."""
    states = [one.ecs.state()]
    for poll in range(polls):
        if poll % 12 == 0:
            one.queue.waiting += 10 * grows
        states.append(one.ecs.state())
        one.ecs.shown = states[max(0, len(states) - 1 - late_polls)]
        await one.poll()


def contested(one: Scene) -> bool:
    return any(notice.kind == Rule.CONTESTED for poll in one.queue.polls for notice in poll.notices)


def drifts(one: Scene) -> list[int]:
    """The changes by other writers that the log reports."""
    seen = [(poll.memory, poll.observation) for poll in one.queue.polls]
    found = [memory.drift(observation.fleet) for memory, observation in seen if observation is not None]
    return [drift for drift in found if drift]


@pytest.mark.parametrize("late_polls", [1, 8])
@pytest.mark.parametrize("limited", [True, False])
async def test_late_answers_are_no_other_writer(
    aws: Aws, double: AwsDouble, spies: Spies, late_polls: int, limited: bool
) -> None:
    one = scene(aws, double, spies, proves=True, limited=limited)
    one.queue.waiting = 79
    await late_run(one, late_polls, 96, 2)
    assert one.ecs.desired == 24, "each rise is answered"
    assert not contested(one)
    assert not drifts(one)


@pytest.mark.parametrize("proves", [True, False])
@pytest.mark.parametrize("late_polls", [0, 4])
async def test_another_writer_is_still_found_behind_late_answers(
    aws: Aws, double: AwsDouble, spies: Spies, late_polls: int, proves: bool
) -> None:
    """It sets 17 once a minute, and 40 tasks are required. Without a proof it takes 3 minutes longer."""
    one = scene(aws, double, spies, proves=proves, limited=False)
    one.ecs.set(40)
    one.queue.waiting = 399
    states = []
    for poll in range(72):
        if poll % 6 == 5:
            one.ecs.set(17)
        states.append(one.ecs.state())
        one.ecs.shown = states[max(0, poll - late_polls)]
        await one.poll()
    assert contested(one)


async def test_a_late_answer_of_zero_does_not_switch_the_service_off(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    """`min_tasks` becomes 3. The answers after the write still have 0: it is not a zero by an operator."""
    one = scene(aws, double, spies, proves=True)
    one.ecs.set(0)
    one.queue.in_flight = 0
    for _ in range(3):
        await one.poll()
    old = one.ecs.state()
    one.loop.adopt(service(min_tasks=3, max_tasks=50, learn=False), one.loop._ports, Rhythm(POLL_S))
    one.loop._apply_next()
    one.ecs.shown = old
    for _ in range(3):
        await one.poll()
    assert [poll.outcome for poll in one.queue.polls[-3:]] == ["accepted", "stale", "stale"]
    assert one.ecs.desired == 3
    one.ecs.shown = None
    await one.poll()
    decision = one.queue.polls[-1].decision
    assert decision is not None
    assert decision.rule is not Rule.SWITCHED_OFF
    assert one.ecs.desired == 3
