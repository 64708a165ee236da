"""The stopTimeout of a service, read from its task definitions if `workers` is not set.

It is read in the background and never delays a poll. A failed read is repeated every few minutes; until then ECS's
default is assumed (`core/workers.py`).
"""

from __future__ import annotations

from math import inf

from autoscaler.control.observing import Ports
from autoscaler.core.model import Fleet, Instant, Missing, StopTimeout
from autoscaler.core.policy import Policy
from autoscaler.ports import ServiceRef

RETRY_S = 180.0
"""Seconds until a failed read is repeated: before the rate limiter deletes the position of a refused call."""


class StopWatch:
    """The stopTimeout of one service."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._due: Instant = -inf
        self._known: dict[str, StopTimeout] = {}

    async def check(self, policy: Policy, fleet: Fleet, ports: Ports) -> None:
        """Start to read the unknown task definitions if `workers` is not set; in the background if `ports.background`
        is given.
        """
        unread = [arn for arn in fleet.task_definitions if arn not in self._known]
        if policy.workers is not None or not unread or ports.clock() < self._due:
            return
        self._due = inf
        self._known = {arn: stop for arn, stop in self._known.items() if arn in fleet.task_definitions}
        if ports.background is None:
            await self._read(unread, ports)
        else:
            ports.background.begin(self._read(unread, ports))

    async def _read(self, task_definitions: list[str], ports: Ports) -> None:
        answers = {arn: await ports.fleets.stop_timeout(self._service, arn) for arn in task_definitions}
        read = {arn: stop for arn, stop in answers.items() if not isinstance(stop, Missing)}
        self._known |= read
        self._due = -inf if len(read) == len(answers) else ports.clock() + RETRY_S

    def shortest(self, fleet: Fleet) -> StopTimeout | None:
        """Return the shortest stopTimeout of the service's task definitions that were read (None: not one was read).

        During a deployment, tasks of several task definitions run.
        """
        stops = [self._known[arn] for arn in fleet.task_definitions if arn in self._known]
        return min(stops, key=lambda stop: stop.seconds, default=None)
