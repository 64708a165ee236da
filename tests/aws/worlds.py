"""Two AWSs that hold queues, services and metrics: moto, and a tiny one on the scripted double."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from aiobotocore.session import AioSession

from tests.aws.double import Double, Reply, fault, ok
from tests.aws.spies import REGION


class World(Protocol):
    """What a test puts there before the floor reads it."""

    async def put_queue(self, name: str, messages: int) -> None: ...
    async def put_service(self, cluster: str, name: str, desired: int) -> None: ...
    async def delete_service(self, cluster: str, name: str) -> None: ...
    async def put_metric(self, cluster: str, service: str, metric: str, percent: float, began_s: float) -> None: ...


@dataclass
class Moto:
    url: str

    async def put_queue(self, name: str, messages: int) -> None:
        async with self._client("sqs") as sqs:
            url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
            for body in range(messages):
                await sqs.send_message(QueueUrl=url, MessageBody=str(body))

    async def put_service(self, cluster: str, name: str, desired: int) -> None:
        async with self._client("ecs") as ecs:
            await ecs.create_cluster(clusterName=cluster)
            container = {"name": "worker", "image": "worker", "memory": 128}
            await ecs.register_task_definition(family=name, containerDefinitions=[container])
            await ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=name, desiredCount=desired)

    async def delete_service(self, cluster: str, name: str) -> None:
        async with self._client("ecs") as ecs:
            await ecs.delete_service(cluster=cluster, service=name, force=True)

    async def put_metric(self, cluster: str, service: str, metric: str, percent: float, began_s: float) -> None:
        dimensions = [{"Name": "ClusterName", "Value": cluster}, {"Name": "ServiceName", "Value": service}]
        datum = {"MetricName": metric, "Dimensions": dimensions, "Value": percent}
        async with self._client("cloudwatch") as cloudwatch:
            timed = datum | {"Timestamp": datetime.fromtimestamp(began_s, UTC)}
            await cloudwatch.put_metric_data(Namespace="AWS/ECS", MetricData=[timed])

    def _client(self, service: str) -> Any:
        return AioSession().create_client(service, region_name=REGION, endpoint_url=self.url)


@dataclass
class Scripted:
    """Answers from what was put, in AWS's shapes."""

    double: Double
    queues: dict[str, int] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.double.on("GetQueueUrl", self._queue_url)
        self.double.on("GetQueueAttributes", self._attributes)
        self.double.on("DescribeServices", self._describe)
        self.double.on("UpdateService", self._update)
        self.double.on("GetMetricData", self._metric_data)

    async def put_queue(self, name: str, messages: int) -> None:
        self.queues[name] = messages

    async def put_service(self, cluster: str, name: str, desired: int) -> None:
        counts = {"desiredCount": desired, "runningCount": 0, "pendingCount": desired}
        self.services[name] = {"serviceName": name, "status": "ACTIVE", "deployments": [], **counts}

    async def delete_service(self, cluster: str, name: str) -> None:
        self.services[name]["status"] = "INACTIVE"

    async def put_metric(self, cluster: str, service: str, metric: str, percent: float, began_s: float) -> None:
        self.metrics[cluster, service, metric] = (began_s, percent)

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
        [query] = asked["MetricDataQueries"]
        metric = query["MetricStat"]["Metric"]
        cluster, service = (dimension["Value"] for dimension in metric["Dimensions"])
        point = self.metrics.get((cluster, service, metric["MetricName"]))
        times, values = ([point[0]], [point[1]]) if point else ([], [])
        result = {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": times, "Values": values}
        return ok({"MetricDataResults": [result]})
