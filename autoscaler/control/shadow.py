"""Shadow mode: everything is read and decided, and nothing is written to ECS. Also finds services in shadow that miss
their latency target while nothing else scales them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from autoscaler.config import ServiceConfig
from autoscaler.core.figures import seconds
from autoscaler.core.memory import Memory
from autoscaler.core.model import Decision, Fleet, Instant, Missing, Observation, Revision, StopTimeout, Verdict
from autoscaler.core.policy import Mode, Policy
from autoscaler.core.slo import SHADOW_MISSES_LATENCY, oldest_ages_s
from autoscaler.ports import FleetPort, ServiceRef, Urgency
from autoscaler.pricing import TaskSize

SCALED_S = 3600.0
"""Seconds after a change of the desired count by another program, during which it counts as scaled by that program."""

OVERDUE_S = 60.0
"""Seconds for which the oldest message must be too old at every poll before the latency target counts as missed. SQS
counts settle in about a minute.
"""

RECENT_S = 300.0
"""Seconds over which received messages are counted, in steps of `STEP_S`."""

STEP_S = 60.0

LATE_RATIO = 0.05
LEAST_LATE = 10.0
"""Received messages miss the latency target if the late ones are more than `LATE_RATIO` of them and more than
`LEAST_LATE`. A single message that fails is late at each receive.
"""


class Shadow:
    """A `FleetPort` that reads through another `FleetPort` and never writes."""

    def __init__(self, fleets: FleetPort) -> None:
        self._fleets = fleets

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        return await self._fleets.read(service, urgency)

    async def protected(self, service: ServiceRef) -> int | Missing:
        return await self._fleets.protected(service)

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        return await self._fleets.conflicting_scalers(service)

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        return await self._fleets.stop_timeout(service, task_definition)

    async def task_size(self, service: ServiceRef, task_definition: str) -> TaskSize | Missing:
        return await self._fleets.task_size(service, task_definition)

    async def newest_revision(self, service: ServiceRef, task_definition: str) -> str | Missing:
        return await self._fleets.newest_revision(service, task_definition)

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:  # noqa: ARG002 - the port's signature
        return None


@dataclass(slots=True)
class _Step:
    """Messages received, and received late, from `at` on."""

    at: Instant
    received: float = 0.0
    late: float = 0.0


class ShadowWatch:
    """Finds out whether a service in shadow misses its latency target while nothing else scales it."""

    def __init__(self) -> None:
        self._began: Instant | None = None
        self._polled: Instant | None = None
        self._scaled: Instant | None = None
        self._overdue: dict[str, Instant] = {}
        self._steps: deque[_Step] = deque()

    def see(
        self,
        service: ServiceConfig,
        policy: Policy,
        seen: Observation,
        memory: Memory,
        decision: Decision,
        *,
        alone: bool,
    ) -> Missing | None:
        """Return the notice for this poll (None: no finding).

        `memory` is that of the poll before. `alone`: conflicting scalers were read, and none is known.
        """
        now = seen.now
        self._began = now if self._began is None else self._began
        if memory.drift(seen.fleet):
            self._scaled = now
        if policy.mode is not Mode.SHADOW:
            self._forget()
            return None
        self._note(policy, seen)
        missed = next(self._missed(policy, now), None)
        if missed is None or not alone or (self._scaled is not None and now - self._scaled < SCALED_S):
            return None
        return Missing(_notice(missed, service, decision, watched_s=now - self._began), SHADOW_MISSES_LATENCY)

    def _forget(self) -> None:
        self._overdue.clear()
        self._steps.clear()

    def _note(self, policy: Policy, seen: Observation) -> None:
        """Record overdue queues and late messages. A queue that could not be read is no longer overdue. After a gap
        with failed polls, no queue is.
        """
        now, polled = seen.now, self._polled
        self._polled = now
        interval_s = 0.0 if seen.knowledge is None else seen.knowledge.interval_s
        if polled is not None and now - polled > max(OVERDUE_S, 1.5 * interval_s):
            self._overdue.clear()
        overdue = [name for name, age_s in oldest_ages_s(seen).items() if age_s > policy.latency_of(name)]
        self._overdue = {name: self._overdue.get(name, now) for name in overdue}
        while self._steps and now - self._steps[0].at >= RECENT_S:
            self._steps.popleft()
        if seen.knowledge is not None and seen.knowledge.received > 0:
            if not self._steps or now - self._steps[-1].at >= STEP_S:
                self._steps.append(_Step(now))
            self._steps[-1].received += seen.knowledge.received
            self._steps[-1].late += seen.knowledge.late

    def _missed(self, policy: Policy, now: Instant) -> Iterator[str]:
        """Yield each way in which the latency target is missed. The text has no numbers that change from poll to poll,
        because a notice with a new text is logged again.
        """
        for name, since in self._overdue.items():
            if now - since >= OVERDUE_S:
                target = seconds(policy.latency_of(name))
                yield f"the oldest message of queue {name} exceeds the latency target of {target}"
        received, late = sum(step.received for step in self._steps), sum(step.late for step in self._steps)
        if late > max(LEAST_LATE, LATE_RATIO * received):
            yield (
                f"more than {LATE_RATIO:.0%} of the messages received in the last {RECENT_S / 60:.0f} minutes exceeded "
                f"the latency target of {seconds(policy.shortest_latency_s)}"
            )


def _notice(missed: str, service: ServiceConfig, decision: Decision, *, watched_s: float) -> str:
    since = "in the last hour" if watched_s >= SCALED_S else "since the autoscaler began to watch it"
    explain = f". Active, it would not add tasks now: `autoscaler explain {service.ref.key}` shows why"
    more = "" if decision.verdict is Verdict.SCALE_OUT else explain
    return (
        f"{missed}; the mode of service {service.ref.key} is shadow, and nothing else scales it: no conflicting scaler "
        f"is known, and its desired count was not changed {since}. To activate it, {service.mode_setting.activate}; "
        f"read docs/shadow.md first{more}"
    )
