"""A simulation of SQS, ECS, CloudWatch and workers in virtual time."""

from autoscaler.sim.world.world import World

__all__ = ["World"]
