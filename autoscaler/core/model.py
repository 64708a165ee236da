"""Data types for readings and decisions.

An unknown value is `Missing`, never zero. Every instant is a reading of one monotonic clock, in seconds, that the
caller passes in; only differences have a meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from autoscaler.core.figures import number
from autoscaler.core.knowledge import Knowledge

Instant: TypeAlias = float
"""Seconds on the caller's monotonic clock."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A reading that is not available. It does not vote.

    `reason` is a sentence for people, with the remedy if there is one. `kind` comes from a closed list: an
    `AutoscalerError.kind`, or `no_data`, `unreadable`, `stale`, `not_read`.
    """

    reason: str
    kind: str = "not_read"


FIFO_ENDING = ".fifo"
"""The end of the name of each FIFO queue."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The message counts of one queue, as SQS returned them at `at`: approximate, and consistent only after about a
    minute.

    `oldest_age_s` comes from CloudWatch (None: not read, or no message). `oldest_tasks`: the number of tasks that ran
    at the time of that datapoint (None: as many as run now; a fraction if the count changed within it).
    `groups_in_flight`: FIFO queues only. `deleted`: messages deleted in the queue's newest CloudWatch minute, which
    ended at `counted_at` (None: unknown, which is not zero).
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
    """The counts of one queue of the service, or why they are missing."""

    name: str
    backlog: Backlog | Missing


BUSY_START_S = 60.0
"""Seconds from its start in which the CPU of a task says nothing about the load: runtimes compile, caches fill."""


class RanTasks(NamedTuple):
    """The mean number of tasks that ran in a period is from `fewest` to `most`. `starting`: of these, the mean number
    of tasks that had started less than `BUSY_START_S` ago; `started`: the number of all such tasks.
    """

    fewest: float
    most: float
    starting: float = 0.0
    started: float = 0.0

    @property
    def mean(self) -> float:
        """The middle of the range, for display."""
        return (self.fewest + self.most) / 2


@dataclass(frozen=True, slots=True)
class Utilization:
    """One CloudWatch datapoint of CPU or memory, in percent of the reservation of the tasks.

    `at` is the end of its period. `tasks`: the mean number of tasks that ran in the period (None: as many as run now;
    a fraction if the count changed in it). `ran`: how well that number is known (None: exactly).
    """

    percent: float
    at: Instant
    tasks: float | None = None
    ran: RanTasks | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a named metric at `at`. `tasks` and `ran` have the same meaning as in `Utilization`."""

    value: float
    at: Instant
    tasks: float | None = None
    ran: RanTasks | None = None


class MetricReading(NamedTuple):
    """The value of one named metric of the service, or why it is missing."""

    name: str
    measured: Measurement | Missing


@dataclass(frozen=True, slots=True)
class Flow:
    """One minute of the service's queues, as CloudWatch counted it, ending at `at`.

    `received`, `deleted`: messages received (a redelivery counts again) and deleted in that minute. `tasks`: the tasks
    that ran at its start. `waiting`: the fewest visible messages at any reading of that minute. If it is above 0,
    exactly `tasks` tasks ran during the whole minute, and `deleted` measures their capacity, not the arrivals.
    """

    received: int
    deleted: int
    tasks: int
    at: Instant
    waiting: int = 0


class PastCounts(NamedTuple):
    """One queue in one CloudWatch minute of the past. `visible`, `in_flight`: CloudWatch's one sample of that minute;
    `received`, `deleted`: its sums; `oldest_age_s`: the highest age. None: no datapoint, which is not zero.
    """

    visible: int | None = None
    in_flight: int | None = None
    received: int | None = None
    deleted: int | None = None
    oldest_age_s: float | None = None
    groups_in_flight: int | None = None


class PastMinute(NamedTuple):
    """One minute before the daemon's start, which ended at `at`, as CloudWatch stored it.

    `tasks`: the mean number of tasks in it (`LiveTaskCount`). `samples`: the samples of the CPU metric, one per task or
    three with 20-second metrics. None: no datapoint. `queues`: by name; a queue without a datapoint is left out.
    """

    at: Instant
    tasks: float | None
    samples: float | None
    queues: Mapping[str, PastCounts]


class Unseen(NamedTuple):
    """Messages that CloudWatch counted in its newest minute, which ended at `at`, in queues whose SQS readings of that
    minute showed almost no messages, visible or in flight.

    `messages`: for each such queue the largest of sent, received and deleted, summed over the queues. `deleted`: the
    deleted messages. `oldest_age_s`: age of the oldest message (None: no message, or no datapoint). `compared` is False
    if no SQS reading falls into that minute, so there was nothing to compare with.
    """

    messages: int
    deleted: int
    at: Instant
    oldest_age_s: float | None = None
    compared: bool = True


@dataclass(frozen=True, slots=True)
class Trouble:
    """The latest service event in which ECS reports a problem with starting tasks, at `at`."""

    reason: str
    at: Instant


class StartHold(StrEnum):
    """How long a failure of starts prevents a scale-out: until something is changed or a task stays up, while no
    further task starts, or not at all.
    """

    UNTIL_CHANGED = "until_changed"
    WHILE_MISSING = "while_missing"
    NOTHING = "nothing"


class StartFailure(NamedTuple):
    """Why tasks of the service do not start or do not stay up, as diagnosed. `kind`, `cause`: class and name of the row
    in the table of causes. `reason`: a sentence without a full stop. `at`: the newest stop or event that shows it.
    `staying`: the tasks that have run for a minute, the fewest at any reading of it.
    """

    kind: str
    cause: str
    reason: str
    remedy: str
    at: Instant
    hold: StartHold = StartHold.NOTHING
    staying: int = 0


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment in progress, of any deployment controller, since `started`."""

    started: Instant


