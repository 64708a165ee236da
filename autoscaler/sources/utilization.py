"""CPU and memory utilization of an ECS service, from CloudWatch: two sources, each with a target in percent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial

from autoscaler.aws.arns import ANY, Home, Right
from autoscaler.aws.calls import GET_METRIC_DATA
from autoscaler.config import ServiceConfig
from autoscaler.core.formula import parse
from autoscaler.core.model import Missing, Utilization
from autoscaler.core.policy import Policy
from autoscaler.ports import Meters, ServiceRef
from autoscaler.sources.source import PollContext, Probe, ProbeAccess, Reader, Readings, Source, measured_finding


class UtilizationSource(Source):
    """The average utilization of a service's tasks in the newest complete minute. `value`: its name in a formula."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value
        self.settings = (f"{name}_target_percent",)
        self.values = frozenset({value})

    def target(self, policy: Policy) -> float | None:
        """Return the target in percent (None: not set)."""
        return policy.cpu_target_percent if self.name == "cpu" else policy.memory_target_percent

    async def utilization(self, meters: Meters, service: ServiceRef) -> Utilization | Missing:
        """Return the newest complete minute."""
        return await (meters.cpu(service) if self.name == "cpu" else meters.memory(service))

    def is_used(self, service: ServiceConfig) -> bool:
        """Whether a target or the formula uses the utilization."""
        policy = service.policy
        return self.target(policy) is not None or (
            policy.formula is not None and self.value in parse(policy.formula).names
        )

    def reader(self, service: ServiceConfig) -> Reader | None:
        return _UtilizationReader(self) if self.is_used(service) else None

    def rights(self, service: ServiceConfig, home: Home) -> Iterator[Right]:
        if self.is_used(service):
            yield Right(GET_METRIC_DATA, ANY)

    def probes(self, service: ServiceConfig, access: ProbeAccess) -> Iterator[Probe]:
        if self.is_used(service):
            read: Callable[[], Awaitable[Utilization | Missing]] = partial(
                self.utilization, access.ports.meters, service.ref
            )
            yield Probe(self.value, partial(measured_finding, service.ref.key, self.value, read, " %"))

    def cloudwatch_metrics(self, service: ServiceConfig) -> int:
        return int(self.is_used(service))


class _UtilizationReader(Reader):
    def __init__(self, source: UtilizationSource) -> None:
        self._source = source

    async def read(self, poll: PollContext, into: Readings) -> None:
        """Read, unless no task is desired: a service without tasks has no utilization."""
        if poll.fleet.desired == 0:
            return
        reading = await self._source.utilization(poll.ports.meters, poll.service.ref)
        if not isinstance(reading, Missing):
            if self._source.target(poll.policy) is None:
                reading = replace(reading, tasks=await poll.tasks_at(reading.at, None))
            else:
                ran = await poll.ran_in(reading.at)
                reading = replace(reading, tasks=ran.mean, ran=ran)
        if self._source.name == "cpu":
            into.cpu = reading
        else:
            into.memory = reading


CPU = UtilizationSource("cpu", "cpu_percent")
MEMORY = UtilizationSource("memory", "memory_percent")
