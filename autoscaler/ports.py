"""The interfaces between the packages: `aws/` implements readings and writes, `telemetry/` receives the records.

A failed reading returns `Missing`; only a write raises. So a poll has exactly one call that needs exception handling.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeAlias, TypeVar

from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    Fleet,
    Instant,
    Measurement,
    Missing,
    Observation,
    PastMinute,
    Revision,
    Revisions,
    StopTimeout,
    Utilization,
)
from autoscaler.core.policy import Policy
from autoscaler.core.start_phases import StartedTask, StartTimes
from autoscaler.diagnosis.concluding import Diagnosis
from autoscaler.diagnosis.delivered import DeliveredEvidence, EcsEvent
from autoscaler.diagnosis.holding import DiagnosisSummary
from autoscaler.pricing import NoPrice, TaskPrice, TaskSize

Computed = TypeVar("Computed")


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role to assume. `external_id`: the value that its trust policy requires, if any. It is never shown."""

    arn: str
    external_id: str | None = field(default=None, repr=False)

    @property
    def account(self) -> str:
        """The account of the role, and of everything that is read and written with it."""
        return self.arn.split(":")[4]


class Place(NamedTuple):
    """The Region and role of a call. `region` None: the Region of the daemon's environment. `role` None: the daemon's
    own credentials. `endpoint`: the endpoint that a queue's URL names (None: the usual one of the Region).
    """

    region: str | None = None
    role: Role | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """One ECS service. `region` and `role` as in `Place`; its metrics are read there, too."""

    key: str
    cluster: str
    service: str
    region: str | None = None
    role: Role | None = None

    @property
    def place(self) -> Place:
        return Place(self.region, self.role)


@dataclass(frozen=True, slots=True)
class QueueRef:
    """One SQS queue: `name` for display, and `url` if the settings have one, else the owner's `account` (None: the
    account of the credentials). It is read with `role` (None: the daemon's own credentials), also if another account
    owns it.
    """

    name: str
    region: str | None = None
    url: str | None = None
    account: str | None = None
    role: Role | None = None


class MetricRequest:
    """What is read for a metric of the settings. Each source of metrics has a subclass: a frozen, hashable value.

    `is_of_a_past_minute`: True if a value is of a minute that ended before the poll, so that CloudWatch may already
    have the task count of that minute. False if a value is of the time of the request.
    """

    __slots__ = ()
    is_of_a_past_minute: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class CloudWatchMetric(MetricRequest):
    """One CloudWatch metric: a namespace, a name, its dimensions, and a statistic such as `Average` or `Sum`."""

    is_of_a_past_minute: ClassVar[bool] = True

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = "Average"
    region: str | None = None


@dataclass(frozen=True, slots=True)
class QueueMinute:
    """One minute of a queue in CloudWatch, ending at `at`. None: no datapoint, which is not zero."""

    at: Instant
    received: int | None = None
    deleted: int | None = None
    oldest_age_s: float | None = None
    groups_in_flight: int | None = None
    sent: int | None = None


class LiveTasks(NamedTuple):
    """Minimum and maximum task count in a minute and the minutes next to it. If CloudWatch has no datapoint for these
    minutes, the newest earlier minute is used. `sure` False: the values may be a multiple of the task count.
    """

    fewest: float
    most: float
    sure: bool = True


PAST_MINUTES = 60
"""The minutes before the daemon's start that are read from CloudWatch. In an hour, a busy queue has as many deletions
as the estimators remember, and it reaches further back than most latency targets.
"""

Span: TypeAlias = tuple[float, float, int]
"""Start and end (half-open, in seconds since the epoch), and the length of its periods in seconds."""

PeriodSum: TypeAlias = tuple[float, int, float]
"""The start of a period (seconds since the epoch), its length in seconds, and the sum over it."""


