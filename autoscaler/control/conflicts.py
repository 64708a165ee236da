"""Who else may change the service's count: asked at the start and then every few minutes, told, and where the policy
refuses rivals, left to them.

What cannot be read leaves what was known, with a notice. A rival that nobody could ever see restrains nothing: the
permission to look is optional, and a service must not stand still for want of it.
"""

from __future__ import annotations

from math import inf

from autoscaler.control.observing import Ports
from autoscaler.core.engine import limit_decision
from autoscaler.core.model import Decision, Instant, Missing, Rule
from autoscaler.core.policy import ConflictingScalers, Policy
from autoscaler.ports import ServiceRef

CONFLICTS_S = 300.0
"""So often the question is asked anew."""

ASK_AGAIN_S = 60.0
"""So soon it is asked again where the answer could not be had."""


class ConflictWatch:
    """What is known of one service's rivals."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._due: Instant | None = None
        self._known: tuple[str, ...] = ()
        self._unread: Missing | None = None
        self._is_asked = False

    async def look(self, policy: Policy, ports: Ports) -> None:
        """Asks if it is time to: beside the tick, except where nothing may be done before the answer is there."""
        if self._due is not None and ports.clock() < self._due:
            return
        refuses = policy.conflicting_scalers is ConflictingScalers.REFUSE and self._due is None
        self._due = inf
        if refuses or ports.background is None:
            await self._ask(ports)
        else:
            ports.background.begin(self._ask(ports))

    async def _ask(self, ports: Ports) -> None:
        answer = await ports.fleets.conflicting_scalers(self._service)
        self._is_asked = True
        self._unread = answer if isinstance(answer, Missing) else None
        self._known = self._known if isinstance(answer, Missing) else answer
        self._due = ports.clock() + (ASK_AGAIN_S if self._unread else CONFLICTS_S)

    @property
    def none_known(self) -> bool:
        """Whether no conflicting scaler is known, and the question was answered at least once, if only by an error."""
        return self._is_asked and not self._known

    def notices(self) -> tuple[Missing, ...]:
        """A notice for each rival, and one where it could not be read whether there are any."""
        gaps = [] if self._unread is None else [self._unread]
        return (*(Missing(f"another autoscaler has a say: {rival}", "refused") for rival in self._known), *gaps)

    def restrained(self, policy: Policy, decision: Decision) -> Decision:
        """The decision; no change at all where there are rivals and the policy refuses them."""
        if policy.conflicting_scalers is not ConflictingScalers.REFUSE or not self._known:
            return decision
        return limit_decision(decision, Rule.CONFLICTING_SCALER, decision.current, "; ".join(self._known))
