"""Application Auto Scaling's targets, policies and scheduled actions, which can conflict with the autoscaler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SUSPENSIONS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def scaled(cluster: str, service: str) -> dict[str, str]:
    """Return the identification of a service's count in Application Auto Scaling."""
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{cluster}/{service}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }


@dataclass
class Scaling:
    """Each list is in AWS's own format. `page`: the maximum number of entries in an answer."""

    page: int = 50
    targets: list[dict[str, Any]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)

    def put_target(self, cluster: str, service: str, least: int, most: int) -> None:
        capacity = {"MinCapacity": least, "MaxCapacity": most, "SuspendedState": dict.fromkeys(SUSPENSIONS, False)}
        self.targets.append(scaled(cluster, service) | capacity)

    def put_policy(self, cluster: str, service: str, name: str) -> None:
        self.policies.append(scaled(cluster, service) | {"PolicyName": name, "PolicyType": "TargetTrackingScaling"})

    def put_action(self, cluster: str, service: str, name: str) -> None:
        named = {"ScheduledActionName": name, "Schedule": "cron(0 6 * * ? *)"}
        self.actions.append(scaled(cluster, service) | named)

    def suspend(self, cluster: str, service: str) -> None:
        for target in self.targets:
            if target["ResourceId"] == f"service/{cluster}/{service}":
                target["SuspendedState"] = dict.fromkeys(SUSPENSIONS, True)
