"""The time that ECS gives a service's tasks to stop: the stopTimeout in their task definitions.

A registered task definition never changes, so each one is read once and cached for the lifetime of the process.
"""

from __future__ import annotations

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.apis import DESCRIBE_TASK_DEFINITION
from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject
from autoscaler.core.model import Instant, StopTimeout
from autoscaler.core.workers import STOP_TIMEOUT_S
from autoscaler.errors import Denied
from autoscaler.ports import Place, ServiceRef, Urgency

MOST_CACHED = 20_000
"""Maximum number of cached task definitions, about 200 bytes each: twice the number of services in the largest
benchmark. The least recently used one is removed first.
"""

DENIED = (
    f"{DESCRIBE_TASK_DEFINITION.name} was denied less than 5 minutes ago; grant {DESCRIBE_TASK_DEFINITION.holder} "
    f"{DESCRIBE_TASK_DEFINITION.name} on {DESCRIBE_TASK_DEFINITION.resource}"
)

DENIED_S = 300.0
"""IAM grants the permission for all task definitions or for none: after a denial none is read in that place for 5
minutes.
"""


class StopTimeouts:
    """The stopTimeout of task definitions, by their ARN and the place that reads them."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._cached: dict[tuple[Place, str], StopTimeout] = {}
        self._denied_until: dict[Place, Instant] = {}

    async def of(self, service: ServiceRef, task_definition: str) -> StopTimeout:
        """The shortest of the essential containers. Raises `AutoscalerError`; a denial is repeated for `DENIED_S`."""
        place, key = service.place, (service.place, task_definition)
        found = self._cached.pop(key, None)
        if found is None:
            if self._clocks.now() < self._denied_until.get(place, float("-inf")):
                raise Denied(f"{service_subject(service)}: {DENIED}")
            try:
                found = await self._ask(service, task_definition)
            except Denied:
                self._denied_until[place] = self._clocks.now() + DENIED_S
                raise
        self._cached[key] = found
        if len(self._cached) > MOST_CACHED:
            del self._cached[next(iter(self._cached))]
        return found

    async def _ask(self, service: ServiceRef, task_definition: str) -> StopTimeout:
        answer = await self._caller.ask(
            DESCRIBE_TASK_DEFINITION,
            service_subject(service),
            service.place,
            Urgency.BACKGROUND,
            taskDefinition=task_definition,
        )
        return stop_timeout_in(answer.part("taskDefinition"))


def stop_timeout_in(definition: ResponsePart) -> StopTimeout:
    """The shortest stopTimeout of the essential containers: when one of them has ended, ECS stops all.

    Raises `Unreadable` if there is no container, or a stopTimeout is not a number of seconds.
    """
    containers = definition.parts("containerDefinitions")
    # a container is essential if the definition does not specify it
    essential = [one for one in containers if not one.has("essential") or one.flag("essential")]
    stops = [StopTimeout(_seconds(one), clean(one.word("name"), 255)) for one in essential or containers]
    if not stops:
        raise definition.unreadable("containerDefinitions", "at least one container", None)
    return min(stops, key=lambda stop: stop.seconds)


def _seconds(container: ResponsePart) -> float:
    return float(container.count("stopTimeout")) if container.has("stopTimeout") else STOP_TIMEOUT_S
