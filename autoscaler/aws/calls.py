"""All AWS calls of the daemon, one row per call. Only UpdateService changes something, and DeleteMessage on the queue
of events.

The rate limit, the SDK's method, the remedy in errors, the IAM policy and the doctor's findings are derived from the
row. ListServices is needed only for discovery, and AssumeRole only if the settings name roles. The rows of the calls
that only commands make are in `operator/`: the daemon's role needs no permission for them.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import NamedTuple

from botocore import xform_name

from autoscaler.ports import Category, Role


class Purpose(StrEnum):
    """What a permission is for: the `Sid` of its statement. Members are in the order of the statements in a policy."""

    READ_QUEUES = "ReadQueues"
    FIND_QUEUES = "FindQueues"
    FIND_SERVICES = "FindServices"
    READ_SERVICES = "ReadServices"
    SCALE_SERVICES = "ScaleServices"
    LIST_TASKS = "ListTasks"
    READ_TASKS = "ReadTasks"
    READ_TASK_PROTECTION = "ReadTaskProtection"
    READ_TASK_DEFINITIONS = "ReadTaskDefinitions"
    READ_METRICS = "ReadMetrics"
    SEE_OTHER_SCALERS = "SeeOtherScalers"
    ACT_AS_ROLES = "ActAsRoles"
    PAUSE_SERVICES = "PauseServices"
    RECEIVE_EVENTS = "ReceiveEvents"
    READ_CONTAINER_LOGS = "ReadContainerLogs"
    LIST_DEPLOYMENTS = "ListDeployments"
    READ_DEPLOYMENTS = "ReadDeployments"
    READ_SUBNETS = "ReadSubnets"
    READ_QUOTAS = "ReadQuotas"


class ResourceForm(Enum):
    """The resource of a permission. `text`: for errors. `in_cluster`: the permission is also limited to the cluster, by
    the condition key `ecs:cluster`.
    """

    QUEUE = "the queue"
    SERVICE = "the service", True
    TASKS = "the cluster's tasks", True
    SERVICE_DEPLOYMENTS = "the service's deployments", True
    PAUSE_TAG = "the service", False
    """A service, and only the tag that pauses it. This call has no condition key for the cluster."""
    ROLE = "the role, and allow it in the role's trust policy, with this external_id if the policy requires one"
    SIMULATED_ROLE = "the role itself"
    LOG_STREAMS = "the log streams of the containers"
    FARGATE_QUOTAS = "the quotas of Fargate"
    ANY = "*"
    ANY_IN_CLUSTER = "*, in the cluster", True

    def __init__(self, text: str, in_cluster: bool = False) -> None:
        self.text = text
        self.in_cluster = in_cluster

    @property
    def is_any(self) -> bool:
        """Whether AWS supports only the resource `*`."""
        return self in {ResourceForm.ANY, ResourceForm.ANY_IN_CLUSTER}


class Holder(StrEnum):
    """The principal that makes a call and needs the permission for it."""

    DAEMON = "the task role"
    COMMAND = "the user or role that runs this command"


PRODUCTS = {
    "application-autoscaling": "Application Auto Scaling",
    "cloudwatch": "CloudWatch",
    "ec2": "EC2",
    "ecs": "ECS",
    "iam": "IAM",
    "logs": "CloudWatch Logs",
    "service-quotas": "Service Quotas",
    "sqs": "SQS",
    "sts": "STS",
}
"""AWS's name of each service, by its name in the SDK."""


SDK_NAMES = {"servicequotas": "service-quotas"}
"""The SDK's name of a service, if it is not the prefix of the service's actions in IAM."""


MOST_BYTES = {"cloudwatch": 8 * 2**20, "logs": 8 * 2**20, "sqs": 2**16, "sts": 2**16}
"""Maximum size of an answer in bytes, by the SDK's name of the service; of other services 4 MiB. CloudWatch's largest
page has 100,800 points, about 6 MB as XML. Ten services with 100 events each take 0.6 MB, a hundred tasks with long
overrides 2 MB, three counts of a queue 200 bytes. A page of log lines has 1 MB, and up to six times as much in JSON.
"""


MOST_RECEIVED_BYTES = 4 * 2**20
"""Maximum size of ten received messages: together at most 1 MiB, as a text within JSON."""


