"""Two AWSs that hold queues, services and metrics: moto, and a tiny one on the scripted double."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from aiobotocore.session import AioSession

from autoscaler.ports import CloudWatchMetric
from tests.aws.double import Double, Reply, fault, ok
from tests.aws.spies import REGION

SUSPENDED = {
    "DynamicScalingInSuspended": True,
    "DynamicScalingOutSuspended": True,
    "ScheduledScalingSuspended": True,
}


def _scaled(cluster: str, name: str) -> dict[str, str]:
    """A service's count, as Application Auto Scaling calls it."""
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{cluster}/{name}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }


class World(Protocol):
    """What a test puts there before the floor reads it."""

    async def put_queue(self, name: str, messages: int) -> None: ...
    async def put_service(self, cluster: str, name: str, desired: int, tags: dict[str, str] | None = None) -> None: ...
    async def delete_service(self, cluster: str, name: str) -> None: ...
    async def put_metric(self, metric: CloudWatchMetric, value: float, began_s: float) -> None: ...
    async def put_scalable_target(self, cluster: str, name: str, least: int, most: int) -> None: ...
    async def put_scaling_policy(self, cluster: str, name: str, policy: str) -> None: ...
    async def put_scheduled_action(self, cluster: str, name: str, action: str) -> None: ...
    async def suspend(self, cluster: str, name: str) -> None: ...


@dataclass
class Moto:
    url: str

    async def put_queue(self, name: str, messages: int) -> None:
        async with self._client("sqs") as sqs:
            url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
            for body in range(messages):
                await sqs.send_message(QueueUrl=url, MessageBody=str(body))

    async def put_service(self, cluster: str, name: str, desired: int, tags: dict[str, str] | None = None) -> None:
        async with self._client("ecs") as ecs:
            await ecs.create_cluster(clusterName=cluster)
            container = {"name": "worker", "image": "worker", "memory": 128}
            await ecs.register_task_definition(family=name, containerDefinitions=[container])
            listed = [{"key": key, "value": value} for key, value in (tags or {}).items()]
            await ecs.create_service(
                cluster=cluster, serviceName=name, taskDefinition=name, desiredCount=desired, tags=listed
            )

    async def delete_service(self, cluster: str, name: str) -> None:
        async with self._client("ecs") as ecs:
            await ecs.delete_service(cluster=cluster, service=name, force=True)

    async def put_metric(self, metric: CloudWatchMetric, value: float, began_s: float) -> None:
        dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
        datum = {"MetricName": metric.metric, "Dimensions": dimensions, "Value": value}
        async with self._client("cloudwatch") as cloudwatch:
            timed = datum | {"Timestamp": datetime.fromtimestamp(began_s, UTC)}
            await cloudwatch.put_metric_data(Namespace=metric.namespace, MetricData=[timed])

    async def put_scalable_target(self, cluster: str, name: str, least: int, most: int) -> None:
        async with self._client("application-autoscaling") as scaling:
            await scaling.register_scalable_target(**_scaled(cluster, name), MinCapacity=least, MaxCapacity=most)

    async def put_scaling_policy(self, cluster: str, name: str, policy: str) -> None:
        tracking = {
            "TargetValue": 60.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        }
        async with self._client("application-autoscaling") as scaling:
            await scaling.put_scaling_policy(
                **_scaled(cluster, name),
                PolicyName=policy,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration=tracking,
            )

    async def put_scheduled_action(self, cluster: str, name: str, action: str) -> None:
        async with self._client("application-autoscaling") as scaling:
            await scaling.put_scheduled_action(
                **_scaled(cluster, name),
                ScheduledActionName=action,
                Schedule="cron(0 6 * * ? *)",
                ScalableTargetAction={"MinCapacity": 2},
            )

    async def suspend(self, cluster: str, name: str) -> None:
        async with self._client("application-autoscaling") as scaling:
            await scaling.register_scalable_target(**_scaled(cluster, name), SuspendedState=SUSPENDED)

    def _client(self, service: str) -> Any:
        return AioSession().create_client(service, region_name=REGION, endpoint_url=self.url)


