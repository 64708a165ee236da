"""The nouns of a simulation: what will come, what the world is like, what a policy may see of it, what became of it.

All instants are seconds since the start of the simulated days; all of them `float`, none of them a wall time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.chance import Distribution, StartUp

Floats: TypeAlias = NDArray[np.float64]

MINUTE_S = 60.0
"""CloudWatch's period."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Every message that will come, in the order of arrival.

    `arrivals_s`: ascending, in [0, length_s). `service_s`: of the same shape, how long each occupies a slot of a task.
    `counts`: how many messages are expected in each interval of `interval_s` from 0 on; `history`: the same for the
    intervals before 0, oldest first, the last one ending at 0: what CloudWatch would remember.
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
        """The useful work, in slot-seconds."""
        return float(self.service_s.sum())


class Victims(StrEnum):
    """Whom ECS stops on a scale-in: only tasks that nothing is in (they protect themselves), or any, by chance."""

    IDLE = "idle"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Slow:
    """From `start_s` to `end_s` (half-open) messages that are begun take `factor` times as long."""

    start_s: float
    end_s: float
    factor: float


@dataclass(frozen=True, slots=True)
class Contention:
    """A downstream that bears `tasks` running tasks; with more, each message begun takes running / tasks as long."""

    start_s: float
    end_s: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The downstream is broken: work takes its time, but nothing is deleted, and messages come back."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class CrashLoop:
    """Tasks that come up crash at once; ECS starts others in their place."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Shortage:
    """No capacity for more than `tasks` running or pending tasks: launches beyond it wait."""

    start_s: float
    end_s: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Throttling:
    """ECS refuses every call with `Throttled`."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Blindness:
    """SQS answers nothing: counts cannot be read."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rolling deployment begins at `start_s`: every task is replaced, new ones first."""

    start_s: float


@dataclass(frozen=True, slots=True)
class Restart:
    """The policy's own process is started anew at `start_s`: it forgets what it does not read back."""

    start_s: float


Fault: TypeAlias = Slow | Contention | Breakdown | CrashLoop | Shortage | Throttling | Blindness | Rollout | Restart


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """What SQS, ECS and the workers are like. The defaults are the scorecard's protocol.

    `task_concurrency`: messages a task works on at once; `prefetch`: messages that it receives beyond these and
    keeps in a buffer. `drained`: on SIGTERM a task finishes what it can within `stop_timeout_s`, and is then killed;
    what it held comes back once `visibility_timeout_s` since its receive, or since the last heartbeat, is over.
    `max_receives`: after so many receives a message goes to the dead letters (None: never). `launch_burst`,
    `launch_per_s`: the token bucket of Fargate's launches. `count_error_ratio`: relative standard deviation of SQS's
    approximate counts; `count_late_s`: by how much they lag. `metrics_late_s`: how long after its minute's end a
    CloudWatch datapoint can be read. `crash_after_s`: how long a crashing task lives once it is up.
    """

    start_up: StartUp = field(default_factory=StartUp)
    task_concurrency: int = 1
    prefetch: int = 0
    victims: Victims = Victims.IDLE
    stop_timeout_s: float = 30.0
    visibility_timeout_s: float = 150.0
    max_receives: int | None = None
    launch_burst: int = 100
    launch_per_s: float = 20.0
    least_billed_s: float = 60.0
    count_error_ratio: float = 0.0
    count_late_s: float = 0.0
    duplicate_ratio: float = 0.0
    metrics_late_s: float = 60.0
    crash_after_s: float = 5.0
    tasks_at_start: int = 1
    faults: tuple[Fault, ...] = ()


class Counts(NamedTuple):
    """What SQS says of the queue: approximate."""

    visible: int
    in_flight: int
    delayed: int = 0


class Tasks(NamedTuple):
    """What ECS says of the service. `deployment_s`: when a deployment in progress began (None: none is)."""

    desired: int
    running: int
    pending: int
    deployment_s: float | None = None


class Meter(StrEnum):
    """What CloudWatch has by the minute, of the queue and of the service."""

    SENT = "NumberOfMessagesSent"
    RECEIVED = "NumberOfMessagesReceived"
    DELETED = "NumberOfMessagesDeleted"
    OLDEST_AGE_S = "ApproximateAgeOfOldestMessage"
    VISIBLE = "ApproximateNumberOfMessagesVisible"
    CPU_PERCENT = "CPUUtilization"
    RUNNING = "RunningTaskCount"
    LIVE = "LiveTaskCount"


class Datapoint(NamedTuple):
    """One minute's value; `at` is the minute's end. None: CloudWatch has no datapoint for it, which is not zero."""

    at: float
    value: float | None


class Surface(Protocol):
    """The world as a policy may see it: by its APIs only, now.

    Reads raise `Unavailable` or `Throttled` while the world does so.
    """

    @property
    def now(self) -> float: ...

    def counts(self) -> Counts:
        """SQS's counts."""

    def tasks(self) -> Tasks:
        """ECS's counts."""

    def protected(self) -> int:
        """How many tasks are protected from scale-in: the busy ones where victims are idle ones only, else none."""

    def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
        """The newest `most` minutes that CloudWatch has published of the meter, oldest first; they never reach back
        before 0, except those of `SENT`, which are what the workload's history says.
        """

    def scale_to(self, tasks: int) -> None:
        """UpdateService: from now on so many tasks are desired."""

    def tell(self, sentence: str) -> None:
        """Keeps the reason of the newest decision for the report."""


class Scaler(Protocol):
    """A policy at work. It is created anew for each simulation, and ticks from 0 on, every `interval_s`."""

    @property
    def interval_s(self) -> float: ...

    def tick(self, world: Surface) -> None:
        """Looks at the world, and changes the count if it should be another."""

    def restart(self) -> None:
        """The policy's process has been started anew."""


class Life(NamedTuple):
    """One task: launched, up (infinite: never came up), and stopped. It is billed from launch to stop."""

    launched_s: float
    up_s: float
    stopped_s: float


class Told(NamedTuple):
    """Why the count is what it is, said at `at`."""

    at: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a workload under a policy.

    `received_s`: the first receive of each message, in the workload's order (NaN: it never was, which happens only
    where the world would not drain). `lives`: every task, in the order of launch; those that still ran at the end
    are stopped at `ended_s`. `lost_work_s`: slot-seconds that were worked and must be worked again.
    `desired`, `running`: (instant, count from then on), beginning at 0. `redelivered`: receives beyond each message's
    first. `dead_letters`: messages given up. `told`: the reasons of the changes.
    """

    received_s: Floats
    lives: tuple[Life, ...]
    lost_work_s: float
    redelivered: int
    dead_letters: int
    desired: tuple[tuple[float, int], ...]
    running: tuple[tuple[float, int], ...]
    ended_s: float
    told: tuple[Told, ...] = ()


__all__ = [
    "MINUTE_S",
    "Blindness",
    "Breakdown",
    "Contention",
    "Counts",
    "CrashLoop",
    "Datapoint",
    "Distribution",
    "Fault",
    "Floats",
    "Life",
    "Meter",
    "Outcome",
    "Restart",
    "Rollout",
    "Scaler",
    "Shortage",
    "Slow",
    "StartUp",
    "Surface",
    "Tasks",
    "Throttling",
    "Told",
    "Victims",
    "Workload",
    "WorldSettings",
]
