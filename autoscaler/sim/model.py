"""Data types of a simulation: the workload, the simulated world, the interface that a policy sees, and the outcome.

All instants are `float` seconds since the start of the simulated days, never wall time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.chance import DurationDistribution, StartUp

Floats: TypeAlias = NDArray[np.float64]

MINUTE_S = 60.0
"""Period of the CloudWatch metrics."""


@dataclass(frozen=True, slots=True)
class Workload:
    """All messages of a run, in the order of arrival.

    `arrivals_s`: ascending, in [0, length_s). `service_s`: same shape, the time that each message occupies a slot of a
    task. `counts`: expected number of messages in each interval of `interval_s` from 0 on. `history`: the same for the
    intervals before 0, oldest first, the last one ending at 0. CloudWatch returns it as the past.
    """

    name: str
    arrivals_s: Floats
    service_s: Floats
    length_s: float
    interval_s: float
    counts: Floats
    history: Floats

    @property
    def work_s(self) -> float:
        """The total work, in slot-seconds."""
        return float(self.service_s.sum())


class Victims(StrEnum):
    """Which tasks ECS stops on a scale-in: only idle ones (busy ones have scale-in protection), or random ones."""

    IDLE = "idle"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Slow:
    """Messages whose processing starts in [start_s, end_s) take `factor` times as long."""

    start_s: float
    end_s: float
    factor: float


@dataclass(frozen=True, slots=True)
class Contention:
    """A downstream service that supports `tasks` running tasks. With more running tasks, a message whose processing
    starts then takes running / tasks times as long.
    """

    start_s: float
    end_s: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The downstream service fails: processing takes its time, but no message is deleted, so SQS redelivers them."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class CrashLoop:
    """Tasks that start crash after `crash_after_s`; ECS replaces them."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Shortage:
    """Capacity for at most `tasks` running or pending tasks. Further launches wait."""

    start_s: float
    end_s: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Throttling:
    """ECS refuses every call with `Throttled`."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class SqsOutage:
    """SQS does not answer: counts cannot be read."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class PlannedRollout:
    """A rolling deployment starts at `start_s`. It replaces all tasks; new tasks start before old ones stop."""

    start_s: float


@dataclass(frozen=True, slots=True)
class Restart:
    """The process of the policy restarts at `start_s` and loses all state that it cannot read back."""

    start_s: float


@dataclass(frozen=True, slots=True)
class SpotLoss:
    """AWS takes back `share` of the running tasks (0 to 1, rounded up) at `start_s`: they receive SIGTERM, busy or not,
    and ECS replaces them.
    """

    start_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """ECS moves `share` of the running tasks (0 to 1, rounded up) to another Availability Zone at `start_s`: it starts
    their replacements, and stops one of them for each replacement that is up.
    """

    start_s: float
    share: float


@dataclass(frozen=True, slots=True)
class ManualChange:
    """Another writer sets the desired count to `tasks` at `start_s`."""

    start_s: float
    tasks: int


Fault: TypeAlias = (
    Slow
    | Contention
    | Breakdown
    | CrashLoop
    | Shortage
    | Throttling
    | SqsOutage
    | PlannedRollout
    | Restart
    | SpotLoss
    | Rebalancing
    | ManualChange
)


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """Settings of the simulated SQS, ECS and workers. The defaults are the protocol of the scorecard.

    `task_concurrency`: messages that a task processes at the same time; `prefetch`: further messages that it receives
    into a buffer. `stop_timeout_s`: after SIGTERM a task finishes what it can in this time, then it is killed. The
    messages that it held are visible again `visibility_timeout_s` after their receive or the last heartbeat.
    `max_receives`: after this number of receives a message moves to the dead-letter queue (None: never).
    `delete_on_receipt`: workers delete a message when they receive it, and process it afterwards. A message that a task
    holds when it is killed is lost. `poison_ratio`: share of the messages that workers never delete: each receive takes
    the processing time, and the message returns `visibility_timeout_s` later. `launch_burst`, `launch_per_s`: token
    bucket of the account's Fargate launches; `launches_per_minute`: maximum launches of one service in 60 s.
    `count_error_ratio`: relative standard deviation of SQS's approximate counts; `count_late_s`: their age. `groups`:
    for a FIFO queue, the number of active message groups from an instant on, ascending and from 0 on; empty: the queue
    is not FIFO. `receive_batch`: the messages of one group that a FIFO receive returns at most; a task processes them
    one after another. `metrics_late_s`: time from the end of a minute until its CloudWatch datapoint can be read.
    `crash_after_s`: lifetime of a crashing task after its start-up.
    """

    start_up: StartUp = field(default_factory=StartUp)
    task_concurrency: int = 1
    prefetch: int = 0
    victims: Victims = Victims.IDLE
    stop_timeout_s: float = 30.0
    visibility_timeout_s: float = 150.0
    max_receives: int | None = None
    delete_on_receipt: bool = False
    poison_ratio: float = 0.0
    launch_burst: int = 100
    launch_per_s: float = 20.0
    launches_per_minute: int = 500
    least_billed_s: float = 60.0
    count_error_ratio: float = 0.0
    count_late_s: float = 0.0
    duplicate_ratio: float = 0.0
    groups: tuple[tuple[float, int], ...] = ()
    receive_batch: int = 1
    metrics_late_s: float = 60.0
    crash_after_s: float = 5.0
    tasks_at_start: int = 1
    faults: tuple[Fault, ...] = ()


