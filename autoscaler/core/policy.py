"""What the operator wants of one service, validated, in plain values. The settings build it; `decide` reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    ACTIVE = "active"
    SCALE_OUT_ONLY = "scale_out_only"
    SHADOW = "shadow"


class Select(StrEnum):
    """Which of several rate limits counts: that of the larger change, of the smaller, or no change at all."""

    MAX = "max"
    MIN = "min"
    DISABLED = "disabled"


class Workers(StrEnum):
    """What a scale-in may do to work in progress.

    self_protecting: busy tasks protect themselves, so the protected tasks are the floor.
    draining: on SIGTERM they finish or give back what they hold within stopTimeout.
    unsafe: work outlasts stopTimeout and is lost, so in only when nothing is in flight.
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
    """What to do where another autoscaler has a say over the same service: say so, or leave the service to it."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so much change within `per_s` seconds: `tasks`, or `percent` of the count at the period's start.

    Exactly one of the two is given.
    """

    per_s: float
    tasks: int | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Direction:
    """The restraints of one direction. Windows are half-open: at exactly that age an event no longer counts.

    `tolerance` None: the service's.
    """

    cooldown_s: float = 0.0
    stabilization_s: float = 0.0
    limits: tuple[Limit, ...] = ()
    select: Select = Select.MAX
    tolerance: float | None = None
    longest_window_s: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        windows = (self.cooldown_s, self.stabilization_s, *(limit.per_s for limit in self.limits))
        object.__setattr__(self, "longest_window_s", max(windows))


@dataclass(frozen=True, slots=True)
class Activation:
    """Waking from zero: more than `messages` of work, seen in `reads` consecutive readings."""

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
    """No scale-in during a deployment, for at most `at_most_s` of it."""

    hold_scale_in: bool = True
    at_most_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """One queue of the service, with the latency that its messages may have."""

    name: str
    acceptable_latency_s: float


@dataclass(frozen=True, slots=True)
class MetricPolicy:
    """Any measured number that tasks should follow. At most one of the targets is given; with none it is there for the
    formula only.

    `target_per_task`: what one task can bear, so that demand is value / target. `target_value`: what the number
    should be whatever runs, so that demand is the tasks of its time x value / target.
    """

    name: str
    target_per_task: float | None = None
    target_value: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The wishes for one service. Latencies and durations in seconds, percentages from 0 to 100.

    `processing_time_s` is what one message takes (None: not known). `task_concurrency` is how many messages a
    task works on at once. With `learn` both are only where learning begins, else they stand.
    `look_ahead`: what the past says of the coming minutes may raise the demand.
    `small_step_stabilization_s`: a scale-in by less than half waits until no more was asked for within that time.
    `backlog_per_task`, `cpu_target_percent`, `memory_target_percent`: None, no such vote.
    `count_in_flight`, `count_delayed`: whether these messages ask for tasks; visible ones always do.
    `formula`: an expression over named signals that gives a number of tasks (`core/formula.py`), or None.
    `launch_per_minute`: how many tasks ECS launches for one service in a minute (500, in newer Regions 125).
    `stalled_after_s`: tasks that have not come up for so long stall the service.
    `paused`: a direction, a count to stand at, or None. `schedule`: the name of the schedule that set the bounds in
    force, or None; `min_tasks` and `max_tasks` are those in force. The latencies at the end are derived: those of the
    queue that may wait the shortest and the longest.
    `workers`: None where the operator did not say; then `core/workers.py` assumes a kind.
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
    workers: Workers | None = None
    count_in_flight: bool = True
    count_delayed: bool = False
    backlog_per_task: float | None = None
    cpu_target_percent: float | None = None
    memory_target_percent: float | None = None
    metrics: tuple[MetricPolicy, ...] = ()
    formula: str | None = None
    scale_out: Direction = field(default_factory=Direction)
    scale_in: Direction = field(default_factory=lambda: Direction(stabilization_s=45.0))
    tolerance: float = 0.1
    small_step_stabilization_s: float = 120.0
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
    shortest_latency_s: float = field(init=False, compare=False)
    longest_latency_s: float = field(init=False, compare=False)
    _latencies_s: dict[str, float] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        waits = [queue.acceptable_latency_s for queue in self.queues] or [self.acceptable_latency_s]
        object.__setattr__(self, "shortest_latency_s", min(waits))
        object.__setattr__(self, "longest_latency_s", max(waits))
        object.__setattr__(self, "_latencies_s", {queue.name: queue.acceptable_latency_s for queue in self.queues})

    def latency_of(self, queue: str) -> float:
        """The acceptable latency of that queue, in seconds: its own, else the service's."""
        return self._latencies_s.get(queue, self.acceptable_latency_s)
