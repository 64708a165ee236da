"""Named metrics: the source of a value and its target, and the formula that uses the metrics' names.

Invariants: a metric has at most one target; a metric without a target must be used by a formula. A metric has at most
one source; only a service's settings require it.
"""

from __future__ import annotations

import keyword
import re
import socket
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Self, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import model_validator

from autoscaler.config.groups import Group, meant, table
from autoscaler.config.quoting import WrongValue, may_be_secret, quote
from autoscaler.config.values import ValueKind, choice, number, text
from autoscaler.core import formula
from autoscaler.core.formula import FUNCTIONS
from autoscaler.core.policy import MetricPolicy
from autoscaler.ports import CloudWatchMetric, MetricSource, PrometheusQuery

# The URL of a Prometheus server. Several people may write the settings, and the daemon's host serves credentials over
# HTTP. Therefore addresses of the instance metadata service are refused, in every notation.
#
# Host names are not resolved here; the client that connects must check the resolved address.

_NO_BASE = re.compile(r"[?#\\]")
_SHAPE = re.compile(r"[!-~]{1,500}", re.ASCII)
_AWS_METADATA = IPv6Network("fd00:ec2::/32")
_QUERY_PATH = "/api/v1/query"


def server(value: object) -> str:
    """Return the server's URL without a trailing slash. Raises WrongValue, without a password in its text."""
    text = value.strip() if isinstance(value, str) else ""
    url = _split(text)
    if url.path.rstrip("/").endswith(_QUERY_PATH):
        raise WrongValue(f"the URL must not contain {_QUERY_PATH}. Set only the URL of the server")
    if _is_metadata(url.hostname or ""):
        raise WrongValue(f"{quote(text)} is an address of the instance metadata service, not of a Prometheus server")
    return text.rstrip("/")


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise WrongValue("the value is not a valid URL") from error
    if "@" in url.netloc:
        raise WrongValue("the URL must not contain a user or a password (value not shown). Remove them")
    plain = _SHAPE.fullmatch(text) and not _NO_BASE.search(text)
    if not plain or url.scheme not in {"http", "https"} or not url.hostname:
        raise WrongValue(f"{quote(text)} is not the URL of a Prometheus server, such as http://HOST:PORT")
    return url


def _is_metadata(host: str) -> bool:
    address = _address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address is not None and (address.is_link_local or address in _AWS_METADATA)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address in the host (None: a name). C libraries also accept notations such as 0xA9FEA9FE."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


SERVER = ValueKind("URL", server, {"type": "string", "pattern": "^https?://"})


QUEUE_SIGNALS = frozenset({"visible", "in_flight", "delayed", "oldest_age_s"})
SIGNALS = QUEUE_SIGNALS | {"cpu_percent", "memory_percent", "running", "current"}
"""Names that a formula may use in addition to the metrics."""

