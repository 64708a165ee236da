"""The policy of one service: validated settings in plain values. The settings build it; `decide` reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    ACTIVE = "active"
    SCALE_OUT_ONLY = "scale_out_only"
    SHADOW = "shadow"


class SelectLimit(StrEnum):
    """Which of several rate limits applies: that of the largest change, of the smallest, or no change at all."""

    MAX = "max"
    MIN = "min"
    DISABLED = "disabled"


class WorkerSafety(StrEnum):
    """What happens to work in progress on a scale-in.

    - self_protecting: busy tasks protect themselves, so the protected tasks are the floor.
    - draining: on SIGTERM, workers finish or give back their messages within stopTimeout.
    - unsafe: work can outlast stopTimeout and is lost, so the service scales in only when no message is in flight.
    """

    SELF_PROTECTING = "self_protecting"
    DRAINING = "draining"
    UNSAFE = "unsafe"


class FallbackBehavior(StrEnum):
    HOLD = "hold"
    STATIC = "static"
    CURRENT_IF_HIGHER = "current_if_higher"
    CURRENT_IF_LOWER = "current_if_lower"


class Pause(StrEnum):
    ALL = "all"
    IN = "in"
    OUT = "out"


class ConflictingScalers(StrEnum):
    """What to do if another autoscaler also scales the service: report it, or stop scaling the service."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The largest change within `per_s` seconds: in `tasks`, or in `percent` of the count at the start of the period.

    Exactly one of the two is set.
    """

    per_s: float
    tasks: int | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Direction:
    """The limits of one direction. Windows are half-open: an event of exactly that age no longer counts.

    `tolerance` None: the service's tolerance applies.
    """

    cooldown_s: float = 0.0
    stabilization_s: float = 0.0
    limits: tuple[RateLimit, ...] = ()
    select: SelectLimit = SelectLimit.MAX
    tolerance: float | None = None
    longest_window_s: float = field(init=False)

    def __post_init__(self) -> None:
        windows = (self.cooldown_s, self.stabilization_s, *(limit.per_s for limit in self.limits))
        object.__setattr__(self, "longest_window_s", max(windows))


@dataclass(frozen=True, slots=True)
class ScaleIn(Direction):
    """The limits of scale-in. `small_step_stabilization_s`: a scale-in by less than half requires that no higher demand
    occurred within that time. `utilization_stabilization_s`: a signal that is a mean over the tasks requires fewer of
    them only if no higher load occurred within that time.
    """

    stabilization_s: float = 20.0
    small_step_stabilization_s: float = 120.0
    utilization_stabilization_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Activation:
    """Scale out from zero if there are more than `messages` of work in `reads` consecutive readings."""

    messages: int = 0
    reads: int = 1


@dataclass(frozen=True, slots=True)
class Fallback:
    """What to do once every needed signal has been missing for more than `after` consecutive readings."""

    behavior: FallbackBehavior = FallbackBehavior.HOLD
    tasks: int | None = None
    after: int = 3


@dataclass(frozen=True, slots=True)
class DeploymentHold:
    """No scale-in during the first `at_most_s` seconds of a deployment."""

    hold_scale_in: bool = True
    at_most_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """One queue of the service, with the acceptable latency of its messages."""

    name: str
    acceptable_latency_s: float


@dataclass(frozen=True, slots=True)
class MetricPolicy:
    """A custom metric. At most one of the two targets is set; without a target only the formula uses the metric.

    `target_per_task`: the value that one task can handle, so demand is value / target. `target_value`: the value that
    the metric should have, independent of the task count, so demand is the task count at that time x value / target.
    """

    name: str
    target_per_task: float | None = None
    target_value: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of one service. Latencies and durations are in seconds, percentages from 0 to 100.

    `processing_time_s`: the processing time of one message (None: unknown). `task_concurrency`: the messages that a
    task processes at once. With `learn` these two are only the initial values, otherwise they are fixed.
    `look_ahead`: forecasts from past arrivals may raise the demand.
    `backlog_per_task`, `cpu_target_percent`, `memory_target_percent`: None disables that vote.
    `count_in_flight`, `count_delayed`: whether these messages require tasks; visible ones always do.
    `formula`: an expression over named signals that returns a number of tasks (`core/formula.py`), or None.
    `launch_per_minute`: the number of tasks that ECS launches for one service in a minute (500, in newer Regions 125).
    `stalled_after_s`: seconds after which tasks that have not started count as stalled.
    `paused`: a direction, a fixed count, or None. `schedule`: the name of the schedule that set the bounds in force, or
    None; `min_tasks` and `max_tasks` are those bounds. The two latencies at the end are derived: the shortest and the
    longest acceptable latency of the queues.
    `workers`: None if not configured; `core/workers.py` then assumes a kind.
    """

    name: str
    min_tasks: int
    max_tasks: int
    queues: tuple[QueuePolicy, ...] = ()
    acceptable_latency_s: float = 60.0
    processing_time_s: float | None = None
    task_concurrency: int = 1
    learn: bool = True
    look_ahead: bool = True
    workers: WorkerSafety | None = None
    count_in_flight: bool = True
    count_delayed: bool = False
    backlog_per_task: float | None = None
    cpu_target_percent: float | None = None
    memory_target_percent: float | None = None
    metrics: tuple[MetricPolicy, ...] = ()
    formula: str | None = None
    scale_out: Direction = field(default_factory=Direction)
    scale_in: ScaleIn = field(default_factory=ScaleIn)
    tolerance: float = 0.1
    activation: Activation = field(default_factory=Activation)
    fallback: Fallback = field(default_factory=Fallback)
    deployments: DeploymentHold = field(default_factory=DeploymentHold)
    busy_floor: bool = True
    launch_per_minute: int = 500
    stalled_after_s: float = 300.0
    conflicting_scalers: ConflictingScalers = ConflictingScalers.WARN
    mode: Mode = Mode.SHADOW
    paused: Pause | int | None = None
    schedule: str | None = None
    shortest_latency_s: float = field(init=False)
    longest_latency_s: float = field(init=False)
    _latencies_s: dict[str, float] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        latencies = [queue.acceptable_latency_s for queue in self.queues] or [self.acceptable_latency_s]
        object.__setattr__(self, "shortest_latency_s", min(latencies))
        object.__setattr__(self, "longest_latency_s", max(latencies))
        object.__setattr__(self, "_latencies_s", {queue.name: queue.acceptable_latency_s for queue in self.queues})

    def latency_of(self, queue: str) -> float:
        """Return the acceptable latency of the queue in seconds: its own, otherwise the service's."""
        return self._latencies_s.get(queue, self.acceptable_latency_s)
