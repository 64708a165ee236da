"""Two implementations of AWS with queues, services and metrics: moto and `FakeAws`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from aiobotocore.session import AioSession

from autoscaler.ports import CloudWatchMetric
from tests.aws.spies import REGION
from tests.fakeaws import FakeAws
from tests.fakeaws.world import minutes

SUSPENDED = {
    "DynamicScalingInSuspended": True,
    "DynamicScalingOutSuspended": True,
    "ScheduledScalingSuspended": True,
}


def _scaled(cluster: str, name: str) -> dict[str, str]:
    """Identify a service's desired count in Application Auto Scaling."""
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{cluster}/{name}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }


class AwsWorld(Protocol):
    """The changes that a test makes in AWS before the AWS layer reads it."""

    async def put_queue(self, name: str, messages: int) -> None: ...
    async def put_service(
        self,
        cluster: str,
        name: str,
        desired: int,
        tags: dict[str, str] | None = None,
        containers: list[dict[str, Any]] | None = None,
    ) -> None: ...
    async def delete_service(self, cluster: str, name: str) -> None: ...
    async def put_metric(self, metric: CloudWatchMetric, value: float, began_s: float) -> None: ...
    async def put_scalable_target(self, cluster: str, name: str, least: int, most: int) -> None: ...
    async def put_scaling_policy(self, cluster: str, name: str, policy: str) -> None: ...
    async def put_scheduled_action(self, cluster: str, name: str, action: str) -> None: ...
    async def suspend(self, cluster: str, name: str) -> None: ...


@dataclass
class MotoWorld:
    url: str

    async def put_queue(self, name: str, messages: int) -> None:
        async with self._client("sqs") as sqs:
            url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
            for body in range(messages):
                await sqs.send_message(QueueUrl=url, MessageBody=str(body))

    async def put_service(
        self,
        cluster: str,
        name: str,
        desired: int,
        tags: dict[str, str] | None = None,
        containers: list[dict[str, Any]] | None = None,
    ) -> None:
        async with self._client("ecs") as ecs:
            await ecs.create_cluster(clusterName=cluster)
            definitions = [
                {"image": "worker", "memory": 128, **container} for container in containers or [{"name": "worker"}]
            ]
            await ecs.register_task_definition(family=name, containerDefinitions=definitions)
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
class Fake:
    """`FakeAws`, whose state is changed directly and not by API calls."""

    aws: FakeAws

    async def put_queue(self, name: str, messages: int) -> None:
        self.aws.world().put_queue(name, messages)

    async def put_service(
        self,
        cluster: str,
        name: str,
        desired: int,
        tags: dict[str, str] | None = None,
        containers: list[dict[str, Any]] | None = None,
    ) -> None:
        service = self.aws.world().put_service(cluster, name, desired, tags=tags or {})
        service.containers = containers or service.containers

    async def delete_service(self, cluster: str, name: str) -> None:
        self.aws.world().service(cluster, name).status = "INACTIVE"

    async def put_metric(self, metric: CloudWatchMetric, value: float, began_s: float) -> None:
        own = minutes.metric(metric.namespace, metric.metric, dict(metric.dimensions))
        self.aws.world().minutes.put(own, began_s, value)

    async def put_scalable_target(self, cluster: str, name: str, least: int, most: int) -> None:
        self.aws.world().scaling.put_target(cluster, name, least, most)

    async def put_scaling_policy(self, cluster: str, name: str, policy: str) -> None:
        self.aws.world().scaling.put_policy(cluster, name, policy)

    async def put_scheduled_action(self, cluster: str, name: str, action: str) -> None:
        self.aws.world().scaling.put_action(cluster, name, action)

    async def suspend(self, cluster: str, name: str) -> None:
        self.aws.world().scaling.suspend(cluster, name)