class ActiveDeployment(NamedTuple):
    """A deployment of the service that ECS lists, as ECS describes it.

    `status`: `PRIMARY` or `ACTIVE`; a rolling deployment is `PRIMARY` and the older ones that still have tasks are
    `ACTIVE`, a blue/green one is `ACTIVE` until the traffic has moved. `state`, `reason`: rolloutState
    and its reason (empty: ECS gives none). `definition`: the task definition's family and revision, such as `web:7`.
    `created`: None if unknown.
    """

    status: str
    state: str = ""
    reason: str = ""
    definition: str = ""
    created: Instant | None = None
    desired: int = 0
    running: int = 0
    pending: int = 0
    failed: int = 0

    @property
    def is_unfinished(self) -> bool:
        """Whether ECS counts it towards the five deployments with which it refuses another one."""
        return self.status == "ACTIVE" or (self.status == "PRIMARY" and self.state == "IN_PROGRESS")


class ZoneRebalancing(NamedTuple):
    """Availability Zone rebalancing. `is_enabled`: None if ECS does not say. `moved_at`: the newest event of a
    rebalancing in progress (None: none is in progress).
    """

    is_enabled: bool | None = None
    moved_at: Instant | None = None


class Revisions(NamedTuple):
    """The service's task definition, such as `web:7`, and the newest ACTIVE revision of its family (`newest` None: not
    read).
    """

    own: str
    newest: str | None = None

    @property
    def behind(self) -> int | None:
        """By how many revision numbers the service is behind. 0: it has the newest one. Negative: its own revision is
        no longer ACTIVE, and an older one is. None: unknown.
        """
        own, newest = (name.rpartition(":")[2] for name in (self.own, self.newest or ""))
        known = own.isdecimal() and newest.isdecimal()
        return int(newest) - int(own) if known else None


class StopTimeout(NamedTuple):
    """The number of seconds that ECS gives a task between SIGTERM and SIGKILL: the stopTimeout of `container`, which
    has the shortest one of the essential containers.
    """

    seconds: float
    container: str