class Category(StrEnum):
    """Throttle categories: API calls that share one AWS rate limit. The daemon never uses TAG_MODIFY, IDENTITY,
    SIMULATION and the four after it; only commands do.

    `rate`: AWS's refill rate in calls per second. `burst`: the size of AWS's bucket in calls. AWS publishes the ECS
    figures, CloudWatch's rate, and that of GetLogEvents (10 in some Regions, 25 in most). The values for SQS
    attributes, Application Auto Scaling, STS, IAM, EC2 and Service Quotas are assumed; the first throttle corrects
    them.
    """

    SERVICE_READ = "ecs_service_read", 20.0, 100.0
    SERVICE_MODIFY = "ecs_service_modify", 5.0, 50.0
    QUEUE_READ = "sqs_queue_read", 4000.0, 4000.0
    QUEUE_RECEIVE = "sqs_queue_receive", 3000.0, 3000.0
    METRIC_READ = "cloudwatch_metric_read", 500.0, 500.0
    TASK_READ = "ecs_task_read", 20.0, 100.0
    TASK_PROTECTION = "ecs_task_protection", 80.0, 200.0
    TASK_DEFINITION_READ = "ecs_task_definition_read", 20.0, 50.0
    SCALING_READ = "application_autoscaling_read", 10.0, 20.0
    ROLE = "sts_assume_role", 100.0, 100.0
    TAG_MODIFY = "ecs_tag_modify", 10.0, 20.0
    IDENTITY = "sts_identity", 10.0, 20.0
    SIMULATION = "iam_simulation", 10.0, 40.0
    DEPLOYMENT_READ = "ecs_service_deployment_read", 20.0, 50.0
    LOG_READ = "logs_read", 10.0, 10.0
    SUBNET_READ = "ec2_subnet_read", 10.0, 20.0
    QUOTA_READ = "service_quotas_read", 5.0, 10.0

    _value_: str
    rate: float
    burst: float

    def __new__(cls, name: str, rate: float, burst: float) -> Self:
        category = str.__new__(cls, name)
        category._value_ = name
        category.rate, category.burst = rate, burst
        return category


class Urgency(IntEnum):
    """The priority of a call in the rate limiter; the lowest value first."""

    FROM_ZERO = 0
    SCALE_OUT = 1
    ROUTINE = 2
    BACKGROUND = 3


class QueuePort(Protocol):
    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        """Return the queue's counts now. Never raises `AutoscalerError`."""


class Meters(Protocol):
    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        """Return the newest complete CloudWatch minute of the service's CPU. Its `tasks` is None."""

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        """Return the same for memory."""

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        """Return the newest complete minute of the queue. CloudWatch is read at most once a minute."""

    async def measure(self, service: ServiceRef, metric: CloudWatchMetric) -> Measurement | Missing:
        """Return the newest complete minute of any metric. Its `tasks` is None."""

    async def past(self, service: ServiceRef, queues: Sequence[QueueRef]) -> tuple[PastMinute, ...] | Missing:
        """Return the complete minutes of the queues and the tasks of the service, oldest first. Read once, after a
        start: all metrics are in one request, which also gives the newest minutes of the queues.
        """

    async def live_tasks(self, service: ServiceRef, at: Instant) -> LiveTasks | None:
        """Return the tasks that ran in the minute that ended at `at`, from CloudWatch (None: no datapoint, or not
        readable). It costs one or two metrics per minute. Call it only if the daemon's own memory does not cover that
        minute.
        """


class HistoryPort(Protocol):
    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """Return the messages sent to the queue in each period; periods without a datapoint are left out.

        No poll calls it. Raises `AutoscalerError`, and `NotFound` without any datapoint.
        """

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """Return the received messages plus the empty receives in each period. No datapoint: the period is left out.

        More than 0: a consumer polls the queue. 0: no consumer does. Raises `AutoscalerError`, and `NotFound` without
        any datapoint.
        """


Request_contra = TypeVar("Request_contra", bound=MetricRequest, contravariant=True)


class MetricPort(Protocol[Request_contra]):
    async def measure(self, service: ServiceRef, request: Request_contra, /) -> Measurement | Missing:
        """Return the newest value of a metric of this service. Its `tasks` is None. Never raises `AutoscalerError`."""


