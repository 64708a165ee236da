"""The nouns: what was seen, and what was decided.

Unknown is a value here (`Missing`), never a zero. Every instant is a reading of one monotonic clock, in seconds,
that the caller brings along; only differences mean anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import NamedTuple, TypeAlias

from autoscaler.core.figures import number
from autoscaler.core.knowledge import Knowledge

Instant: TypeAlias = float
"""Seconds on the caller's monotonic clock."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A reading that could not be had. It does not vote.

    `reason` is a sentence for people, with the remedy where there is one. `kind` is its closed word: an
    `AutoscalerError.kind`, or `no_data`, `unreadable`, `stale`, `not_read`.
    """

    reason: str
    kind: str = "not_read"


@dataclass(frozen=True, slots=True)
class Backlog:
    """One queue's counts, as SQS gave them at `at`: approximate, settled only after about a minute.

    `oldest_age_s` is CloudWatch's (None: not read, or no message), and `oldest_tasks` how many tasks ran at its time
    (None: as many as run now; a fraction where the count changed then); `groups_in_flight` is for FIFO queues only.
    `deleted`: messages deleted in the queue's newest CloudWatch minute, which ended at `counted_at` (None: not known,
    which is not zero).
    """

    visible: int
    in_flight: int
    delayed: int
    at: Instant
    oldest_age_s: float | None = None
    groups_in_flight: int | None = None
    oldest_tasks: float | None = None
    deleted: int | None = None
    counted_at: Instant | None = None


class QueueReading(NamedTuple):
    """What is known of one of the service's queues."""

    name: str
    backlog: Backlog | Missing


@dataclass(frozen=True, slots=True)
class Utilization:
    """One CloudWatch datapoint of CPU or memory, in percent of what the tasks reserved.

    `at` is the end of its period; `tasks` is how many tasks ran in it (None: as many as run now; a fraction where the
    count changed in it).
    """

    percent: float
    at: Instant
    tasks: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a named metric at `at`. `tasks` is how many tasks ran then, as of a `Utilization`."""

    value: float
    at: Instant
    tasks: float | None = None


class MetricReading(NamedTuple):
    """What is known of one of the service's named metrics."""

    name: str
    measured: Measurement | Missing


@dataclass(frozen=True, slots=True)
class Flow:
    """One minute of the service's queues, as CloudWatch counted it, ending at `at`.

    Messages received (a redelivery counts again) and deleted in it, and how many tasks ran at its start. `waiting`:
    the fewest messages that waited at any reading of that minute; above 0, just so many tasks ran all the while, and
    what was deleted is what they could do, not what came.
    """

    received: int
    deleted: int
    tasks: int
    at: Instant
    waiting: int = 0


class Unseen(NamedTuple):
    """What CloudWatch counted in its newest minute, which ended at `at`, in queues of which our readings of that minute
    showed next to nothing, visible or in flight.

    `messages`: the largest of sent, received and deleted of each such queue, summed; `deleted`: those that were
    deleted. `oldest_age_s`: the oldest message's age (None: no message, or no datapoint). `compared` False: no reading
    of ours falls into that minute, so nothing could be seen.
    """

    messages: int
    deleted: int
    at: Instant
    oldest_age_s: float | None = None
    compared: bool = True


@dataclass(frozen=True, slots=True)
class Trouble:
    """What ECS itself last said against starting tasks: an event of the service, at `at`."""

    reason: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment in progress, of any controller, since `started`."""

    started: Instant


class StopTimeout(NamedTuple):
    """How many seconds ECS gives a task between SIGTERM and SIGKILL: the stopTimeout of its container `container`,
    which has the shortest of the essential ones.
    """

    seconds: float
    container: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """What ECS says of the service at `at`. `desired` is the baseline of every decision.

    `running` counts both revisions during a deployment. `protected` is None unless task protection was read.
    `pause_tag` is the service's own tag `autoscaler:paused`, unread (None: it has none). `identity`: ARN and creation
    time, as one text; a service that was deleted and created again has another one (None: not known).
    `task_definitions`: the ARNs of what its tasks are started from, of all its deployments; no decision rests on them.
    """

    desired: int
    running: int
    pending: int
    at: Instant
    deployment: Deployment | None = None
    protected: int | None = None
    trouble: Trouble | None = None
    pause_tag: str | None = None
    identity: str | None = None
    task_definitions: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one tick saw. `cpu`, `memory` and `flow` are None where nothing asks for them.

    `given`: a demand that was handed in; it stands for the signals, and the rules that need signals stand aside.
    `knowledge`: what the estimators made of this and of earlier observations (None: there are none). `unseen`: what
    CloudWatch counted and SQS's own counts did not show (None: not read). `unreceived`: the queues of which no receive
    was ever seen, by us or in CloudWatch's last 14 days.
    `stop_timeout`: None where it was not read; then ECS's default is assumed.
    """

    now: Instant
    fleet: Fleet
    queues: tuple[QueueReading, ...] = ()
    cpu: Utilization | Missing | None = None
    memory: Utilization | Missing | None = None
    given: int | None = None
    metrics: tuple[MetricReading, ...] = ()
    flow: Flow | Missing | None = None
    knowledge: Knowledge | None = None
    unseen: Unseen | None = None
    unreceived: tuple[str, ...] = ()
    stop_timeout: StopTimeout | None = None


