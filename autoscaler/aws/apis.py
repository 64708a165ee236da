"""All AWS calls of the daemon: thirteen, and only UpdateService changes something.

The task role needs no other permissions. ListServices is needed only for discovery, and AssumeRole only if the settings
name roles.
"""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.ports import Category, Role

YOU = "the user or role that runs this command"
"""The holder of the permissions for calls that only commands make."""


class Api(NamedTuple):
    """One AWS call: its `name` as in IAM and in the metrics, and the SDK's `method`.

    It counts towards the throttle bucket of `category`. `resource` is the resource of the permission, `holder` the
    principal that needs it.
    """

    name: str
    method: str
    category: Category
    resource: str
    holder: str = "the task role"

    @property
    def sdk_service(self) -> str:
        return self.name.partition(":")[0]


GET_QUEUE_URL = Api("sqs:GetQueueUrl", "get_queue_url", Category.QUEUE_READ, "the queue")
GET_QUEUE_ATTRIBUTES = Api("sqs:GetQueueAttributes", "get_queue_attributes", Category.QUEUE_READ, "the queue")
GET_METRIC_DATA = Api("cloudwatch:GetMetricData", "get_metric_data", Category.METRIC_READ, "*")
DESCRIBE_SERVICES = Api("ecs:DescribeServices", "describe_services", Category.SERVICE_READ, "the service")
LIST_SERVICES = Api("ecs:ListServices", "list_services", Category.SERVICE_READ, "*, in the cluster")
UPDATE_SERVICE = Api("ecs:UpdateService", "update_service", Category.SERVICE_MODIFY, "the service")
DESCRIBE_TASK_DEFINITION = Api(
    "ecs:DescribeTaskDefinition", "describe_task_definition", Category.TASK_DEFINITION_READ, "*"
)
LIST_TASKS = Api("ecs:ListTasks", "list_tasks", Category.TASK_READ, "*, in the cluster")
GET_TASK_PROTECTION = Api(
    "ecs:GetTaskProtection", "get_task_protection", Category.TASK_PROTECTION, "the cluster's tasks"
)
DESCRIBE_SCALABLE_TARGETS = Api(
    "application-autoscaling:DescribeScalableTargets", "describe_scalable_targets", Category.SCALING_READ, "*"
)
DESCRIBE_SCALING_POLICIES = Api(
    "application-autoscaling:DescribeScalingPolicies", "describe_scaling_policies", Category.SCALING_READ, "*"
)
DESCRIBE_SCHEDULED_ACTIONS = Api(
    "application-autoscaling:DescribeScheduledActions", "describe_scheduled_actions", Category.SCALING_READ, "*"
)
ASSUME_ROLE = Api(
    "sts:AssumeRole",
    "assume_role",
    Category.ROLE,
    "the role, and allow it in the role's trust policy, with this external_id if the policy requires one",
)


class Call(NamedTuple):
    """One call about one subject: the queue or service as its operator knows it. `role` None: it uses the daemon's own
    credentials. `once`: a command makes it, and there is no next poll.
    """

    api: Api
    subject: str
    region: str
    role: Role | None = None
    once: bool = False

    @property
    def where(self) -> str:
        return f"{self.subject} in {self.region}"

    @property
    def area(self) -> str:
        """The account and Region that AWS counts the call in, as in `RateLimiter`."""
        return self.region if self.role is None else f"{self.region} of {self.role.account}"