class FleetPort(Protocol):
    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        """Return the service's counts now. Missing also if the service can never be scaled (DAEMON, draining)."""

    async def protected(self, service: ServiceRef) -> int | Missing:
        """Return the number of tasks with scale-in protection now. Read only before a scale-in."""

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        """Return a description of each conflicting scaler (an unsuspended Application Auto Scaling target with policies
        or scheduled actions). Read from AWS only every few minutes.
        """

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        """Return the shortest stopTimeout of the essential containers in the task definition with that ARN; ECS's
        default of 30 s for a container without one. It never changes, so it is read once, after all other readings.
        """

    async def task_size(self, service: ServiceRef, task_definition: str) -> TaskSize | Missing:
        """Return what the task definition reserves for a task, for its price. It never changes, so it is read once.
        Missing does not prevent anything.
        """

    async def newest_revision(self, service: ServiceRef, task_definition: str) -> str | Missing:
        """Return the newest ACTIVE revision of the family of that task definition, such as `web:9`. Read from AWS only
        every few minutes per family. Missing does not prevent anything.
        """

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        """Set the desired count. Return how new ECS's response is, and None if no call was made (shadow).

        `more`: the number of tasks that a scale-out adds. The rate limiter gives larger scale-outs priority. Raises
        `AutoscalerError` if it is not certain that ECS accepted the change.
        """


class StartedAfter(NamedTuple):
    """`tasks` of one change of the desired count run, `seconds` after the decision, within a poll."""

    seconds: float
    tasks: int


class StartReading(NamedTuple):
    """Tasks of a service that have started, and the `task_number` of each that runs or starts now. `dropped`: how many
    tasks have started and have times that cannot be used; `unusable`: the `task_number` of each of them.
    """

    tasks: tuple[StartedTask, ...]
    running: frozenset[int]
    dropped: int = 0
    unusable: frozenset[int] = frozenset()


class StartPort(Protocol):
    async def started(self, service: ServiceRef, known: AbstractSet[int]) -> StartReading | Missing:
        """Return a sample of the service's tasks that have started and are not `known`, in two calls or a few more,
        with the lowest priority. Never raises `AutoscalerError`. Missing does not prevent anything.
        """


class StartReport(NamedTuple):
    """The start-up times of a service's revisions, the newest first. `gap`: why the last read failed (None: it did
    not). `dropped`: the tasks that were left out until now, because their times contradict each other, are missing, or
    are in the future.
    """

    times: tuple[StartTimes, ...] = ()
    gap: Missing | None = None
    dropped: int = 0


class DiagnosisPort(Protocol):
    async def diagnose(self, service: ServiceRef, delivered: DeliveredEvidence) -> Diagnosis:
        """Return what is wrong with the service and its tasks, from what was delivered and a few calls with the lowest
        priority. Never raises `AutoscalerError`: what could not be read is in the result.
        """


class RateLimiter(Protocol):
    """Client-side rate limits, shared by all calls of one throttle category in one area.

    An area is a Region of the daemon's own account (`eu-west-1`) or of a role's account (`eu-west-1 of 123456789012`).
    All roles of an account share its areas. The daemon does not read its own account ID. If a role belongs to the
    daemon's own account, two areas share one AWS quota and can together use twice the configured share.
    """

    async def acquire(self, category: Category, area: str, caller: str, urgency: Urgency, more: int = 0) -> float:
        """Wait for a token. Return the seconds waited. Raises `Throttled` if the wait would be too long. The caller
        must not make the call then. `caller` identifies the caller, which keeps its position in the queue between two
        attempts. `more`: the number of tasks that the call adds.
        """

    def throttled(self, category: Category, area: str) -> None:
        """Record that AWS throttled a call of this category."""

    def succeeded(self, category: Category, area: str) -> None:
        """Record that AWS answered a call of this category."""


class Delivery(NamedTuple):
    """Messages of the queue of events. `malformed`: events of ECS that cannot be read. `foreign`: messages that are no
    events of ECS, which stay in the queue. `receipts`: of the events of ECS, also of malformed ones.
    """

    events: tuple[EcsEvent, ...] = ()
    malformed: int = 0
    foreign: int = 0
    receipts: tuple[str, ...] = ()


