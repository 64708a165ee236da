"""Everything that is ever asked of AWS: thirteen calls, one of which changes something. The task role needs no more:
the list of services only where some are discovered, and the last of them only where the settings name roles.
"""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.ports import Category, Role

YOU = "whoever runs this command"
"""Holds the rights of calls that only commands make."""


class Api(NamedTuple):
    """One AWS call: its `name` as IAM and our metrics write it, and the SDK's `method`.

    It drains the throttle bucket of `category`. `resource` is what the permission must be given on, `holder` to whom.
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
    "the role, and let the role's trust policy admit it, with this external_id if it asks for one",
)


class Call(NamedTuple):
    """One call about one thing: `subject` names the queue or service, as its operator knows it. `role` None: it is
    made with the daemon's own credentials. `once`: a command asks, and nobody asks again at a next tick.
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
        """What AWS counts the call in, as `Pacer` has it."""
        return self.region if self.role is None else f"{self.region} of {self.role.account}"
