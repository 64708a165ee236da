"""A scripted AWS with one healthy service and one queue. Each test replaces the answers that it is about."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.aws.double import AwsDouble, AwsReply, ok, serving

ROLE = "arn:aws:iam::123456789012:role/autoscaler"
DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/orders:7"
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/prod/orders"


def xml(operation: str, inner: str) -> AwsReply:
    """Return an answer in the AWS query protocol."""
    body = f"<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"
    return AwsReply(body.encode(), 200, {"Content-Type": "text/xml"})


def caller(arn: str = "arn:aws:sts::123456789012:assumed-role/autoscaler/task") -> AwsReply:
    return xml("GetCallerIdentity", f"<Account>123456789012</Account><Arn>{arn}</Arn><UserId>x</UserId>")


def simulated(decision: str) -> AwsReply:
    inner = f"<EvalActionName>x</EvalActionName><EvalDecision>{decision}</EvalDecision>"
    return xml("SimulatePrincipalPolicy", f"<EvaluationResults><member>{inner}</member></EvaluationResults>")


def service(name: str = "orders", **changed: Any) -> AwsReply:
    counts = {"desiredCount": 3, "runningCount": 3, "pendingCount": 0, "deployments": [], "events": []}
    description = {
        "serviceName": name,
        "serviceArn": ARN,
        "status": "ACTIVE",
        "taskDefinition": DEFINITION,
        **counts,
        **changed,
    }
    return ok({"services": [description], "failures": []})


def definition(**container: Any) -> AwsReply:
    """Return a task definition with one container: the newest revision of the service's family."""
    own = {"containerDefinitions": [{"name": "app", "essential": True, **container}]}
    return ok({"taskDefinition": {"family": "orders", "revision": 7} | own})


def minute(body: dict[str, Any]) -> AwsReply:
    """Return the value 5 for every metric, in a recent complete minute."""
    over = int(time.time()) // 60 * 60 - 60
    results = [
        {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": [over - 60], "Values": [5.0]}
        for query in body["MetricDataQueries"]
    ]
    return ok({"MetricDataResults": results})


@asynccontextmanager
async def healthy() -> AsyncIterator[AwsDouble]:
    """Yield a scripted AWS in which every call succeeds and no check finds a problem."""
    async with serving() as double:
        double.on("GetCallerIdentity", caller())
        double.on("SimulatePrincipalPolicy", simulated("allowed"))
        double.on("DescribeServices", service())
        double.on("GetQueueUrl", ok({"QueueUrl": f"{double.url}/123456789012/orders"}))
        counts = {"ApproximateNumberOfMessages": "12", "ApproximateNumberOfMessagesNotVisible": "3"}
        double.on("GetQueueAttributes", ok({"Attributes": counts | {"ApproximateNumberOfMessagesDelayed": "0"}}))
        double.on("GetMetricData", minute)
        double.on("DescribeScalableTargets", ok({"ScalableTargets": []}))
        double.on("DescribeTaskDefinition", definition())
        double.on("ListTasks", ok({"taskArns": []}))
        yield double
