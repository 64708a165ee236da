"""The time until the next poll: one interval, or several while the service is quiet.

A service is quiet when its queues are empty, its count is at the minimum and does not change, and no message is
expected. Each quiet poll doubles the time to the next one, up to a bound; the first message ends this. The bound is the
operator's setting, or less if the latency target requires it: a message that arrives just after a poll must be read in
time to start a task for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.control.readers import is_moving
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import Backlog, Observation, Verdict
from autoscaler.ports import Poll

READINGS = 3
"""The minimum number of polls within the acceptable latency, quiet or not."""

SPENT_RATIO = 0.5
"""Usable share of the acceptable latency minus the start-up time: 20 s at a latency of 120 s and a start-up of 80 s."""


def _at_every_poll() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When one service is polled: every `interval_s`, the first time `offset_s` after the start, or at once if that is
    in the past. A quiet service is polled at least every `quiet_s`. `fleet_every_s` returns the seconds between two ECS
    reads of a service that does not change.
    """

    interval_s: float
    offset_s: float = 0.0
    quiet_s: float = 0.0
    fleet_every_s: Callable[[], float] = _at_every_poll


class Cadence:
    """Poll times of one service. `bound_s` is the longest time between two polls that the settings allow."""

    def __init__(self, interval_s: float, bound_s: float) -> None:
        self._interval_s = interval_s
        self._bound_s = bound_s
        self.intervals = 1

    @property
    def is_slow(self) -> bool:
        """Whether the service is polled less often than at every interval."""
        return self.intervals > 1

    def after(self, poll: Poll) -> int:
        """Return the number of intervals until the next poll."""
        most_s = min(self._bound_s, bearable_s(poll)) if is_quiet(poll) else 0.0
        self.intervals = max(1, min(2 * self.intervals, int(most_s / self._interval_s)))
        return self.intervals


def is_quiet(poll: Poll) -> bool:
    """Whether the queues are empty, the count is stable, no message is expected, and only queues drive the service."""
    seen, decision, policy = poll.observation, poll.decision, poll.policy
    if seen is None or decision is None or decision.verdict is not Verdict.HOLD:
        return False
    if not policy.queues or policy.metrics or policy.formula is not None:
        return False
    stable = decision.current <= policy.min_tasks and not is_moving(seen.fleet)
    return stable and _is_empty(seen) and not _expects(seen.knowledge)


def bearable_s(poll: Poll) -> float:
    """Return the longest time between two polls that the latency target permits, in seconds.

    0 or less: a start-up alone takes longer than the acceptable latency.
    """
    known = None if poll.observation is None else poll.observation.knowledge
    if known is None:
        return 0.0
    latency_s = poll.policy.shortest_latency_s
    return min(latency_s / READINGS, SPENT_RATIO * (latency_s - known.start_late_s))


def _is_empty(seen: Observation) -> bool:
    return all(
        isinstance(counts, Backlog) and counts.visible == counts.in_flight == counts.delayed == 0
        for _, counts in seen.queues
    )


def _expects(known: Knowledge | None) -> bool:
    return known is None or any(some.messages > 0 for queue in known.queues for some in queue.coming)
