"""Find conflicting scalers of a service: Application Auto Scaling with its targets, policies and scheduled actions.

If two scalers change one service, the last write wins. A scalable target alone changes nothing: it needs policies or
scheduled actions, and both can be suspended.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.batching import Batcher, TtlCache
from autoscaler.aws.caller import Caller, within
from autoscaler.aws.calls import (
    DESCRIBE_SCALABLE_TARGETS,
    DESCRIBE_SCALING_POLICIES,
    DESCRIBE_SCHEDULED_ACTIONS,
    Api,
)
from autoscaler.aws.clients import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject, short_name, together
from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError, Denied, NoCredentials, Unavailable
from autoscaler.ports import Place, ServiceRef

PERIOD_S = 300.0
RETRY_S = 60.0
"""Seconds before a failed call is repeated: AWS publishes no quota for these calls."""

TARGETS_A_CALL = 50
"""The page size of the AWS API."""

MOST_PAGES = 10
"""A target has at most 50 policies, in pages of 10, and 200 scheduled actions, in pages of 50."""

WHOLE_S = 10.0
"""The limit for all calls together: usually three, or one if there is no target."""

NAMED = 3
"""Maximum number of policies or actions that are named."""


class Conflicts:
    """The conflicting scalers of a service, requested at most once every `PERIOD_S`."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._found: TtlCache[ServiceRef, tuple[str, ...]] = TtlCache(clocks.now, PERIOD_S, retry_after)
        self._targets: Batcher[Place, ServiceRef, list[ResponsePart]] = Batcher(self._describe, TARGETS_A_CALL)

    async def close(self) -> None:
        """Cancel all calls in flight."""
        await self._targets.close()

    async def of(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        """Return one sentence per conflicting scaler; empty if there is none. Missing if Application Auto Scaling
        cannot be read.
        """
        return await self._found.reading(service, lambda: self._ask(service))

    async def _ask(self, service: ServiceRef) -> tuple[str, ...]:
        try:
            async with within(WHOLE_S, service_subject(service), "reading Application Auto Scaling"):
                return await self._sentences(service)
        except Denied as fault:
            raise Denied(f"{fault}; without it another autoscaler of this service cannot be detected") from None

    async def _sentences(self, service: ServiceRef) -> tuple[str, ...]:
        targets = await self._targets.of(service.place, service)
        sentences = [await self._sentence(service, target) for target in targets]
        return tuple(sentence for sentence in sentences if sentence)

    async def _describe(
        self, place: Place, services: Sequence[ServiceRef]
    ) -> dict[ServiceRef, list[ResponsePart] | AutoscalerError]:
        """Return the targets of each service. The permission applies to all services or to none, so a denial is not
        retried for each.
        """
        ids = list(dict.fromkeys(map(resource_id, services)))
        subject = together(map(service_subject, services))
        try:
            found = await self._parts(DESCRIBE_SCALABLE_TARGETS, subject, place, "ScalableTargets", ResourceIds=ids)
        except (Denied, NoCredentials) as fault:
            return dict.fromkeys(services, fault)
        owners = [(part.word("ResourceId"), part) for part in found]
        return {service: _about(service, owners) for service in services}

    async def _sentence(self, service: ServiceRef, target: ResponsePart) -> str | None:
        """Return the sentence about a target; None if nothing changes its count: no policy or action, or only suspended
        ones.
        """
        sources = [await self._policies(service, target), await self._actions(service, target)]
        active = [source for source in sources if source]
        if not active:
            return None
        lowest, highest = target.count("MinCapacity"), target.count("MaxCapacity")
        return f"Application Auto Scaling may set {lowest} to {highest} tasks: {', '.join(active)}"

    async def _policies(self, service: ServiceRef, target: ResponsePart) -> str | None:
        if _suspends(target, "DynamicScalingInSuspended") and _suspends(target, "DynamicScalingOutSuspended"):
            return None
        found = await self._of_one(DESCRIBE_SCALING_POLICIES, service, "ScalingPolicies")
        return _listed([policy.word("PolicyName") for policy in found], "policy", "policies")

    async def _actions(self, service: ServiceRef, target: ResponsePart) -> str | None:
        if _suspends(target, "ScheduledScalingSuspended"):
            return None
        found = await self._of_one(DESCRIBE_SCHEDULED_ACTIONS, service, "ScheduledActions")
        due = [action.word("ScheduledActionName") for action in found if not _is_over(action, self._clocks.wall())]
        return _listed(due, "scheduled action", "scheduled actions")

    async def _of_one(self, api: Api, service: ServiceRef, name: str) -> list[ResponsePart]:
        own = resource_id(service)
        found = await self._parts(api, service_subject(service), service.place, name, ResourceId=own)
        return [part for part in found if part.word("ResourceId") == own]

    async def _parts(self, api: Api, subject: str, place: Place, name: str, **only: object) -> list[ResponsePart]:
        """Return all pages of the API's results for these services' counts."""
        parts: list[ResponsePart] = []
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


def _about(service: ServiceRef, owners: Sequence[tuple[str, ResponsePart]]) -> list[ResponsePart]:
    own = resource_id(service)
    return [part.about(service_subject(service)) for owner, part in owners if owner == own]


def retry_after(fault: AutoscalerError) -> float:
    """Return the seconds until a failed read is repeated: longer after a denial, because a permission is not granted
    within one poll.
    """
    return PERIOD_S if isinstance(fault, Denied) else RETRY_S


def resource_id(service: ServiceRef) -> str:
    """The service's resource id in Application Auto Scaling."""
    return f"service/{short_name(service.cluster)}/{short_name(service.service)}"


def _suspends(target: ResponsePart, what: str) -> bool:
    return target.has("SuspendedState") and target.part("SuspendedState").flag_if_any(what)


def _is_over(action: ResponsePart, wall_s: float) -> bool:
    return action.has("EndTime") and action.moment("EndTime") <= wall_s


def _listed(names: Sequence[str], one: str, many: str) -> str | None:
    """Return words such as `2 policies (a, b)`; None for no names."""
    if not names:
        return None
    shown = [clean(name, 60) for name in sorted(names)[:NAMED]] + ["…"] * (len(names) > NAMED)
    return f"{len(names)} {one if len(names) == 1 else many} ({', '.join(shown)})"
