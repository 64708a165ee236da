"""ECS returns the state of some minutes ago: no write moves the real count in the wrong direction.

The loop runs over the real adapter and protocol. The observer sees the requests and the true count only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Backlog, Missing, Revision, Rule, Verdict
from autoscaler.core.policy import Direction, RateLimit, ScaleIn
from autoscaler.ports import Ports, QueueRef
from tests.aws.double import AwsDouble, AwsReply, ok
from tests.aws.spies import Spies
from tests.control.fakes import FakePorts, service

POLL_S = 10.0
CREATED = 1_700_000_000.0


@dataclass
class StaleEcs:
    """One service. `proves`: its answers have an update time that grows with each change."""

    spies: Spies
    proves: bool
    desired: int = 8
    updated: float = CREATED
    shown: dict[str, Any] | None = None
    controller: str = "ECS"
    writes: list[tuple[int, int]] = field(default_factory=list)

    def set(self, desired: int) -> None:
        self.desired = desired
        self.updated = self.spies.wall_s if self.proves else self.updated

    def state(self) -> dict[str, Any]:
        one = {"status": "PRIMARY", "createdAt": CREATED, "updatedAt": self.updated, "rolloutState": "COMPLETED"}
        counts = {"desiredCount": self.desired, "runningCount": self.desired, "pendingCount": 0}
        arn = {"serviceName": "orders", "serviceArn": "arn:aws:ecs:eu-west-1:1:service/prod/orders"}
        parts = {"deployments": [one]} if self.controller == "ECS" else {"deployments": [], "taskSets": [one]}
        return {
            **arn,
            **counts,
            "status": "ACTIVE",
            "createdAt": CREATED,
            "deploymentController": {"type": self.controller},
        } | parts

    def describe(self, _: dict[str, Any]) -> AwsReply:
        return ok({"services": [self.state() if self.shown is None else self.shown]})

    def update(self, body: dict[str, Any]) -> AwsReply:
        self.writes.append((self.desired, body["desiredCount"]))
        self.set(body["desiredCount"])
        return ok({"service": self.state()})


class Queue(FakePorts):
    def __init__(self, spies: Spies) -> None:
        super().__init__(in_flight=1)
        self.spies = spies

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        return Backlog(self.waiting, self.in_flight, 0, self.spies.now_s)


@dataclass
class Scene:
    ecs: StaleEcs
    queue: Queue
    loop: ServiceLoop
    verdicts: list[Verdict] = field(default_factory=list)

    async def poll(self) -> None:
        self.ecs.spies.pass_s(POLL_S)
        before = len(self.ecs.writes)
        poll = await self.loop.poll()
        self.queue.record(poll)
        if len(self.ecs.writes) > before:
            real, written = self.ecs.writes[-1]
            assert poll.decision is not None
            if poll.decision.verdict is Verdict.SCALE_OUT:
                assert written >= real, f"a scale-out from {poll.decision.current} set the real {real} to {written}"
            else:
                assert written <= real, f"a scale-in from {poll.decision.current} set the real {real} to {written}"


def scene(aws: Aws, double: AwsDouble, spies: Spies, *, proves: bool, limited: bool = True) -> Scene:
    ecs, queue = StaleEcs(spies, proves), Queue(spies)
    double.on("DescribeServices", ecs.describe)
    double.on("UpdateService", ecs.update)
    limits = (RateLimit(60.0, tasks=2),) if limited else ()
    configured = service(
        max_tasks=50,
        tolerance=0.0,
        learn=False,
        scale_out=Direction(limits=limits),
        scale_in=ScaleIn(stabilization_s=0.0, small_step_stabilization_s=0.0, limits=limits),
    )
    ports = Ports(
        queues=queue,
        meters=queue,
        metrics=queue,
        fleets=_Only(aws.fleets, queue),
        journal=queue,
        clock=lambda: spies.now_s,
        wall=lambda: spies.wall_s,
    )
    return Scene(ecs, queue, ServiceLoop(configured, ports, Rhythm(POLL_S)))


class _Only:
    """The real ECS adapter for counts and writes; the rest is not part of these tests."""

    def __init__(self, fleets: Any, rest: FakePorts) -> None:
        self.read, self.scale_to = fleets.read, fleets.scale_to
        self.protected, self.conflicting_scalers = rest.protected, rest.conflicting_scalers
        self.stop_timeout, self.task_size = rest.stop_timeout, rest.task_size
        self.newest_revision = rest.newest_revision


@pytest.mark.parametrize("proves", [True, False])
@pytest.mark.parametrize("stale_polls", [1, 5, 17])
async def test_a_scale_out_never_lowers_the_real_count(
    aws: Aws, double: AwsDouble, spies: Spies, proves: bool, stale_polls: int
) -> None:
    """8 tasks grow to 18. Then ECS returns the answer with 8 again, and the limit permits 10."""
    one = scene(aws, double, spies, proves=proves)
    one.queue.waiting = 79
    await one.poll()
    old = one.ecs.state()
    one.queue.waiting = 179
    while one.ecs.desired < 18:
        await one.poll()
    for _ in range(12):
        await one.poll()
    one.ecs.shown = old
    for _ in range(stale_polls):
        await one.poll()
    assert one.ecs.desired == 18
    one.ecs.shown = None
    one.queue.waiting = 209
    for _ in range(14):
        await one.poll()
    assert one.ecs.desired == 21, "it goes on as soon as the answers are new"


async def test_the_times_of_a_task_set_prove_too(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    """With CodeDeploy or an external controller, ECS returns task sets and no deployments."""
    one = scene(aws, double, spies, proves=True)
    one.ecs.controller = "EXTERNAL"
    one.queue.waiting = 79
    for _ in range(3):
        await one.poll()
    old = one.ecs.state()
    one.ecs.set(2)
    await one.poll()
    assert one.ecs.writes[-1] == (2, 4)
    await one.poll()
    one.ecs.shown = old
    await one.poll()
    assert one.queue.polls[-1].outcome == "stale"


@pytest.mark.parametrize("proves", [True, False])
async def test_a_scale_in_never_raises_the_real_count(aws: Aws, double: AwsDouble, spies: Spies, proves: bool) -> None:
    one = scene(aws, double, spies, proves=proves)
    one.ecs.set(40)
    one.queue.waiting = 399
    await one.poll()
    old = one.ecs.state()
    one.queue.waiting = 379
    while one.ecs.desired > 38:
        await one.poll()
    one.queue.waiting = 99
    for _ in range(60):
        await one.poll()
    low = one.ecs.desired
    assert low < 30
    one.ecs.shown = old
    for _ in range(17):
        await one.poll()
    assert one.ecs.desired == low


async def test_a_proven_stale_answer_is_missing_for_minutes_and_then_used(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    one = scene(aws, double, spies, proves=True)
    one.queue.waiting = 79
    await one.poll()
    old = one.ecs.state()
    one.queue.waiting = 99
    for _ in range(3):
        await one.poll()
    one.ecs.shown = old
    await one.poll()
    assert (one.queue.polls[-1].outcome, one.queue.polls[-1].decision) == ("stale", None)
    assert "older state of service orders" in (one.queue.polls[-1].failure or "")
    for _ in range(95):
        await one.poll()
    used = [poll for poll in one.queue.polls[-95:] if poll.decision is not None]
    assert used, "a wrong time of AWS does not stop the service for ever"
    assert one.queue.polls[-1].outcome == "stale", "after its next write, the old answer is proven to be stale again"


@pytest.mark.parametrize("proves", [True, False])
async def test_a_count_that_another_writer_sets_is_answered_in_the_same_poll(
    aws: Aws, double: AwsDouble, spies: Spies, proves: bool
) -> None:
    """A pipeline resets the count to 2 under load. With a limit, that needs an answer that proves to be newer."""
    one = scene(aws, double, spies, proves=proves, limited=proves)
    one.queue.waiting = 79
    for _ in range(3):
        await one.poll()
    one.ecs.set(2)
    await one.poll()
    assert one.ecs.writes[-1] == (2, 4 if proves else 8)


async def test_without_proof_and_with_a_limit_another_count_is_believed_after_three_minutes(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    one = scene(aws, double, spies, proves=False)
    one.queue.waiting = 79
    for _ in range(3):
        await one.poll()
    one.ecs.set(2)
    await one.poll()
    decision = one.queue.polls[-1].decision
    assert decision is not None
    assert decision.rule is Rule.UNCONFIRMED
    assert "not confirmed that the count is not 8" in decision.steps[-1].reason
    for _ in range(18):
        await one.poll()
    assert one.ecs.writes[0] == (2, 4)


@pytest.mark.parametrize("seed", range(4))
async def test_random_stale_answers_lead_to_no_wrong_write(
    aws: Aws, double: AwsDouble, spies: Spies, seed: int
) -> None:
    """A tenth of the answers are up to five minutes old, in runs of up to ten polls; the load changes at random."""
    draw = Random(seed)
    one = scene(aws, double, spies, proves=seed % 2 == 0, limited=seed % 4 < 2)
    states, stale_polls = [], 0
    for _ in range(100):
        if draw.random() < 0.1:
            one.queue.waiting = draw.choice([9, 79, 99, 199, 399])
        states.append(one.ecs.state())
        if stale_polls == 0 and draw.random() < 0.05:
            stale_polls, one.ecs.shown = draw.randint(1, 10), draw.choice(states[-30:])
        stale_polls = max(0, stale_polls - 1)
        if stale_polls == 0:
            one.ecs.shown = None
        await one.poll()
    assert one.ecs.writes


@pytest.mark.parametrize(
    ("old", "new", "newer"),
    [
        (Revision(1.0, 5.0, 9.0), Revision(1.0, 6.0, 9.0), True),
        (Revision(1.0, 5.0, 9.0), Revision(1.0, 4.0, 10.0), True),
        (Revision(1.0, 5.0, 9.0), Revision(2.0, 2.0, 10.0), True),
        (Revision(1.0, 5.0, 9.0), Revision(1.0, 5.0, 9.0), False),
        (Revision(3.0, 5.0, 9.0), Revision(1.0, 6.0, 9.0), False),
        (Revision(1.0, None, 9.0), Revision(1.0, 6.0, 9.0), False),
        (Revision(), Revision(1.0, 6.0, 9.0), False),
        (Revision(1.0, 5.0, None), Revision(1.0, 6.0, 9.0), True),
    ],
)
def test_only_the_times_of_events_and_of_one_deployment_are_compared(old: Revision, new: Revision, newer: bool) -> None:
    """After a rollback, the primary deployment is an older one: that proves nothing."""
    assert new.is_newer_than(old) is newer
    assert not old.is_newer_than(new)
