"""CloudWatch alarms that work without the daemon: it can be down while services have no tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from autoscaler.config import Config
from autoscaler.monitoring.grafana import Json
from autoscaler.monitoring.rules import RUNBOOK, section

SPARE_S = 300
"""Seconds of tolerance: the metric is a minute late and includes messages in flight, and the first task takes a minute
or two to start.
"""

PERIOD_S, PERIODS = 60, 3

SECTION = "Oldest message"
"""The section of the runbook."""


MOST_RESOURCES = 500
"""Maximum number of resources in a CloudFormation template (CloudFormation quotas)."""


class Stack(NamedTuple):
    """Where a template is deployed. Empty: the account or the Region of the daemon. `part` counts from 1; more than one
    is needed if one template cannot contain all queues.
    """

    account: str = ""
    region: str = ""
    part: int = 1


_WORD = re.compile(r"[A-Za-z0-9]+")


def threshold_s(latency_s: float) -> int:
    """Return the age of the oldest message that raises the alarm: twice the latency target, plus `SPARE_S`."""
    return round(2 * latency_s) + SPARE_S


def queue_alarm(runbook_url: str | None = None) -> Json:
    """Return a template for one queue, with parameters. `runbook_url`: the address of the runbook (None: unknown)."""
    parameters: Json = {
        "QueueName": {"Type": "String", "Description": "The queue's name, in this account and Region."},
        "MostSeconds": {
            "Type": "Number",
            "Description": "Oldest message age in seconds that raises the alarm: twice the latency target + 300.",
            "Default": threshold_s(60),
        },
    }
    name, most = {"Ref": "QueueName"}, {"Ref": "MostSeconds"}
    return _template(
        "the queue", parameters, {"OldestMessage": _alarm(name, most, "The oldest message is too old.", runbook_url)}
    )


def alarms(config: Config, runbook_url: str | None = None) -> dict[Stack, Json]:
    """Return the templates for each account and Region, with an alarm for each configured queue in the order of the
    settings. A template has at most `MOST_RESOURCES` alarms.
    """
    latencies: dict[Stack, dict[str, float]] = {}
    for service in config.services:
        for queue in service.queues:
            account = queue.account or (queue.role.account if queue.role else "")
            here = latencies.setdefault(Stack(account, queue.region or service.ref.region or ""), {})
            here[queue.name] = service.policy.latency_of(queue.name)
    return {
        stack._replace(part=part): _of_queues(some, runbook_url)
        for stack, queues in latencies.items()
        for part, some in enumerate(_parts(queues), start=1)
    }


def _parts(latencies: Mapping[str, float]) -> Iterator[Mapping[str, float]]:
    queues = list(latencies.items())
    for first in range(0, len(queues), MOST_RESOURCES):
        yield dict(queues[first : first + MOST_RESOURCES])


def _of_queues(latencies: Mapping[str, float], runbook_url: str | None) -> Json:
    names = _logical(latencies)
    resources = {
        name: _alarm(queue, threshold_s(latency_s), f"The latency target of {queue} is {latency_s:g} s.", runbook_url)
        for name, (queue, latency_s) in zip(names, latencies.items(), strict=True)
    }
    return _template("the queues", {}, resources)


def _logical(queues: Iterable[str]) -> Sequence[str]:
    """Return unique names of resources, with letters and digits only."""
    names: dict[str, None] = {}
    for queue in queues:
        plain = "".join(word.capitalize() for word in _WORD.findall(queue)) + "OldestMessage"
        names[plain if plain not in names else f"{plain}{len(names)}"] = None
    return list(names)


def _template(what: str, parameters: Json, resources: Json) -> Json:
    topic = {
        "Type": "String",
        "Description": "ARN of an SNS topic for notifications (empty - none).",
        "Default": "",
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Alarms on the oldest message of {what}. They work while the autoscaler is down.",
        "Parameters": {**parameters, "TopicArn": topic},
        "Conditions": {"HasTopic": {"Fn::Not": [{"Fn::Equals": [{"Ref": "TopicArn"}, ""]}]}},
        "Resources": resources,
    }


def _alarm(queue: str | Json, most: int | Json, why: str, runbook_url: str | None) -> Json:
    where = f"{RUNBOOK}, section {SECTION}" if runbook_url is None else section(runbook_url, SECTION)
    actions = [{"Fn::If": ["HasTopic", {"Ref": "TopicArn"}, {"Ref": "AWS::NoValue"}]}]
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"{why} What to do: {where}.",
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{"Name": "QueueName", "Value": queue}],
            "Statistic": "Maximum",
            "Period": PERIOD_S,
            "EvaluationPeriods": PERIODS,
            "DatapointsToAlarm": PERIODS,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": most,
            "TreatMissingData": "notBreaching",
            "AlarmActions": actions,
            "OKActions": actions,
        },
    }
