"""The signal sources: what can be scaled on. Each is one file of this package and one row of `SOURCES`.

A source declares the settings that select it, its permissions, its check in `doctor`, the names of its values in a
formula, and how it is read. `autoscaler/sources/source.py` describes the protocol.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from autoscaler.core.model import Measurement, Missing
from autoscaler.ports import MetricPort, MetricRequest, ServiceRef
from autoscaler.sources.cloudwatch import CLOUDWATCH
from autoscaler.sources.prometheus import PROMETHEUS
from autoscaler.sources.schedule import SCHEDULE
from autoscaler.sources.source import Connection, MetricSource, Source
from autoscaler.sources.sqs import SQS
from autoscaler.sources.utilization import CPU, MEMORY

SOURCES: tuple[Source, ...] = (
    SQS,
    CPU,
    MEMORY,
    CLOUDWATCH,
    PROMETHEUS,
    SCHEDULE,
)
"""All sources, in the order in which a poll reads them."""

METRIC_SOURCES: tuple[MetricSource[Any], ...] = tuple(one for one in SOURCES if isinstance(one, MetricSource))
"""The sources of the metrics that the setting `metrics` names."""


class _Metrics:
    """A `MetricPort` for the requests of all sources."""

    def __init__(self, ports: Mapping[type[MetricRequest], MetricPort[Any]]) -> None:
        self._ports = ports

    async def measure(self, service: ServiceRef, request: MetricRequest, /) -> Measurement | Missing:
        return await self._ports[type(request)].measure(service, request)


@asynccontextmanager
async def connect_metrics(connection: Connection) -> AsyncIterator[MetricPort[MetricRequest]]:
    """Yield one port for the metrics of all sources, and close their connections at the end of the block."""
    async with AsyncExitStack() as stack:
        ports = {
            source.requests: await stack.enter_async_context(source.connect(connection)) for source in METRIC_SOURCES
        }
        yield _Metrics(ports)
