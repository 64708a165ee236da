"""The signal source CloudWatch metric: any metric of a CloudWatch namespace, by name and dimensions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Annotated

from autoscaler.aws.arns import ANY, Home, Right
from autoscaler.aws.calls import GET_METRIC_DATA
from autoscaler.config import ServiceConfig
from autoscaler.config.groups import Group, meant, required
from autoscaler.config.quoting import WrongValue, quote
from autoscaler.config.values import ValueKind, choice, text
from autoscaler.ports import CloudWatchMetric, MetricPort
from autoscaler.sources.source import Connection, MetricSource

_MOST_DIMENSIONS = 30  # CloudWatch's own limit
_NAMESPACE = text(re.compile(r"[A-Za-z0-9_./#][A-Za-z0-9_./#: -]{0,254}", re.ASCII), "a CloudWatch namespace")
_METRIC = text(re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?", re.ASCII), "a CloudWatch metric's name")
_DIMENSION = re.compile(r"[ -~]{1,255}", re.ASCII)


class Statistic(StrEnum):
    AVERAGE = "Average"
    SUM = "Sum"
    MAXIMUM = "Maximum"
    MINIMUM = "Minimum"
    SAMPLE_COUNT = "SampleCount"


def _dimensions(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not all(_is_dimension(text) for pair in value.items() for text in pair):
        raise WrongValue(f'{quote(value)} is not a table of strings, such as {{"QueueName": "orders"}}')
    if len(value) > _MOST_DIMENSIONS:
        raise WrongValue(f"there are {len(value)} dimensions; the maximum is {_MOST_DIMENSIONS}")
    return tuple(sorted(value.items()))


def _is_dimension(text: object) -> bool:
    return isinstance(text, str) and _DIMENSION.fullmatch(text) is not None and text.strip() != ""


_DIMENSIONS = ValueKind(
    "table of strings", _dimensions, {"type": "object", "additionalProperties": {"type": "string"}}, dict
)


class CloudWatchFields(Group):
    """The settings of a metric from CloudWatch."""

    namespace: Annotated[str, _NAMESPACE] = required("CloudWatch: the metric's namespace.")
    metric: Annotated[str, _METRIC] = required("CloudWatch: the metric's name.")
    dimensions: Annotated[tuple[tuple[str, str], ...] | None, _DIMENSIONS] = meant(
        None, "CloudWatch: all dimensions of the metric. With one missing, it is a different metric."
    )
    statistic: Annotated[Statistic | None, choice(Statistic)] = meant(
        None, "CloudWatch: statistic of each minute's values. Default: Average."
    )


class CloudWatchSource(MetricSource[CloudWatchFields]):
    """Reads the newest complete minute of the metric, in the Region of the service."""

    name = "cloudwatch"
    fields = CloudWatchFields
    requests = CloudWatchMetric

    def request(self, fields: CloudWatchFields, region: str | None) -> CloudWatchMetric:
        statistic = str(fields.statistic or Statistic.AVERAGE)
        return CloudWatchMetric(fields.namespace, fields.metric, fields.dimensions or (), statistic, region)

    @asynccontextmanager
    async def connect(self, connection: Connection) -> AsyncIterator[MetricPort[CloudWatchMetric]]:
        """Yield the daemon's own connection to CloudWatch, which reads many metrics with one call."""
        yield connection.aws

    def rights(self, service: ServiceConfig, home: Home) -> Iterator[Right]:
        if self.used(service):
            yield Right(GET_METRIC_DATA, ANY)

    def cloudwatch_metrics(self, service: ServiceConfig) -> int:
        return len(self.used(service))


CLOUDWATCH = CloudWatchSource()
