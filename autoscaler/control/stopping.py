"""How long a stopped task of the service has to finish: read from its task definitions where `workers` is not set.

It is read beside the polls, and never holds one up. What could not be read is tried again every few minutes; until then
ECS's default is assumed (`core/workers.py`).
"""

from __future__ import annotations

from math import inf

from autoscaler.control.observing import Ports
from autoscaler.core.model import Fleet, Instant, Missing, StopTimeout
from autoscaler.core.policy import Policy
from autoscaler.ports import ServiceRef

ASK_AGAIN_S = 180.0
"""So soon what could not be read is asked for again: before the pacer gives up the place of a call that it put off."""


class StopWatch:
    """What is known of the stopTimeout of one service."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._due: Instant = -inf
        self._known: dict[str, StopTimeout] = {}

    async def look(self, policy: Policy, fleet: Fleet, ports: Ports) -> None:
        """Asks for the task definitions that are not known, if the operator did not say what workers do: beside the
        poll where `ports.aside` is given.
        """
        unread = [arn for arn in fleet.task_definitions if arn not in self._known]
        if policy.workers is not None or not unread or ports.clock() < self._due:
            return
        self._due = inf
        self._known = {arn: stop for arn, stop in self._known.items() if arn in fleet.task_definitions}
        if ports.background is None:
            await self._ask(unread, ports)
        else:
            ports.background.begin(self._ask(unread, ports))

    async def _ask(self, task_definitions: list[str], ports: Ports) -> None:
        answers = {arn: await ports.fleets.stop_timeout(self._service, arn) for arn in task_definitions}
        read = {arn: stop for arn, stop in answers.items() if not isinstance(stop, Missing)}
        self._known |= read
        self._due = -inf if len(read) == len(answers) else ports.clock() + ASK_AGAIN_S

    def shortest(self, fleet: Fleet) -> StopTimeout | None:
        """The shortest of the service's task definitions that were read: during a deployment tasks of several run.

        None: none was read.
        """
        stops = [self._known[arn] for arn in fleet.task_definitions if arn in self._known]
        return min(stops, key=lambda stop: stop.seconds, default=None)
