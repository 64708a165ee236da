"""What a restraint may look at, and what it may answer.

A corridor may depend on anything but the demand of this moment. So clamps compose monotonically, and "more backlog
never means fewer tasks" holds by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from autoscaler.core.demand import read_signals
from autoscaler.core.memory import Memory
from autoscaler.core.model import Fleet, Instant, Observation
from autoscaler.core.policy import Policy, Workers
from autoscaler.core.signals import Signals
from autoscaler.core.workers import LongWork, kind_of, long_work

PermittedRange: TypeAlias = tuple[float, float, Callable[[], str]]
"""The lowest and the highest permitted count, both permitted, and the reason: put into words only where it clamps."""


class RuleInput(NamedTuple):
    """One service at one tick. `current` is ECS's desired count; `long_work` as `core/workers.py` has it."""

    policy: Policy
    memory: Memory
    fleet: Fleet
    signals: Signals
    current: int
    now: Instant
    long_work: LongWork | None = None

    @property
    def workers(self) -> Workers:
        """Which kind of workers to reckon with: as configured, else as assumed."""
        return kind_of(self.policy, self.long_work)

    @staticmethod
    def of(policy: Policy, memory: Memory, seen: Observation) -> RuleInput:
        """The case of an observation. A memory that lapsed warms up again where nothing is missing any more."""
        signals, work = read_signals(policy, seen), long_work(policy, seen.knowledge, seen.stop_timeout)
        memory = memory.resumed(seen.fleet, seen.now, complete=not signals.missing)
        return RuleInput(policy, memory, seen.fleet, signals, seen.fleet.desired, seen.now, work)


RuleCheck: TypeAlias = Callable[[RuleInput], PermittedRange | None]
"""None: it does not apply."""
