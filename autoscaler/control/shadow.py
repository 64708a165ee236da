"""Shadow: everything is read and decided, and nothing is asked of ECS."""

from __future__ import annotations

from autoscaler.core.model import Fleet, Missing, StopTimeout
from autoscaler.ports import Fleets, ServiceRef, Urgency


class Shadow:
    """`Fleets` that reads through the real ones and never writes."""

    def __init__(self, fleets: Fleets) -> None:
        self._fleets = fleets

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        return await self._fleets.read(service, urgency)

    async def protected(self, service: ServiceRef) -> int | Missing:
        return await self._fleets.protected(service)

    async def rivals(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        return await self._fleets.rivals(service)

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        return await self._fleets.stop_timeout(service, task_definition)

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> bool:  # noqa: ARG002 - the port's signature
        return False
