"""Settings for the tests of the commands: the minimum, and a set that needs every usual IAM permission."""

from __future__ import annotations

from autoscaler.aws.calls import CALLS, Purpose, ResourceForm
from autoscaler.config import Config, load

ACCOUNT = "123456789012"
LEAST = {
    "AWS_REGION": "eu-west-1",
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "orders",
    "AUTOSCALER_MAX_TASKS": "20",
    "AUTOSCALER_MODE": "active",
}
EVENT_CALLS = {api.name for api in CALLS if api.purpose is Purpose.RECEIVE_EVENTS}
"""The calls that only `event_queue` needs."""

USUAL_CALLS = (
    {api.name for api in CALLS} - EVENT_CALLS - {"sts:AssumeRole", "ecs:ListServices", "ecs:DescribeTaskDefinition"}
)
"""The calls if all services are in the daemon's account, discovery is off, `workers` and `task_price` are set, and
`event_queue` is not.
"""

QUEUE_CALLS = [api.name for api in CALLS if api.resource is ResourceForm.QUEUE and api.name not in EVENT_CALLS]
"""The calls about a work queue, in the order of the table."""

EVERYTHING = LEAST | {
    "AUTOSCALER_WORKERS": "self_protecting",
    "AUTOSCALER_CPU_TARGET_PERCENT": "60",
    "AUTOSCALER_TASK_PRICE": "0.05",
}


def config(**settings: str) -> Config:
    """Load the minimum settings. These settings of the service, named without prefix, are added or replace them."""
    return load(LEAST | {f"AUTOSCALER_{name.upper()}": value for name, value in settings.items()})


def several(*services: dict[str, str]) -> Config:
    """Load services s0, s1, and so on. By default each is active and has a cluster, a service, a queue and 9 tasks."""
    flat: dict[str, str] = {}
    for number, fields in enumerate(services):
        usual = {"cluster": "prod", "service": f"w{number}", "queues": f"q{number}", "max_tasks": "9", "mode": "active"}
        whole = usual | fields
        flat |= {f"AUTOSCALER_SERVICES__S{number}__{name.upper()}": value for name, value in whole.items()}
    return load(flat)
