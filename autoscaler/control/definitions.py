"""What is read of a service's task definitions: stopTimeout, the size of a task for its price, the newest revision.

Everything is read in the background, seldom, and never delays a poll: the permission is optional.
"""

from __future__ import annotations

from math import inf

from autoscaler.core.model import Fleet, Instant, Missing, Revisions, StopTimeout
from autoscaler.core.policy import Policy
from autoscaler.core.workers import needs_stop_timeout
from autoscaler.ports import Ports, ServiceRef
from autoscaler.pricing import NoPrice, TaskPrice, TaskSize, configured, list_price

# The stopTimeout of a service, read from its task definitions if `workers` is not set or `draining`.
#
# It is read in the background and never delays a poll. A failed read is repeated every few minutes; until then ECS's
# default is assumed (`core/workers.py`).

STOP_RETRY_S = 180.0
"""Seconds until a failed read is repeated: before the rate limiter deletes the position of a refused call."""


class StopWatch:
    """The stopTimeout of one service."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._due: Instant = -inf
        self._known: dict[str, StopTimeout] = {}

    async def check(self, policy: Policy, fleet: Fleet, ports: Ports) -> None:
        """Start to read the unknown task definitions if stopTimeout matters; in the background if `ports.background` is
        given.
        """
        unread = [arn for arn in fleet.task_definitions if arn not in self._known]
        if not needs_stop_timeout(policy) or not unread or ports.clock() < self._due:
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
        self._due = -inf if len(read) == len(answers) else ports.clock() + STOP_RETRY_S

    def shortest(self, fleet: Fleet) -> StopTimeout | None:
        """Return the shortest stopTimeout of the service's task definitions that were read (None: not one was read).

        During a deployment, tasks of several task definitions run.
        """
        stops = [self._known[arn] for arn in fleet.task_definitions if arn in self._known]
        return min(stops, key=lambda stop: stop.seconds, default=None)


# The newest ACTIVE revision of the service's task definition, for reports: whether the service is behind.
#
# It is read in the background, and only where task definitions are read anyway: the permission shows the environment
# variables of every task definition. No decision depends on it, and a read that fails gives no notice.

REVISIONS_S = 900.0
"""Seconds between two reads: for 1,000 services 1.1 calls per second, of 20 that AWS permits."""


def reads_definitions(policy: Policy, task_price: float | None) -> bool:
    """Whether task definitions are read: for stopTimeout, or for the size of a task, which has a list price."""
    return needs_stop_timeout(policy) or task_price is None


class RevisionWatch:
    """The newest revision of one service's task definition."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._due: Instant = -inf
        self._own = ""
        self._newest: str | None = None

    async def check(self, fleet: Fleet, ports: Ports) -> None:
        """Start to read the family if that is due, or if the service has another task definition; in the background if
        `ports.background` is given.
        """
        own = next(iter(fleet.task_definitions), "")
        if not own or (own == self._own and ports.clock() < self._due):
            return
        self._newest = self._newest if own == self._own else None
        self._own, self._due = own, ports.clock() + REVISIONS_S
        if ports.background is None:
            await self._read(own, ports)
        else:
            ports.background.begin(self._read(own, ports))

    async def _read(self, task_definition: str, ports: Ports) -> None:
        answer = await ports.fleets.newest_revision(self._service, task_definition)
        if task_definition == self._own and not isinstance(answer, Missing):
            self._newest = answer

    def of(self, fleet: Fleet) -> Revisions | None:
        """Return the service's task definition and the newest one (None: ECS returned no task definition)."""
        own = next(iter(fleet.task_definitions), "")
        return Revisions(own.rpartition("/")[2], self._newest if own == self._own else None) if own else None


# The price of a task, for reports: the setting `task_price`, or the list price of the size in the task definition.
#
# It is read in the background, never delays a poll, and no decision depends on it. Without the permission there is no
# price, and no notice: `doctor` and the page say why.

PRICE_RETRY_S = 3600.0
"""Seconds until a failed read is repeated: the permission is optional, and its denial is not retried often."""


class PriceWatch:
    """The price of one service's tasks."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._due: Instant = -inf
        self._requested, self._known = "", ""
        """The task definition that was requested last, and the one whose size is known."""
        self._size: TaskSize | NoPrice | None = None

    async def check(self, task_price: float | None, fleet: Fleet, ports: Ports) -> None:
        """Start to read the service's own task definition if it is new; in the background if `ports.background` is
        given. `task_price`: the setting; with it nothing is read.
        """
        newest = next(iter(fleet.task_definitions), "")
        if task_price is not None or newest in {"", self._known}:
            return
        if newest == self._requested and ports.clock() < self._due:
            return
        self._requested, self._due = newest, ports.clock() + PRICE_RETRY_S
        if ports.background is None:
            await self._read(newest, ports)
        else:
            ports.background.begin(self._read(newest, ports))

    async def _read(self, task_definition: str, ports: Ports) -> None:
        answer = await ports.fleets.task_size(self._service, task_definition)
        if task_definition == self._requested:
            self._known = "" if isinstance(answer, Missing) else task_definition
            self.know(answer)

    def know(self, answer: TaskSize | Missing) -> None:
        """Use this answer."""
        self._size = NoPrice(answer.reason) if isinstance(answer, Missing) else answer

    def of(self, task_price: float | None, fleet: Fleet) -> TaskPrice | NoPrice | None:
        """Return the price (None: not yet read). During a deployment it is that of the newest size that was read."""
        if task_price is not None:
            return configured(task_price)
        return list_price(self._size, dict(fleet.providers)) if isinstance(self._size, TaskSize) else self._size
