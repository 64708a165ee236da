"""Lower bounds for every policy: the least possible cost, and the clairvoyant, which is never late."""

from autoscaler.sim.limits.clairvoyant import clairvoyant
from autoscaler.sim.limits.episode import least_possible_billed_s

__all__ = ["clairvoyant", "least_possible_billed_s"]