class Verdict(StrEnum):
    HOLD = "hold"
    SCALE_OUT = "scale_out"
    SCALE_IN = "scale_in"


class Rule(StrEnum):
    """The closed list of what may move a decision away from its demand: label values of the metrics."""

    TOLERANCE = "tolerance"
    SMALL_STEP_STABILIZATION = "small_step_stabilization"
    FALLBACK = "fallback"
    ACTIVATION = "activation"
    STABILIZATION = "stabilization"
    ZERO = "zero"
    CONTRADICTION = "contradiction"
    MISSING_SIGNAL = "missing_signal"
    LATE = "late"
    WARM_UP = "warm_up"
    COOLDOWN = "cooldown"
    RATE_LIMIT = "rate_limit"
    LAUNCH_RATE = "launch_rate"
    DEPLOYMENT = "deployment"
    BUSY = "busy"
    FIFO = "fifo"
    STALLED_START = "stalled_start"
    NO_PROGRESS = "no_progress"
    NO_RECEIVES = "no_receives"
    SHARED_CAP = "shared_cap"
    FLEET_CAP = "fleet_cap"
    CONFLICTING_SCALER = "conflicting_scaler"
    MODE = "mode"
    PAUSE = "pause"
    BOUNDS = "bounds"
    SWITCHED_OFF = "switched_off"


class Step(NamedTuple):
    """One rule moved the count from `start` to `end`, for a reason."""

    rule: Rule
    start: int
    end: int
    reason: str


MOST_TASKS = 2**31 - 1
"""The largest count that ECS can take."""


class Vote(NamedTuple):
    """What one signal asks for: a load, in tasks and fractions of one. `reason` says from what; it is put into words
    only where it is read. `settled`: the signal has a band of its own in which it asks for the present count, so that
    the tolerance has no say.
    """

    signal: str
    load: float
    wording: str
    values: tuple[object, ...] = ()
    settled: bool = False

    @property
    def tasks(self) -> int:
        """The load in whole tasks, rounded up. A millionth of a task is rounding, and asks for none."""
        return ceil(round(min(self.load, MOST_TASKS), 6))

    @property
    def reason(self) -> str:
        return self.wording.format(*(number(each) if isinstance(each, int | float) else each for each in self.values))


@dataclass(frozen=True, slots=True)
class Decision:
    """The demand, the walk of it through the rules, and the target at its end.

    `demand` is what the work asks for, before any rule (None: no signal could be read). `recalled` is what the
    memory keeps of it: after tolerance and before stabilization; while a signal is missing, or work is left, no less
    than what that permits. `wakes`: at no task, there was enough to wake. `complete`: every signal that the policy
    needs was read. `unread`: one was not, and no fallback stands in for it.
    """

    name: str
    current: int
    demand: int | None
    recalled: int | None
    target: int
    steps: tuple[Step, ...]
    votes: tuple[Vote, ...]
    wakes: bool = False
    complete: bool = True
    unread: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.target > self.current:
            return Verdict.SCALE_OUT
        if self.target < self.current:
            return Verdict.SCALE_IN
        return Verdict.HOLD

    @property
    def rule(self) -> Rule | None:
        """The last rule that moved the count: the one that binds (None: the demand went through untouched)."""
        return self.steps[-1].rule if self.steps else None
