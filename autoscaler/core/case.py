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
from autoscaler.core.policy import Policy
from autoscaler.core.signals import Signals

Corridor: TypeAlias = tuple[float, float, Callable[[], str]]
"""The lowest and the highest permitted count, both permitted, and the reason: put into words only where it clamps."""


class Case(NamedTuple):
    """One service at one tick. `current` is ECS's desired count."""

    policy: Policy
    memory: Memory
    fleet: Fleet
    signals: Signals
    current: int
    now: Instant

    @staticmethod
    def of(policy: Policy, memory: Memory, seen: Observation) -> Case:
        """The case of an observation. A memory that lapsed warms up again where nothing is missing any more."""
        signals = read_signals(policy, seen)
        memory = memory.resumed(seen.fleet, seen.now, complete=not signals.missing)
        return Case(policy, memory, seen.fleet, signals, seen.fleet.desired, seen.now)


Restraint: TypeAlias = Callable[[Case], Corridor | None]
"""None: it does not apply."""
