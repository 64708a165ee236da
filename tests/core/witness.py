"""Of the machine's world: policies, what may happen, and what an observer writes down: each call to ECS, and what was
true when it was made.
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
    Limit,
    Pause,
    Policy,
    QueuePolicy,
    Workers,
)

HOLD_S, PER_S = 300.0, 60.0
STATIC = Fallback(FallbackBehavior.STATIC, 3)

PLAIN = Policy(
    name="orders",
    min_tasks=0,
    max_tasks=20,
    queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)),
    backlog_per_task=10.0,
    workers=Workers.SELF_PROTECTING,
    tolerance=0.0,
    busy_floor=False,
    deployments=DeploymentHold(at_most_s=HOLD_S),
)
POLICIES = (
    PLAIN,
    replace(PLAIN, min_tasks=2, max_tasks=30, fallback=STATIC),
    replace(PLAIN, max_tasks=8, scale_in=Direction(limits=(Limit(PER_S, tasks=4),))),
    replace(PLAIN, min_tasks=3, scale_in=Direction(90.0, 30.0), scale_out=Direction(cooldown_s=30.0)),
    replace(PLAIN, max_tasks=12, fallback=STATIC, scale_in=Direction(stabilization_s=0.0)),
)
"""A reload may go from any of them to any other. None looks farther back than every memory reaches: two minutes for
demands, one for changes.
"""

DEPTHS = (0, 5, 400)
"""Messages that wait after a disturbance: none, few, and more than any maximum is for."""

Disturbance: TypeAlias = Callable[[Any], object]

DISTURBANCES: Mapping[str, Disturbance] = {
    "nothing": lambda world: None,
    "a deployment": lambda world: world.a_deployment_begins_or_ends(rolling=True),
    "one queue": lambda world: world.queues_are_lost_or_found("q"),
    "both queues": lambda world: world.queues_are_lost_or_found("qr"),
    "both queues, twice": lambda world: world.blinks(),
    "a restart": lambda world: world.restart(),
    "paused in": lambda world: world.somebody_pauses_or_releases(Pause.IN),
    "paused out": lambda world: (world.somebody_pauses_or_releases(Pause.OUT), world.somebody_scales(5)),
    "paused below the minimum": lambda world: (world.somebody_pauses_or_releases(Pause.ALL), world.somebody_scales(1)),
    "pinned above the maximum": lambda world: world.somebody_pauses_or_releases(40),
    "pinned below the busy tasks": lambda world: (
        world.somebody_pauses_or_releases(4),
        world.tasks_protect_themselves(6),
    ),
    "switched off": lambda world: world.somebody_scales(0),
}
"""What may happen to a calm service, by a name: called with the machine of `test_machine.py`."""


@dataclass(frozen=True)
class Write:
    """One call to ECS, and what was true when it was made. `before` is the count that ECS had shown.

    `blind`: a queue could not be read; `failed`: in how many ticks in a row, this one counted, none could. `empty_s`
    and `empties`: for how long, and in how many readings in a row, this daemon has read no message. `off`: somebody
    had switched the service off.
    """

    at: float
    before: int
    after: int
    answer: str
    policy: Policy
    up_s: float
    blind: bool
    failed: int
    empty_s: float
    empties: int
    in_flight: int
    protected: int
    deploying_s: float | None
    off: bool

    @property
    def removed(self) -> int:
        return max(0, self.before - self.after)

    @property
    def at_a_count(self) -> bool:
        """Paused at a count: the operator's own word, above what the readings permit."""
        return isinstance(self.policy.paused, int)

    @property
    def falls_back(self) -> bool:
        return self.policy.fallback.tasks is not None and self.failed > self.policy.fallback.after
