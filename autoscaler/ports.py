"""What the floors need of each other, in our words: `aws/` gives readings and writes, `telemetry/` takes records.

Readings return `Missing` where the world failed; only a write raises. So a tick has exactly one call to guard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    Fleet,
    Instant,
    Measurement,
    Missing,
    Observation,
    StopTimeout,
    Utilization,
)
from autoscaler.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role to act as. `external_id` is what its trust policy asks to hear, if anything; no text repeats it."""

    arn: str
    external_id: str | None = field(default=None, repr=False)

    @property
    def account(self) -> str:
        """The account that the role is in, and with it all that is read and written as this role."""
        return self.arn.split(":")[4]


class Place(NamedTuple):
    """Where AWS is asked, and as whom. None: the Region of the daemon's own environment, its own credentials."""

    region: str | None = None
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """One ECS service. `region` and `role` as in its `place`; its metrics are read there, too."""

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
    """One SQS queue: `name` for people; `url` where the settings gave one; else the owner's account, or that of
    whoever asks. It is asked for as `role` (None: with the daemon's own credentials), whoever owns it.
    """

    name: str
    region: str | None = None
    url: str | None = None
    account: str | None = None
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class CloudWatchMetric:
    """One CloudWatch metric: a namespace, a name, its dimensions, and a statistic such as `Average` or `Sum`."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = "Average"
    region: str | None = None


@dataclass(frozen=True, slots=True)
class PrometheusQuery:
    """An instant query that gives one number. `url` is the server's, without `/api/v1/query`."""

    url: str
    query: str


MetricSource: TypeAlias = CloudWatchMetric | PrometheusQuery


@dataclass(frozen=True, slots=True)
class QueueMinute:
    """One minute of a queue as CloudWatch counted it, ending at `at`. None: it had no datapoint, which is not zero."""

    at: Instant
    received: int | None = None
    deleted: int | None = None
    oldest_age_s: float | None = None
    groups_in_flight: int | None = None
    sent: int | None = None


class LiveTasks(NamedTuple):
    """The fewest and the most tasks in a minute and in those next to it, as far as they are published; in the newest
    minute before them where none of these is. `sure` False: they may be a multiple of the tasks.
    """

    fewest: float
    most: float
    sure: bool = True


Span: TypeAlias = tuple[float, float, int]
"""From a time up to another (half-open; seconds since the epoch), by periods of so many seconds."""

PeriodSum: TypeAlias = tuple[float, int, float]
"""When a period began (seconds since the epoch), how many seconds it lasts, and the sum over it."""


class Category(StrEnum):
    """What AWS throttles together: the ECS buckets of an account and Region, and the other APIs. The last three are
    for commands; the daemon never calls them.
    """

    SERVICE_READ = "ecs_service_read"
    SERVICE_MODIFY = "ecs_service_modify"
    QUEUE_READ = "sqs_queue_read"
    METRIC_READ = "cloudwatch_metric_read"
    TASK_READ = "ecs_task_read"
    TASK_PROTECTION = "ecs_task_protection"
    TASK_DEFINITION_READ = "ecs_task_definition_read"
    SCALING_READ = "application_autoscaling_read"
    ROLE = "sts_assume_role"
    TAG_MODIFY = "ecs_tag_modify"
    IDENTITY = "sts_identity"
    SIMULATION = "iam_simulation"


class Urgency(IntEnum):
    """Whose call is made first where not all can be."""

    FROM_ZERO = 0
    SCALE_OUT = 1
    ROUTINE = 2
    BACKGROUND = 3


class Queues(Protocol):
    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        """The queue's counts now. Never raises `AutoscalerError`."""


class Meters(Protocol):
    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        """The newest complete CloudWatch minute of the service's CPU. Its `tasks` is None."""

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        """The same for memory."""

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        """The newest complete minute of the queue. Asked of CloudWatch at most once a minute."""

    async def measure(self, service: ServiceRef, metric: CloudWatchMetric) -> Measurement | Missing:
        """The newest complete minute of any metric. Its `tasks` is None."""

    async def live_tasks(self, service: ServiceRef, at: Instant) -> LiveTasks | None:
        """How many tasks ran in the minute that ended at `at`, as CloudWatch has it (None: it does not say, or could
        not be read). It costs one or two metrics a minute: asked only where our own memory does not reach back.
        """


