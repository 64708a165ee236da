"""Conflicting scalers of a service: read at the start and every few minutes, and reported. If the policy is
`refuse`, the service is not scaled while one exists.

If they cannot be read, the last result stays, with a notice. If they were never read, nothing is limited: the
permission to read them is optional, and a service must be scaled without it.
"""

from __future__ import annotations

from math import inf

from autoscaler.control.observing import Ports
from autoscaler.core.engine import limit_decision
from autoscaler.core.model import Decision, Instant, Missing, Rule
from autoscaler.core.policy import ConflictingScalers, Policy
from autoscaler.ports import ServiceRef

CONFLICTS_S = 300.0
"""Seconds between two reads."""

RETRY_S = 60.0
"""Seconds until the next read after a failed one."""


class ConflictWatch:
    """The conflicting scalers of one service."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._due: Instant | None = None
        self._known: tuple[str, ...] = ()
        self._gap: Missing | None = None
        self._was_read = False

    async def check(self, policy: Policy, ports: Ports) -> None:
        """Start a read if one is due: in the background, except for the first read under a policy that refuses."""
        if self._due is not None and ports.clock() < self._due:
            return
        refuses = policy.conflicting_scalers is ConflictingScalers.REFUSE and self._due is None
        self._due = inf
        if refuses or ports.background is None:
            await self._read(ports)
        else:
            ports.background.begin(self._read(ports))

    async def _read(self, ports: Ports) -> None:
        answer = await ports.fleets.conflicting_scalers(self._service)
        self._was_read = True
        self._gap = answer if isinstance(answer, Missing) else None
        self._known = self._known if isinstance(answer, Missing) else answer
        self._due = ports.clock() + (RETRY_S if self._gap else CONFLICTS_S)

    @property
    def none_known(self) -> bool:
        """Whether no conflicting scaler is known after at least one read, even if the read failed."""
        return self._was_read and not self._known

    def notices(self) -> tuple[Missing, ...]:
        """Return a notice for each conflicting scaler, and one if the last read failed."""
        gaps = [] if self._gap is None else [self._gap]
        return (*(Missing(f"conflicting scaler: {scaler}", "refused") for scaler in self._known), *gaps)

    def limited(self, policy: Policy, decision: Decision) -> Decision:
        """Return the decision, or no change if there are conflicting scalers and the policy refuses them."""
        if policy.conflicting_scalers is not ConflictingScalers.REFUSE or not self._known:
            return decision
        return limit_decision(decision, Rule.CONFLICTING_SCALER, decision.current, "; ".join(self._known))
