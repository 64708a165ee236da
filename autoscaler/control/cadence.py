"""How long until the next look: the interval, or several of them while there is nothing to be seen.

A service is quiet when its queues are empty, its count is at the minimum and stands still, and nothing is expected.
Each quiet look doubles the time to the next, up to a bound; the first message ends it. The bound is the operator's,
and no more than the promise can bear: what comes right after a look must be seen in time to start a task for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.control.fleetwatch import is_moving
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import Backlog, Observation, Verdict
from autoscaler.ports import Tick

READINGS = 3
"""At least so many in the acceptable latency, quiet or not."""

SPENT_RATIO = 0.5
"""Of what the latency leaves beside a start-up. At 120 s and a start-up of up to 80 s, a look every 20 s."""


def _at_every_look() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When one service is looked at: every `interval_s`, the first time `offset_s` after the start, or at once where
    that is past; at least every `quiet_s` while nothing is there. `fleet_every_s` says how often ECS may be asked about
    it while it stands still.
    """

    interval_s: float
    offset_s: float = 0.0
    quiet_s: float = 0.0
    fleet_every_s: Callable[[], float] = _at_every_look


class Cadence:
    """One service's. `bound_s` is the longest pause that the operator allows."""

    def __init__(self, interval_s: float, bound_s: float) -> None:
        self._interval_s = interval_s
        self._bound_s = bound_s
        self.intervals = 1

    @property
    def is_slow(self) -> bool:
        """Whether the service is looked at less often than at every interval."""
        return self.intervals > 1

    def after(self, tick: Tick) -> int:
        """How many intervals until the next look."""
        most_s = min(self._bound_s, bearable_s(tick)) if is_quiet(tick) else 0.0
        self.intervals = max(1, min(2 * self.intervals, int(most_s / self._interval_s)))
        return self.intervals


def is_quiet(tick: Tick) -> bool:
    """Nothing waits, nothing is at work, nothing moves or is expected, and the service follows nothing but queues."""
    seen, decision, policy = tick.observation, tick.decision, tick.policy
    if seen is None or decision is None or decision.verdict is not Verdict.HOLD:
        return False
    if not policy.queues or policy.metrics or policy.formula is not None:
        return False
    stands = decision.current <= policy.min_tasks and not is_moving(seen.fleet)
    return stands and _is_empty(seen) and not _expects(seen.knowledge)


def bearable_s(tick: Tick) -> float:
    """The longest pause that the promise bears; 0 where a start-up alone takes longer than the latency."""
    known = None if tick.observation is None else tick.observation.knowledge
    if known is None:
        return 0.0
    latency_s = tick.policy.shortest_latency_s
    return min(latency_s / READINGS, SPENT_RATIO * (latency_s - known.start_late_s))


def _is_empty(seen: Observation) -> bool:
    return all(
        isinstance(counts, Backlog) and counts.visible == counts.in_flight == counts.delayed == 0
        for _, counts in seen.queues
    )


def _expects(known: Knowledge | None) -> bool:
    return known is None or any(some.messages > 0 for queue in known.queues for some in queue.coming)
