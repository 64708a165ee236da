"""The policies and disturbances of the machine in `test_machine.py`, and the record of each call to ECS with the true
state at that time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from autoscaler.core.policy import (
    DeploymentHold,
    Direction,
    Fallback,
    FallbackBehavior,
    Pause,
    Policy,
    QueuePolicy,
    RateLimit,
    ScaleIn,
    WorkerSafety,
)

HOLD_S, PER_S = 300.0, 60.0
STATIC = Fallback(FallbackBehavior.STATIC, 3)

PLAIN = Policy(
    name="orders",
    min_tasks=0,
    max_tasks=20,
    queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)),
    backlog_per_task=10.0,
    workers=WorkerSafety.SELF_PROTECTING,
    tolerance=0.0,
    busy_floor=False,
    deployments=DeploymentHold(at_most_s=HOLD_S),
)
POLICIES = (
    PLAIN,
    replace(PLAIN, min_tasks=2, max_tasks=30, fallback=STATIC),
    replace(PLAIN, max_tasks=8, scale_in=ScaleIn(limits=(RateLimit(PER_S, tasks=4),), stabilization_s=0.0)),
    replace(PLAIN, min_tasks=3, scale_in=ScaleIn(90.0, 30.0), scale_out=Direction(cooldown_s=30.0)),
    replace(PLAIN, max_tasks=12, fallback=STATIC, scale_in=ScaleIn(stabilization_s=0.0)),
)
"""A reload can change any policy to any other. No policy needs demands older than two minutes or changes older than one
minute, which every memory stores.
"""

DEPTHS = (0, 5, 400)
"""The backlog after a disturbance: empty, small, and more than any maximum can process."""

Disturbance: TypeAlias = Callable[[Any], object]

DISTURBANCES: Mapping[str, Disturbance] = {
    "nothing": lambda world: None,
    "a deployment": lambda world: world.a_deployment_begins_or_ends(rolling=True),
    "one queue": lambda world: world.queues_become_unreadable_or_readable("q"),
    "both queues": lambda world: world.queues_become_unreadable_or_readable("qr"),
    "both queues, twice": lambda world: world.queues_are_unreadable_twice(),
    "a restart": lambda world: world.restart(),
    "paused in": lambda world: world.an_operator_pauses_or_resumes(Pause.IN),
    "paused out": lambda world: (world.an_operator_pauses_or_resumes(Pause.OUT), world.an_operator_sets_the_count(5)),
    "paused below the minimum": lambda world: (
        world.an_operator_pauses_or_resumes(Pause.ALL),
        world.an_operator_sets_the_count(1),
    ),
    "pinned above the maximum": lambda world: world.an_operator_pauses_or_resumes(40),
    "pinned below the busy tasks": lambda world: (
        world.an_operator_pauses_or_resumes(4),
        world.tasks_protect_themselves(6),
    ),
    "switched off": lambda world: world.an_operator_sets_the_count(0),
}
"""The disturbances of a calm service by name. Each is called with the machine of `test_machine.py`."""


@dataclass(frozen=True)
class WitnessedWrite:
    """One call to ECS and the true state at that time. `before` is the count that ECS had shown.

    `unread`: a queue could not be read. `failed_polls`: the number of consecutive polls, including this one, in which
    no queue could be read. `empty_s` and `empty_polls`: the seconds and the number of consecutive polls in which this
    daemon has read no message. `off`: an operator had set the count to 0.
    """

    at: float
    before: int
    after: int
    answer: str
    policy: Policy
    up_s: float
    unread: bool
    failed_polls: int
    empty_s: float
    empty_polls: int
    in_flight: int
    protected: int
    deploying_s: float | None
    off: bool

    @property
    def removed(self) -> int:
        return max(0, self.before - self.after)

    @property
    def at_a_count(self) -> bool:
        """Whether scaling is paused at a count. That setting overrides the readings."""
        return isinstance(self.policy.paused, int)

    @property
    def falls_back(self) -> bool:
        return self.policy.fallback.tasks is not None and self.failed_polls > self.policy.fallback.after
