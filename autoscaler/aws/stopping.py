"""How long ECS lets a service's tasks finish: the stopTimeout in their task definitions.

A registered task definition never changes, so each is asked for once and kept for as long as the process lives.
"""

from __future__ import annotations

from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import DESCRIBE_TASK_DEFINITION
from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject
from autoscaler.core.model import Instant, StopTimeout
from autoscaler.core.workers import STOP_TIMEOUT_S
from autoscaler.errors import Denied
from autoscaler.ports import Place, ServiceRef, Urgency

MOST_KEPT = 20_000
"""Task definitions, about 200 bytes each: twice as many as services in the largest benchmark. The one that was not used
for longest is forgotten first.
"""

DENIED = (
    f"{DESCRIBE_TASK_DEFINITION.name} was denied less than 5 minutes ago; give {DESCRIBE_TASK_DEFINITION.holder} "
    f"{DESCRIBE_TASK_DEFINITION.name} on {DESCRIBE_TASK_DEFINITION.resource}"
)

DENIED_S = 300.0
"""IAM gives the right for all task definitions or for none: after a refusal none is asked for in that place for 5
minutes.
"""


class StopTimeouts:
    """The stopTimeout of task definitions, by their ARN and by as whom they are read."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._kept: dict[tuple[Place, str], StopTimeout] = {}
        self._denied_until: dict[Place, Instant] = {}

    async def of(self, service: ServiceRef, task_definition: str) -> StopTimeout:
        """The shortest of the essential containers. Raises `AutoscalerError`; a refusal is repeated for `DENIED_S`."""
        place, key = service.place, (service.place, task_definition)
        found = self._kept.pop(key, None)
        if found is None:
            if self._clocks.now() < self._denied_until.get(place, float("-inf")):
                raise Denied(f"{service_subject(service)}: {DENIED}")
            try:
                found = await self._ask(service, task_definition)
            except Denied:
                self._denied_until[place] = self._clocks.now() + DENIED_S
                raise
        self._kept[key] = found
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
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


def stop_timeout_in(definition: Answer) -> StopTimeout:
    """The shortest stopTimeout of the essential containers: once one of them has ended, ECS stops all.

    Raises `Unreadable` where there is no container, or a stopTimeout that is no number of seconds.
    """
    containers = definition.parts("containerDefinitions")
    # ECS takes a container for essential where the definition does not say so
    essential = [one for one in containers if not one.has("essential") or one.flag("essential")]
    stops = [StopTimeout(_seconds(one), clean(one.word("name"), 255)) for one in essential or containers]
    if not stops:
        raise definition.unreadable("containerDefinitions", "at least one container", None)
    return min(stops, key=lambda stop: stop.seconds)


def _seconds(container: Answer) -> float:
    return float(container.count("stopTimeout")) if container.has("stopTimeout") else STOP_TIMEOUT_S