class QueueCounts(NamedTuple):
    """The approximate counts that SQS returns for the queue."""

    visible: int
    in_flight: int
    delayed: int = 0


class Tasks(NamedTuple):
    """The counts that ECS returns for the service. `deployment_s`: start of the current deployment, or None."""

    desired: int
    running: int
    pending: int
    deployment_s: float | None = None


class Meter(StrEnum):
    """CloudWatch metrics of the queue and the service, with one datapoint per minute."""

    SENT = "NumberOfMessagesSent"
    RECEIVED = "NumberOfMessagesReceived"
    DELETED = "NumberOfMessagesDeleted"
    OLDEST_AGE_S = "ApproximateAgeOfOldestMessage"
    VISIBLE = "ApproximateNumberOfMessagesVisible"
    IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
    GROUPS_IN_FLIGHT = "ApproximateNumberOfGroupsWithInflightMessages"
    CPU_PERCENT = "CPUUtilization"
    CPU_SAMPLES = "SampleCount of CPUUtilization"
    RUNNING = "RunningTaskCount"
    LIVE = "LiveTaskCount"


class Datapoint(NamedTuple):
    """The value of one minute that ends at `at`. None: CloudWatch has no datapoint, which is not the same as zero."""

    at: float
    value: float | None


class Surface(Protocol):
    """The AWS APIs that a policy can call.

    Reads raise `Unavailable` or `Throttled` during a fault of that kind.
    """

    @property
    def now(self) -> float: ...

    def counts(self) -> QueueCounts:
        """Return the counts of SQS."""

    def tasks(self) -> Tasks:
        """Return the counts of ECS."""

    def protected(self) -> int:
        """Return the number of tasks with scale-in protection: the busy tasks with `Victims.IDLE`, else 0."""

    def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
        """Return the latest datapoints that CloudWatch has published, at most `most`, oldest first. Only `SENT` has
        datapoints before instant 0; they come from the history of the workload.
        """

    def scale_to(self, tasks: int) -> None:
        """Set the desired count, as UpdateService does."""

    def log(self, sentence: str) -> None:
        """Record the reason of the latest decision for the report."""


class Scaler(Protocol):
    """A running policy. Each simulation creates a new one and polls it every `interval_s` from instant 0 on."""

    @property
    def interval_s(self) -> float: ...

    def poll(self, world: Surface) -> None:
        """Read the world, decide, and change the desired count if necessary."""

    def restart(self) -> None:
        """Drop all state, as a restart of the process does."""


class TaskLife(NamedTuple):
    """Launch, end of start-up (infinite: it never started), and stop of one task. It is billed from launch to stop."""

    launched_s: float
    up_s: float
    stopped_s: float


class LoggedReason(NamedTuple):
    """The reason for the desired count, logged at `at`."""

    at: float
    sentence: str


class AtRisk(NamedTuple):
    """A period in which the policy reported that the latency target is at risk, with the first reason."""

    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class SimulationOutcome:
    """The result of a workload under a policy.

    `received_s`: first receive of each message, in the order of the workload (NaN: never received, which happens only
    if the queue does not drain). `lives`: all tasks in the order of launch; tasks that still run at the end stop at
    `ended_s`. `lost_work_s`: slot-seconds of work that must be done again. `desired`, `running`: (instant, count from
    then on), starting at 0. `redelivered`: receives after the first receive of a message. `dead_letters`: messages
    moved to the dead-letter queue. `lost_messages`: messages that were deleted but not processed. `groundless_s`:
    the instants of scale-outs while no message was visible and none had arrived in the last minute. `reasons`: the
    reasons of the changes. `at_risk`: ascending periods of the notice (None: the policy has no such notice). `polls`:
    the instants at which the policy read the counts of SQS or ECS.
    """

    received_s: Floats
    lives: tuple[TaskLife, ...]
    lost_work_s: float
    redelivered: int
    dead_letters: int
    desired: tuple[tuple[float, int], ...]
    running: tuple[tuple[float, int], ...]
    ended_s: float
    reasons: tuple[LoggedReason, ...] = ()
    lost_messages: int = 0
    groundless_s: tuple[float, ...] = ()
    at_risk: tuple[AtRisk, ...] | None = None
    polls: int = 0


__all__ = [
    "MINUTE_S",
    "AtRisk",
    "Breakdown",
    "Contention",
    "CrashLoop",
    "Datapoint",
    "DurationDistribution",
    "Fault",
    "Floats",
    "LoggedReason",
    "ManualChange",
    "Meter",
    "PlannedRollout",
    "QueueCounts",
    "Rebalancing",
    "Restart",
    "Scaler",
    "Shortage",
    "SimulationOutcome",
    "Slow",
    "SpotLoss",
    "SqsOutage",
    "StartUp",
    "Surface",
    "TaskLife",
    "Tasks",
    "Throttling",
    "Victims",
    "Workload",
    "WorldSettings",
]