class Revision(NamedTuple):
    """How new ECS's answer about a service is, in seconds of AWS's clock (None: the answer does not say): the creation
    (`deployed`) and the newest update (`updated`) of the primary deployment or task set, and the newest service event
    (`event`).

    Events, and the updates of one deployment, never become older. So an older one is proof of a stale answer.
    """

    deployed: float | None = None
    updated: float | None = None
    event: float | None = None

    def is_newer_than(self, other: Revision) -> bool:
        """Whether something has certainly happened between `other` and this answer."""
        if self.event != other.event and self.event is not None and other.event is not None:
            return self.event > other.event
        same = self.deployed == other.deployed and self.updated is not None and other.updated is not None
        return same and (self.updated or 0.0) > (other.updated or 0.0)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The ECS service at `at`. `desired` is the baseline of every decision.

    `running` counts both revisions during a deployment. `protected` is None unless task protection was read.
    `trouble`: an event about starts; `failure`: what the daemon's diagnosis found (None: nothing, or not diagnosed).
    `pause_tag` is the unparsed value of the service's tag `autoscaler:paused` (None: no such tag). `identity`: ARN and
    creation time in one string; a service that was deleted and created again has a different one (None: unknown).
    `task_definitions`: the task definition ARNs of all its deployments; `revision`: how new the answer is; `providers`:
    the capacity providers with their weights; `deployments`: as ECS lists them; `rebalancing`: of Availability Zones.
    Decisions do not depend on them.
    """

    desired: int
    running: int
    pending: int
    at: Instant
    deployment: Deployment | None = None
    protected: int | None = None
    trouble: Trouble | None = None
    failure: StartFailure | None = None
    pause_tag: str | None = None
    identity: str | None = None
    task_definitions: tuple[str, ...] = field(default=(), compare=False)
    revision: Revision = field(default=Revision(), compare=False)
    providers: tuple[tuple[str, float], ...] = field(default=(), compare=False)
    deployments: tuple[ActiveDeployment, ...] = field(default=(), compare=False)  # newest first
    rebalancing: ZoneRebalancing = field(default=ZoneRebalancing(), compare=False)


@dataclass(frozen=True, slots=True)
class Observation:
    """All readings of one poll. `cpu`, `memory` and `flow` are None if no setting needs them.

    `given`: a demand that the caller passed in; it replaces the signals, and the rules that need signals do not apply.
    `knowledge`: the estimates from this and earlier observations (None: no estimator). `unseen`: messages that
    CloudWatch counted and the SQS counts did not show (None: not read). `unreceived`: the queues without any receive,
    either in the readings or in the last 14 days of CloudWatch. `stop_timeout`: None if it was not read; the ECS
    default is then assumed.
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
    """The closed list of rules that can change a decision's demand. The values are label values of the metrics."""

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
    UNCONFIRMED = "unconfirmed"
    MODE = "mode"
    PAUSE = "pause"
    BOUNDS = "bounds"
    SWITCHED_OFF = "switched_off"
    CONTESTED = "contested"


class DecisionStep(NamedTuple):
    """One rule changed the count from `start` to `end`, with its reason."""

    rule: Rule
    start: int
    end: int
    reason: str


MOST_TASKS = 2**31 - 1
"""The largest count that ECS accepts."""


_TASKS = attrgetter("tasks")


class Term(NamedTuple):
    """A candidate for the load of a vote, in tasks, not rounded: the load is the largest term, at most the smallest
    `cap`. `parts` add up to the tasks, if they are given. `reason` is formatted only when it is read.
    """

    name: str
    tasks: float
    wording: str
    values: tuple[object, ...] = ()
    cap: bool = False
    parts: tuple[tuple[str, float], ...] = ()

    @property
    def reason(self) -> str:
        return _filled(self.wording, self.values)


class Vote(NamedTuple):
    """The load that one signal requires, in tasks; it can be a fraction. `reason` is the explanation; it is formatted
    only when it is read. `settled`: the signal has its own tolerance band in which it requires the present count, so
    the policy's tolerance does not apply. `candidates`: the terms that the load was computed from; empty: the load is
    the only term.
    """

    signal: str
    load: float
    wording: str
    values: tuple[object, ...] = ()
    settled: bool = False
    candidates: tuple[Term, ...] = ()

    @property
    def terms(self) -> tuple[Term, ...]:
        """The candidates of the load; at least one is no cap."""
        return self.candidates or (Term(self.signal, self.load, self.wording, self.values),)

    @property
    def largest(self) -> Term:
        """The largest term; the caps are not counted."""
        return max((term for term in self.terms if not term.cap), key=_TASKS)

    @property
    def binding(self) -> Term:
        """The term that decided the load: the largest one, or the smallest cap if that is below it."""
        largest = self.largest
        cap = min((term for term in self.terms if term.cap), key=_TASKS, default=largest)
        return cap if cap.tasks < largest.tasks else largest

    @property
    def tasks(self) -> int:
        """The load in whole tasks, rounded up. A millionth of a task is a rounding error and requires none."""
        return ceil(round(min(self.load, MOST_TASKS), 6))

    @property
    def reason(self) -> str:
        return _filled(self.wording, self.values)


def _filled(wording: str, values: tuple[object, ...]) -> str:
    return wording.format(*(number(each) if isinstance(each, int | float) else each for each in values))


@dataclass(frozen=True, slots=True)
class Decision:
    """The demand, the steps of the rules, and the target at the end.

    `demand`: the required tasks before any rule (None: no signal could be read). `recalled`: the demand that the memory
    stores, after tolerance and before stabilization. While a signal is missing, or work is left, it is at least the
    count that this permits. `wakes`: there are no tasks, and the work exceeds the activation threshold. `complete`:
    every signal that the policy needs was read. `unread`: a needed signal was not read, and no fallback replaces it.
    """

    name: str
    current: int
    demand: int | None
    recalled: int | None
    target: int
    steps: tuple[DecisionStep, ...]
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
        """The last rule that changed the count, which is the binding one (None: no rule changed the demand)."""
        return self.steps[-1].rule if self.steps else None
