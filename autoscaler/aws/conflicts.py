"""Who else changes a service's count: Application Auto Scaling, told by its target and by what makes the target move.

Two scalers on one service have no arbiter; the last to write wins. A target alone does nothing: it takes policies or
scheduled actions, and a suspension may have put either to rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import (
    DESCRIBE_SCALABLE_TARGETS,
    DESCRIBE_SCALING_POLICIES,
    DESCRIBE_SCHEDULED_ACTIONS,
    Api,
)
from autoscaler.aws.batching import Batcher
from autoscaler.aws.caller import Caller, within
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject, short_name, together
from autoscaler.aws.ttl_cache import TtlCache
from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError, Denied, NoCredentials, Unavailable
from autoscaler.ports import Place, ServiceRef

PERIOD_S = 300.0
AGAIN_S = 60.0
"""Nobody publishes how often these may be asked, so an error, too, is not followed by a call at every tick."""

TARGETS_A_CALL = 50
"""AWS gives as many in one page."""

MOST_PAGES = 10
"""A target has at most 50 policies, which come by ten, and 200 scheduled actions, which come by fifty."""

WHOLE_S = 10.0
"""For all the calls together; three of them as a rule, one where there is no target."""

NAMED = 3
"""How many policies or actions are called by name."""


class Conflicts:
    """What else may change a service's count, asked for every `PERIOD_S` at most."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._found: TtlCache[ServiceRef, tuple[str, ...]] = TtlCache(clocks.now, PERIOD_S, again_after)
        self._targets: Batcher[Place, ServiceRef, list[Answer]] = Batcher(self._describe, TARGETS_A_CALL)

    async def close(self) -> None:
        """No question is under way any more."""
        await self._targets.close()

    async def of(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        """Each rival in a sentence; none: nobody else. Missing where Application Auto Scaling cannot be asked."""
        return await self._found.reading(service, lambda: self._ask(service))

    async def _ask(self, service: ServiceRef) -> tuple[str, ...]:
        try:
            async with within(WHOLE_S, service_subject(service), "asking Application Auto Scaling"):
                return await self._sentences(service)
        except Denied as fault:
            raise Denied(f"{fault}; without it another autoscaler of this service goes unnoticed") from None

    async def _sentences(self, service: ServiceRef) -> tuple[str, ...]:
        targets = await self._targets.of(service.place, service)
        told = [await self._told(service, target) for target in targets]
        return tuple(sentence for sentence in told if sentence)

    async def _describe(
        self, place: Place, services: Sequence[ServiceRef]
    ) -> dict[ServiceRef, list[Answer] | AutoscalerError]:
        """The targets of each. The right is given for all or for none, so who is denied it is not asked about alone."""
        ids = list(dict.fromkeys(map(resource_id, services)))
        subject = together(map(service_subject, services))
        try:
            found = await self._parts(DESCRIBE_SCALABLE_TARGETS, subject, place, "ScalableTargets", ResourceIds=ids)
        except (Denied, NoCredentials) as fault:
            return dict.fromkeys(services, fault)
        owners = [(part.word("ResourceId"), part) for part in found]
        return {service: _about(service, owners) for service in services}

    async def _told(self, service: ServiceRef, target: Answer) -> str | None:
        """The sentence about a target; None where nothing moves it: it has no mover, or only suspended ones."""
        movers = [await self._policies(service, target), await self._actions(service, target)]
        awake = [mover for mover in movers if mover]
        if not awake:
            return None
        least, most = target.count("MinCapacity"), target.count("MaxCapacity")
        return f"Application Auto Scaling may set {least} to {most} tasks: {', '.join(awake)}"

    async def _policies(self, service: ServiceRef, target: Answer) -> str | None:
        if _suspends(target, "DynamicScalingInSuspended") and _suspends(target, "DynamicScalingOutSuspended"):
            return None
        found = await self._of_one(DESCRIBE_SCALING_POLICIES, service, "ScalingPolicies")
        return _listed([policy.word("PolicyName") for policy in found], "policy", "policies")

    async def _actions(self, service: ServiceRef, target: Answer) -> str | None:
        if _suspends(target, "ScheduledScalingSuspended"):
            return None
        found = await self._of_one(DESCRIBE_SCHEDULED_ACTIONS, service, "ScheduledActions")
        due = [action.word("ScheduledActionName") for action in found if not _is_over(action, self._clocks.wall())]
        return _listed(due, "scheduled action", "scheduled actions")

    async def _of_one(self, api: Api, service: ServiceRef, name: str) -> list[Answer]:
        own = resource_id(service)
        found = await self._parts(api, service_subject(service), service.place, name, ResourceId=own)
        return [part for part in found if part.word("ResourceId") == own]

    async def _parts(self, api: Api, subject: str, place: Place, name: str, **only: object) -> list[Answer]:
        """All pages of what the API knows of these services' counts."""
        parts: list[Answer] = []
        for _ in range(MOST_PAGES):
            answer = await self._caller.ask(
                api,
                subject,
                place,
                ServiceNamespace="ecs",
                ScalableDimension="ecs:service:DesiredCount",
                **only,
            )
            parts += answer.parts(name)
            if not answer.has("NextToken"):
                return parts
            only["NextToken"] = answer.word("NextToken")
        raise Unavailable(f"{subject}: {api.name} does not end after {MOST_PAGES} pages")


def _about(service: ServiceRef, owners: Sequence[tuple[str, Answer]]) -> list[Answer]:
    own = resource_id(service)
    return [part.about(service_subject(service)) for owner, part in owners if owner == own]


def again_after(fault: AutoscalerError) -> float:
    """A right that is missing is not given within a tick."""
    return PERIOD_S if isinstance(fault, Denied) else AGAIN_S


def resource_id(service: ServiceRef) -> str:
    """How Application Auto Scaling calls the service."""
    return f"service/{short_name(service.cluster)}/{short_name(service.service)}"


def _suspends(target: Answer, what: str) -> bool:
    return target.has("SuspendedState") and target.part("SuspendedState").flag_if_any(what)


def _is_over(action: Answer, wall_s: float) -> bool:
    return action.has("EndTime") and action.moment("EndTime") <= wall_s


def _listed(names: Sequence[str], one: str, many: str) -> str | None:
    """As in `2 policies (a, b)`; None where there is none."""
    if not names:
        return None
    shown = [clean(name, 60) for name in sorted(names)[:NAMED]] + ["…"] * (len(names) > NAMED)
    return f"{len(names)} {one if len(names) == 1 else many} ({', '.join(shown)})"