@dataclass
class Scripted:
    """Answers from what was put, in AWS's shapes."""

    double: Double
    queues: dict[str, int] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)
    scaling: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.double.on("GetQueueUrl", self._queue_url)
        self.double.on("GetQueueAttributes", self._attributes)
        self.double.on("DescribeServices", self._describe)
        self.double.on("UpdateService", self._update)
        self.double.on("GetMetricData", self._metric_data)
        self.double.on("ListTasks", ok({"taskArns": []}))
        for name in ("ScalableTargets", "ScalingPolicies", "ScheduledActions"):
            self.double.on(f"Describe{name}", partial(self._scaling_parts, name))

    async def put_queue(self, name: str, messages: int) -> None:
        self.queues[name] = messages

    async def put_service(self, cluster: str, name: str, desired: int, tags: dict[str, str] | None = None) -> None:
        counts = {"desiredCount": desired, "runningCount": 0, "pendingCount": desired}
        self.services[name] = {"serviceName": name, "status": "ACTIVE", "deployments": [], **counts}
        self.services[name]["tags"] = [{"key": key, "value": value} for key, value in (tags or {}).items()]

    async def delete_service(self, cluster: str, name: str) -> None:
        self.services[name]["status"] = "INACTIVE"

    async def put_metric(self, metric: CloudWatchMetric, value: float, began_s: float) -> None:
        self.metrics[metric.namespace, metric.metric, str(sorted(metric.dimensions))] = (began_s, value)

    async def put_scalable_target(self, cluster: str, name: str, least: int, most: int) -> None:
        capacity = {"MinCapacity": least, "MaxCapacity": most}
        self.scaling["ScalableTargets"].append(_scaled(cluster, name) | capacity)

    async def put_scaling_policy(self, cluster: str, name: str, policy: str) -> None:
        self.scaling["ScalingPolicies"].append(_scaled(cluster, name) | {"PolicyName": policy})

    async def put_scheduled_action(self, cluster: str, name: str, action: str) -> None:
        self.scaling["ScheduledActions"].append(_scaled(cluster, name) | {"ScheduledActionName": action})

    async def suspend(self, cluster: str, name: str) -> None:
        for target in self.scaling["ScalableTargets"]:
            target |= {"SuspendedState": SUSPENDED}

    def _queue_url(self, asked: dict[str, Any]) -> Reply:
        name = asked["QueueName"]
        return ok({"QueueUrl": f"{self.double.url}/1/{name}"}) if name in self.queues else fault("QueueDoesNotExist")

    def _attributes(self, asked: dict[str, Any]) -> Reply:
        counts = dict.fromkeys(asked["AttributeNames"], "0")
        counts["ApproximateNumberOfMessages"] = str(self.queues[asked["QueueUrl"].rpartition("/")[2]])
        return ok({"Attributes": counts})

    def _describe(self, asked: dict[str, Any]) -> Reply:
        [name] = asked["services"]
        if name not in self.services:
            return ok({"services": [], "failures": [{"arn": f"arn:aws:ecs:x:1:service/{name}", "reason": "MISSING"}]})
        return ok({"services": [self.services[name]], "failures": []})

    def _update(self, asked: dict[str, Any]) -> Reply:
        if asked["service"] not in self.services:
            return fault("ServiceNotFoundException")
        service = self.services[asked["service"]]
        service |= {"desiredCount": asked["desiredCount"]}
        return ok({"service": service})

    def _metric_data(self, asked: dict[str, Any]) -> Reply:
        return ok({"MetricDataResults": [self._result(query) for query in asked["MetricDataQueries"]]})

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        metric = query["MetricStat"]["Metric"]
        dimensions = sorted((dimension["Name"], dimension["Value"]) for dimension in metric["Dimensions"])
        point = self.metrics.get((metric["Namespace"], metric["MetricName"], str(dimensions)))
        times, values = ([point[0]], [point[1]]) if point else ([], [])
        return {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": times, "Values": values}

    def _scaling_parts(self, name: str, asked: dict[str, Any]) -> Reply:
        wanted = asked.get("ResourceIds") or [asked["ResourceId"]]
        return ok({name: [part for part in self.scaling[name] if part["ResourceId"] in wanted]})
