"""Addresses for the page of a service: the AWS console, and this project's documentation.

The console has no public specification of its addresses. The page shows no link if the Region or its console is not
known. The names in an address are percent-encoded: every address is one of https, whatever a name contains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from autoscaler.config.addresses import PARTITIONS, partition_of
from autoscaler.ports import QueueRef, ServiceRef

DOCUMENTATION = "https://github.com/ecs-queue-autoscaler/ecs-queue-autoscaler/blob/main/docs/"
"""The folder of the page `Documentation` in pyproject.toml."""

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""The console's domain by partition."""

QUEUE_METRICS = ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent")
PLAIN = re.compile(r"[A-Za-z0-9_.-]", re.ASCII)


def console_links(service: ServiceRef, queues: Iterable[QueueRef], home: str) -> dict[str, Any] | None:
    """Return the addresses of the service, its log and its queues (None: the console is unknown). `home`: the daemon's
    own Region (empty: unknown). A queue without a known account has no address, only its metrics have.
    """
    region = service.region or home
    host = _host(region)
    if host is None:
        return None
    place = f"https://{host}/ecs/v2/clusters/{_path(service.cluster)}/services/{_path(service.service)}"
    return {
        "service": f"{place}/health?region={region}",
        "log": f"{place}/logs?region={region}",
        "queues": {queue.name: _queue(queue, queue.region or region) for queue in queues},
    }


def is_aws(environ: Mapping[str, str]) -> bool:
    """Whether the AWS SDK calls AWS, and not a server that stands in for it, as in a test or in the demo."""
    endpoints = filter(None, (environ.get(name, "") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECS")))
    domains = tuple(f".{suffix}" for one in PARTITIONS for suffix in one.suffixes)
    return all((urlsplit(endpoint).hostname or "").endswith(domains) for endpoint in endpoints)


def _host(region: str) -> str | None:
    partition = partition_of(region)
    domain = None if partition is None else CONSOLES.get(partition.name)
    return None if domain is None else f"{region}.{domain}"


def _queue(queue: QueueRef, region: str) -> dict[str, str | None]:
    host, partition = _host(region), partition_of(region)
    if host is None or partition is None:
        return {"queue": None, "metrics": None}
    account = queue.account or (None if queue.role is None else queue.role.account)
    url = f"https://sqs.{region}.{partition.suffixes[0]}/{account}/{queue.name}"
    lines = "".join(f"~(~'AWS*2fSQS~'{name}~'QueueName~'{_value(queue.name)})" for name in QUEUE_METRICS)
    graph = f"~(metrics~({lines})~view~'timeSeries~stacked~false~region~'{region}~stat~'Maximum~period~60)"
    return {
        "queue": None if account is None else f"https://{host}/sqs/v3/home?region={region}#/queues/{_path(url)}",
        "metrics": f"https://{host}/cloudwatch/home?region={region}#metricsV2?graph={graph}",
    }


def _path(name: str) -> str:
    return quote(name, safe="", errors="replace")


def _value(name: str) -> str:
    """Return the text as in the addresses of CloudWatch: other characters as `*` and their code."""
    return "".join(letter if PLAIN.fullmatch(letter) else f"*{ord(letter):02x}" for letter in name)