_TAKEN = SIGNALS | FUNCTIONS.keys() | {"queues"}  # a journal stores the queues under this name, next to the metrics
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
_MOST_DIMENSIONS = 30  # CloudWatch's own limit
_POSITIVE = number(lambda target: target > 0, "above 0", {"exclusiveMinimum": 0})
_NAMESPACE = text(re.compile(r"[A-Za-z0-9_./#][A-Za-z0-9_./#: -]{0,254}", re.ASCII), "a CloudWatch namespace")
_METRIC = text(re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?", re.ASCII), "a CloudWatch metric's name")
_QUERY = text(re.compile(r"[^\0]{1,8000}"), "a query of at most 8000 characters")
_DIMENSION = re.compile(r"[ -~]{1,255}", re.ASCII)


class Statistic(StrEnum):
    AVERAGE = "Average"
    SUM = "Sum"
    MAXIMUM = "Maximum"
    MINIMUM = "Minimum"
    SAMPLE_COUNT = "SampleCount"


def _name(value: object) -> str:
    name = value if isinstance(value, str) else ""
    if not _NAME.fullmatch(name):
        how = "a lowercase letter, then at most 40 lowercase letters, digits and _"
        raise WrongValue(f"{quote(value)} is not a valid name of a metric: {how}")
    if name in _TAKEN or keyword.iskeyword(name):
        raise WrongValue(f"the name {name} is reserved. Choose another name")
    return name


def _dimensions(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not all(_is_dimension(text) for pair in value.items() for text in pair):
        raise WrongValue(f'{quote(value)} is not a table of strings, such as {{"QueueName": "orders"}}')
    if len(value) > _MOST_DIMENSIONS:
        raise WrongValue(f"there are {len(value)} dimensions; the maximum is {_MOST_DIMENSIONS}")
    return tuple(sorted(value.items()))


def _is_dimension(text: object) -> bool:
    return isinstance(text, str) and _DIMENSION.fullmatch(text) is not None and text.strip() != ""


_NAMES = ValueKind(
    "metric's name", _name, {"type": "string", "pattern": f"^{_NAME.pattern}$", "not": {"enum": sorted(_TAKEN)}}
)
_DIMENSIONS = ValueKind(
    "table of strings", _dimensions, {"type": "object", "additionalProperties": {"type": "string"}}, dict
)


class MetricFields(Group):
    """One metric to scale on, from CloudWatch or from Prometheus."""

    namespace: Annotated[str | None, _NAMESPACE] = meant(None, "CloudWatch: the metric's namespace.")
    metric: Annotated[str | None, _METRIC] = meant(None, "CloudWatch: the metric's name.")
    dimensions: Annotated[tuple[tuple[str, str], ...] | None, _DIMENSIONS] = meant(
        None, "CloudWatch: all dimensions of the metric. With one missing, it is a different metric."
    )
    statistic: Annotated[Statistic | None, choice(Statistic)] = meant(
        None, "CloudWatch: statistic of each minute's values. Default: Average."
    )
    prometheus: Annotated[str | None, SERVER] = meant(
        None, "Prometheus: URL of the server, such as http://prometheus:9090."
    )
    query: Annotated[str | None, _QUERY] = meant(None, "Prometheus: an instant query that returns one number.")
    target_per_task: Annotated[float | None, _POSITIVE] = meant(None, "Value that one task can handle.")
    target_value: Annotated[float | None, _POSITIVE] = meant(None, "Value to keep, independent of the task count.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wrong = [*_of_targets(self), *_of_source(self)]
        if wrong:
            raise WrongValue("; ".join(wrong))
        return self


def _of_targets(item: MetricFields) -> Iterator[str]:
    if item.target_per_task is not None and item.target_value is not None:
        yield "set target_per_task or target_value, not both"


def _of_source(item: MetricFields) -> Iterator[str]:
    cloudwatch, prometheus = (item.namespace, item.metric), (item.prometheus, item.query)
    extras = (item.dimensions, item.statistic)
    if any(cloudwatch + extras) and any(prometheus):
        yield "set only one source: namespace and metric, or prometheus and query"
    elif any(prometheus) and not all(prometheus):
        yield "set both prometheus and query"
    elif any(cloudwatch + extras) and not all(cloudwatch):
        yield "set both namespace and metric"


Metrics: TypeAlias = dict[Annotated[str, _NAMES], MetricFields]

METRICS = table(
    "metrics",
    '{"lag": {"namespace": "App", "metric": "Lag", "dimensions": {"Name": "orders"}, "target_per_task": 100}}',
    _NAMES,
    MetricFields,
)


def source_of(item: MetricFields, region: str | None) -> MetricSource | None:
    """Return the source of the metric (None: it has none). `region`: for a CloudWatch metric."""
    if item.prometheus and item.query:
        return PrometheusQuery(item.prometheus, item.query)
    if item.namespace and item.metric:
        statistic = str(item.statistic or Statistic.AVERAGE)
        return CloudWatchMetric(item.namespace, item.metric, item.dimensions or (), statistic, region)
    return None


def metric_policy(name: str, item: MetricFields) -> MetricPolicy:
    return MetricPolicy(name, target_per_task=item.target_per_task, target_value=item.target_value)


def _formula(value: object) -> str:
    given = value.strip() if isinstance(value, str) else ""
    if not isinstance(value, str) or may_be_secret(given):
        raise WrongValue(f"{quote(given)} is not a formula")
    try:
        formula.parse(given)
    except ValueError as error:
        raise WrongValue(str(error)) from error
    return given


FORMULA = ValueKind("formula", _formula, {"type": "string", "minLength": 1, "maxLength": formula.MOST_CHARACTERS})