class History(Protocol):
    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """How many messages came in each period of these spans; a period of which nothing is known is not there.

        No tick asks: it raises `AutoscalerError`, and `NotFound` where nothing is known at all.
        """

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """How many messages consumers received in each period, plus how many of their receives came back empty.

        More than 0 means that something polls the queue; 0 that nothing does. A period without a datapoint is left out.
        Raises `AutoscalerError`, and `NotFound` where CloudWatch has no datapoint in any period.
        """


class Gauges(Protocol):
    async def measure(self, query: PrometheusQuery) -> Measurement | Missing:
        """The query's one value now. Its `tasks` is None. Never raises `AutoscalerError`."""


class Fleets(Protocol):
    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        """What ECS says now. Missing also where the service can never be scaled (DAEMON, draining)."""

    async def protected(self, service: ServiceRef) -> int | Missing:
        """How many tasks of the service are protected from scale-in now. Read only before a scale-in."""

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        """What else may change the service's count (an unsuspended Application Auto Scaling target with policies or
        scheduled actions), each in words; empty: nothing. Asked of AWS every few minutes only.
        """

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        """The shortest stopTimeout of the essential containers in the task definition of that ARN; ECS's default of
        30 s for one that has none. It never changes, so it is asked of AWS once, and goes behind all other readings.
        """

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> bool:
        """True: ECS accepted `tasks` as the desired count. False: nothing was asked of it (shadow).

        `more`: by how many tasks it is a scale-out; the larger one goes first.

        Raises `AutoscalerError` if it is not known to have been accepted.
        """


class RateLimiter(Protocol):
    """The rates of AWS, shared by all who call one throttle category in one area.

    An area is a Region, of the daemon's own account (`eu-west-1`) or of a role's (`eu-west-1 of 123456789012`). All
    roles of an account share its areas. We do not ask which account is our own: with a role in it, there are two areas
    where AWS sees one, and together they may take twice our share.
    """

    async def turn(self, category: Category, area: str, who: str, urgency: Urgency, more: int = 0) -> float:
        """A call may be made now; for how many seconds its turn was waited for. Raises `Throttled` where that would
        be too long: then no call is made. `who` is the one whose call it is: he keeps his place from one try to the
        next. `more`: how many tasks depend on it.
        """

    def throttled(self, category: Category, area: str) -> None:
        """AWS throttled a call of this category."""

    def succeeded(self, category: Category, area: str) -> None:
        """AWS answered a call of this category."""


class Directory(Protocol):
    async def tags(self, cluster: str, place: Place) -> Mapping[str, Mapping[str, str]]:
        """The tags of every active service of the cluster, by the service's name.

        Takes its time, as it goes behind all other readings. Raises `AutoscalerError` where any could not be read: what
        is not in the answer is not there.
        """


class Calls(Protocol):
    """Counts what is asked of AWS."""

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None:
        """One request to AWS ended. `api` is as in `sqs:GetQueueAttributes`; `outcome` is `ok` or an error's kind;
        `units` is how many metrics it asked for, where AWS is paid by those.
        """

    def waited(self, seconds: float) -> None:
        """A request waited so long for its turn."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of one service, as the journal is told of it.

    `observation` and `decision` are None where ECS could not be read: there is no count to decide on. `memory` is
    what the decision was made with. `outcome` is `unchanged`, `accepted`, `shadow` (decided, and nothing asked of
    ECS), or the `kind` of the error that was met; `failure` is that error's text. `notices` are things worth telling
    that keep the service from nothing: a rival autoscaler, a pause tag that cannot be read, a metric that only warns.
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


class Journal(Protocol):
    def record(self, tick: Tick) -> None:
        """Tell people and machines what was seen and decided. Does not wait."""
