"""How a peer reads the world and changes it. A failed read is None, and a refused change has no effect."""

from __future__ import annotations

from collections.abc import Sequence

from autoscaler.errors import AutoscalerError
from autoscaler.sim.model import Datapoint, Meter, QueueCounts, Surface, Tasks


def counts(world: Surface) -> QueueCounts | None:
    """Return SQS's counts; None if they cannot be read now."""
    try:
        return world.counts()
    except AutoscalerError:
        return None


def tasks(world: Surface) -> Tasks | None:
    """Return ECS's counts; None if they cannot be read now."""
    try:
        return world.tasks()
    except AutoscalerError:
        return None


def minutes(world: Surface, meter: Meter, most: int) -> Sequence[Datapoint]:
    """Return CloudWatch's newest minutes, oldest first; empty if they cannot be read or do not exist."""
    try:
        return world.minutes(meter, most)
    except AutoscalerError:
        return ()


def scaled(world: Surface, count: int, reason: str) -> bool:
    """Set the desired count and log the reason. Return False if the call was refused; nothing has then changed."""
    try:
        world.scale_to(count)
    except AutoscalerError:
        return False
    world.log(reason)
    return True