class Api(NamedTuple):
    """One AWS call: its `name` as in IAM and in the metrics.

    It counts towards the rate limit of `category`. The `holder` needs the permission for it on `resource`. `purpose`:
    its statement in the policies that `autoscaler iam-policy` prints (None: no policy contains it). `waits_s`: seconds
    for which AWS may hold the answer back (long polling). `batch`: the SDK's name of the operation, if several calls
    are sent as one; IAM knows only the name of the single one.
    """

    name: str
    category: Category
    resource: ResourceForm
    purpose: Purpose | None = None
    holder: Holder = Holder.DAEMON
    waits_s: float = 0.0
    batch: str = ""

    @property
    def sdk_service(self) -> str:
        """The SDK's name of the AWS service."""
        prefix = self.name.partition(":")[0]
        return SDK_NAMES.get(prefix, prefix)

    @property
    def operation(self) -> str:
        return self.name.partition(":")[2]

    @property
    def sent_as(self) -> str:
        """The SDK's name of the operation that is sent."""
        return self.batch or self.operation

    @property
    def method(self) -> str:
        """The method of the SDK's client."""
        return xform_name(self.sent_as)

    @property
    def most_bytes(self) -> int:
        """Maximum size of an answer in bytes. A larger one is not AWS's."""
        return MOST_RECEIVED_BYTES if self.waits_s else MOST_BYTES.get(self.sdk_service, 4 * 2**20)

    @property
    def permission(self) -> str:
        return f"{self.name} on {self.resource.text}"

    @property
    def grant(self) -> str:
        """The remedy if the call was denied."""
        return f"grant {self.holder} {self.permission}"

    def by_command(self) -> Api:
        """Return the same call, made by a command with its user's credentials."""
        return self._replace(holder=Holder.COMMAND)


GET_QUEUE_ATTRIBUTES = Api("sqs:GetQueueAttributes", Category.QUEUE_READ, ResourceForm.QUEUE, Purpose.READ_QUEUES)
GET_QUEUE_URL = Api("sqs:GetQueueUrl", Category.QUEUE_READ, ResourceForm.QUEUE, Purpose.FIND_QUEUES)
GET_METRIC_DATA = Api("cloudwatch:GetMetricData", Category.METRIC_READ, ResourceForm.ANY, Purpose.READ_METRICS)
DESCRIBE_SERVICES = Api("ecs:DescribeServices", Category.SERVICE_READ, ResourceForm.SERVICE, Purpose.READ_SERVICES)
UPDATE_SERVICE = Api("ecs:UpdateService", Category.SERVICE_MODIFY, ResourceForm.SERVICE, Purpose.SCALE_SERVICES)
DESCRIBE_TASKS = Api("ecs:DescribeTasks", Category.TASK_READ, ResourceForm.TASKS, Purpose.READ_TASKS)
LIST_TASKS = Api("ecs:ListTasks", Category.TASK_READ, ResourceForm.ANY_IN_CLUSTER, Purpose.LIST_TASKS)
GET_TASK_PROTECTION = Api(
    "ecs:GetTaskProtection", Category.TASK_PROTECTION, ResourceForm.TASKS, Purpose.READ_TASK_PROTECTION
)
DESCRIBE_TASK_DEFINITION = Api(
    "ecs:DescribeTaskDefinition", Category.TASK_DEFINITION_READ, ResourceForm.ANY, Purpose.READ_TASK_DEFINITIONS
)
LIST_SERVICES = Api("ecs:ListServices", Category.SERVICE_READ, ResourceForm.ANY_IN_CLUSTER, Purpose.FIND_SERVICES)
DESCRIBE_SCALABLE_TARGETS = Api(
    "application-autoscaling:DescribeScalableTargets",
    Category.SCALING_READ,
    ResourceForm.ANY,
    Purpose.SEE_OTHER_SCALERS,
)
DESCRIBE_SCALING_POLICIES = Api(
    "application-autoscaling:DescribeScalingPolicies",
    Category.SCALING_READ,
    ResourceForm.ANY,
    Purpose.SEE_OTHER_SCALERS,
)
DESCRIBE_SCHEDULED_ACTIONS = Api(
    "application-autoscaling:DescribeScheduledActions",
    Category.SCALING_READ,
    ResourceForm.ANY,
    Purpose.SEE_OTHER_SCALERS,
)
RECEIVE_MESSAGE = Api(
    "sqs:ReceiveMessage", Category.QUEUE_RECEIVE, ResourceForm.QUEUE, Purpose.RECEIVE_EVENTS, waits_s=20.0
)
DELETE_MESSAGE = Api(
    "sqs:DeleteMessage",
    Category.QUEUE_RECEIVE,
    ResourceForm.QUEUE,
    Purpose.RECEIVE_EVENTS,
    batch="DeleteMessageBatch",
)
ASSUME_ROLE = Api("sts:AssumeRole", Category.ROLE, ResourceForm.ROLE, Purpose.ACT_AS_ROLES)

CALLS: tuple[Api, ...] = tuple(row for row in globals().values() if isinstance(row, Api))
"""Every row above."""


def product_of(category: Category) -> str:
    """Return AWS's name of the service that the daemon's calls of this category belong to."""
    return next(PRODUCTS[api.sdk_service] for api in CALLS if api.category is category)


class Call(NamedTuple):
    """One call about one subject: the queue or service as its operator knows it. `role` None: it uses the daemon's own
    credentials. `once`: a command makes it, and there is no next poll. `endpoint` as in `Place`.
    """

    api: Api
    subject: str
    region: str
    role: Role | None = None
    once: bool = False
    endpoint: str | None = None

    @property
    def where(self) -> str:
        return f"{self.subject} in {self.region}"

    @property
    def area(self) -> str:
        """The account and Region that AWS counts the call in, as in `RateLimiter`."""
        return self.region if self.role is None else f"{self.region} of {self.role.account}"
