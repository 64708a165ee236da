"""The input and the result type of a rule.

A permitted range may depend on anything except the current demand. Clamps therefore compose monotonically, and "more
backlog never means fewer tasks" holds by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from autoscaler.core.demand import read_signals
from autoscaler.core.memory import Memory
from autoscaler.core.model import Fleet, Instant, Observation
from autoscaler.core.policy import Policy, WorkerSafety
from autoscaler.core.signals import Signals
from autoscaler.core.workers import LongWork, kind_of, long_work

PermittedRange: TypeAlias = tuple[float, float, Callable[[], str]]
"""The lowest and the highest permitted count, both inclusive, and the reason, which is formatted only if the rule
clamps.
"""


class RuleInput(NamedTuple):
    """One service at one poll. `current` is the ECS desired count; `long_work` is described in `core/workers.py`."""

    policy: Policy
    memory: Memory
    fleet: Fleet
    signals: Signals
    current: int
    now: Instant
    long_work: LongWork | None = None

    @property
    def workers(self) -> WorkerSafety:
        """The kind of worker that applies: as configured, otherwise as assumed."""
        return kind_of(self.policy, self.long_work)

    @staticmethod
    def of(policy: Policy, memory: Memory, seen: Observation) -> RuleInput:
        """Return the input for an observation. A lapsed memory starts its warm-up again if no signal is missing any
        more.
        """
        signals, work = read_signals(policy, seen, memory), long_work(policy, seen.knowledge, seen.stop_timeout)
        memory = memory.resumed(seen.fleet, seen.now, complete=not signals.missing)
        return RuleInput(policy, memory, seen.fleet, signals, seen.fleet.desired, seen.now, work)


RuleCheck: TypeAlias = Callable[[RuleInput], PermittedRange | None]
"""Returns None if the rule does not apply."""