class EventPort(Protocol):
    async def receive(self) -> Delivery:
        """Return the next messages of the queue of events; waits for them up to 20 s. Raises `AutoscalerError`."""

    async def delete(self, delivery: Delivery) -> None:
        """Delete the events of ECS. A message that stays is received again. Raises `AutoscalerError`."""


class DeliveredPort(Protocol):
    def evidence(self, service: ServiceRef, identity: str | None, since: float) -> DeliveredEvidence:
        """Return the stopped tasks and service events that were delivered about the service, at most a day old, newest
        first. `identity`: `Fleet.identity`, whose ARN has the account (None: not known; without a role, nothing is then
        returned). `since`: seconds since the epoch, such as the creation of the service. Does not wait.
        """


class Directory(Protocol):
    async def tags(self, cluster: str, place: Place) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of every active service of the cluster, by the service's name.

        Slow, because it has the lowest priority. Raises `AutoscalerError` if any service could not be read. A service
        that is missing from the result therefore does not exist.
        """


class Calls(Protocol):
    """Counts the calls to AWS."""

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None:
        """Count one finished request. `api` has the format `sqs:GetQueueAttributes`; `outcome` is `ok` or an error's
        `kind`; `units` is the number of metrics if AWS charges by them.
        """

    def waited(self, seconds: float) -> None:
        """Record the seconds that a request waited for a rate-limit token."""


class Pace(NamedTuple):
    """The seconds until the next poll of a service, and why not more or fewer."""

    interval_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll of one service: one read-decide-write cycle.

    `observation` and `decision` are None if ECS could not be read: there is no count to decide on. `memory` is the
    memory before the decision. `outcome` is `unchanged`, `accepted`, `shadow` (decided, not written), or the `kind` of
    the error; `failure` is the error's text. `notices` are warnings that do not prevent scaling: a conflicting scaler,
    an invalid pause tag, an optional reading that failed. `took_s`: the duration; `lag_s`: the delay of the start.
    `pace`: the time until the next poll (None: it is not known, as in a single poll). `price`: of one task (None: not
    yet known). `starts`: where the start-up time of its tasks goes (None: not known). `diagnosis`: why its tasks do not
    start or stay up (None: they do, or it is not known). `started`: requested tasks that run since this poll.
    `causes`: the class of the main cause of each diagnosis since the last poll. `revisions`: its task definition (None:
    not known).
    """

    service: ServiceRef
    policy: Policy
    observation: Observation | None
    memory: Memory
    decision: Decision | None
    outcome: str
    failure: str | None = None
    took_s: float = 0.0
    lag_s: float = 0.0
    notices: tuple[Missing, ...] = ()
    pace: Pace | None = None
    price: TaskPrice | NoPrice | None = None
    starts: StartReport | None = None
    diagnosis: DiagnosisSummary | None = None
    started: tuple[StartedAfter, ...] = ()
    causes: tuple[str, ...] = ()
    revisions: Revisions | None = None


class BackgroundTasks(Protocol):
    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start the work as a task, which is cancelled when the daemon ends. A bug in it ends the daemon."""

    async def compute(self, work: Callable[[], Computed]) -> Computed:
        """Return what `work` returns. `work` only computes, and shares no data with other code."""


class Journal(Protocol):
    def record(self, poll: Poll) -> None:
        """Record the readings and the decision in the log, the metrics and the API. Does not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports of a loop. `clock` is monotonic, `wall` the time of day; both in seconds. `history` or `background`
    None: no history is read, and there is no look-ahead. `starts` None: no start-up times of tasks are read.
    `diagnoses` None: the daemon does not examine why tasks do not start.
    `renewals`: a number that grows when rejected credentials are replaced, and when an operator asks to read everything
    again (SIGHUP). `delivered` None: there is no queue of events.
    """

    queues: QueuePort
    meters: Meters
    metrics: MetricPort[MetricRequest]
    fleets: FleetPort
    journal: Journal
    clock: Callable[[], float]
    wall: Callable[[], float]
    history: HistoryPort | None = None
    background: BackgroundTasks | None = None
    renewals: Callable[[], int] = int
    starts: StartPort | None = None
    diagnoses: DiagnosisPort | None = None
    delivered: DeliveredPort | None = None
