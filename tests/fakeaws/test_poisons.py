"""Each poison changes the answers about one service or its queue, and not about others, even in the same answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask
from tests.fakeaws.poisons import POISONS, REFUSES_ALL, poison

OURS, THEIRS = ("worker-1", "orders-1"), ("worker-2", "orders-2")
AAS = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


def query(key: Any, namespace: Any, name: Any, **dimensions: Any) -> dict[Any, Any]:
    listed = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    own = {"Namespace": namespace, "MetricName": name, "Dimensions": listed}
    return {"Id": key, "MetricStat": {"Metric": own, "Period": 60, "Stat": "Sum"}}


def metrics(number: Any, service: Any, queue: Any) -> list[Any]:
    return [
        query(f"cpu_{number}", "AWS/ECS", "CPUUtilization", ClusterName="prod", ServiceName=service),
        query(f"sent_{number}", "AWS/SQS", "NumberOfMessagesSent", QueueName=queue),
    ]


class TwoServices:
    """A fake AWS with two services, and the calls about them."""

    def __init__(self) -> None:
        self.aws = FakeAws(StillClock())
        for service, queue in (OURS, THEIRS):
            self.aws.world().put_queue(queue, visible=3)
            self.aws.world().put_service("prod", service, 2, cpu=50.0)
            self.aws.world().scaling.put_target("prod", service, 1, 10)

    def alone(self, service: str, queue: str) -> dict[str, Any]:
        """Return the replies to the calls about one resource."""
        aws, own = self.aws, {"cluster": "prod"}
        tasks = json.loads(ask(aws, "ecs", "ListTasks", **own, serviceName=THEIRS[0]).body)["taskArns"]
        url = f"http://x/111111111111/{queue}"
        resource = f"service/prod/{service}"
        asked: dict[tuple[str, str], dict[str, Any]] = {
            ("sqs", "GetQueueUrl"): {"QueueName": queue},
            ("sqs", "GetQueueAttributes"): {"QueueUrl": url, "AttributeNames": ["All"]},
            ("ecs", "UpdateService"): own | {"service": service, "desiredCount": 2},
            ("ecs", "ListTasks"): own | {"serviceName": service},
            ("ecs", "GetTaskProtection"): own | {"tasks": self.tasks(service) or tasks},
            ("ecs", "DescribeServices"): own | {"services": [service]},
            ("application-autoscaling", "DescribeScalableTargets"): AAS | {"ResourceIds": [resource]},
            ("application-autoscaling", "DescribeScalingPolicies"): AAS | {"ResourceId": resource},
            ("application-autoscaling", "DescribeScheduledActions"): AAS | {"ResourceId": resource},
        }
        replies = {name: ask(aws, kind, name, **body) for (kind, name), body in asked.items()}
        return {name: (reply.status, reply.body, reply.manner, reply.after_s) for name, reply in replies.items()}

    def tasks(self, service: str) -> list[str]:
        own = self.aws.world().service("prod", service)
        return [f"x/{own.number:016x}{task.number:016x}" for task in own.tasks(self.aws.clock.now())]

    def together(self) -> dict[str, Any]:
        """Return the parts of each service from the answers about both."""
        now = self.aws.clock.now()
        both = metrics(1, *OURS) + metrics(2, *THEIRS)
        asked = {"MetricDataQueries": both, "StartTime": now - 600, "EndTime": now}
        minutes = json.loads(ask(self.aws, "cloudwatch", "GetMetricData", **dict[str, Any](asked)).body)[
            "MetricDataResults"
        ]
        services = ask(self.aws, "ecs", "DescribeServices", cluster="prod", services=[OURS[0], THEIRS[0]])
        first, *rest = json.loads(services.body).get("services", [None])
        return {"1": [first, *minutes[:2]], "2": [rest, *minutes[2:]]}


def test_there_are_at_least_30_poisons() -> None:
    assert len(POISONS) >= 30


@pytest.mark.parametrize("name", POISONS)
def test_a_poison_changes_its_own_service_and_no_other(name: Any) -> None:
    good, bad = TwoServices(), TwoServices()
    poison(bad.aws.faults, name, *OURS)
    assert bad.alone(*THEIRS) == good.alone(*THEIRS)
    if name not in REFUSES_ALL:
        assert bad.together()["2"] == good.together()["2"]
    # compare as text: NaN does not equal NaN
    before, after = repr((good.alone(*OURS), good.together()["1"])), repr((bad.alone(*OURS), bad.together()["1"]))
    assert before != after


@pytest.mark.parametrize("name", POISONS)
def test_heal_restores_the_answers(name: Any) -> None:
    good, healed = TwoServices(), TwoServices()
    poison(healed.aws.faults, name, *OURS)
    for subject in OURS:
        healed.aws.faults.heal(subject)
    assert healed.alone(*OURS) == good.alone(*OURS)
    assert healed.together() == good.together()


def test_a_fault_with_two_times_ends_after_two_calls() -> None:
    asked = TwoServices()
    fault = POISONS["counts_500"].fault
    asked.aws.faults.script("GetQueueAttributes", fault, "orders-1", times=2)
    statuses = [asked.alone(*OURS)["GetQueueAttributes"][0] for _ in range(3)]
    assert statuses == [500, 500, 200]
