"""How a peer looks at the world and acts on it: what cannot be read is None, what was refused was not done."""

from __future__ import annotations

from collections.abc import Sequence

from autoscaler.errors import AutoscalerError
from autoscaler.sim.model import Counts, Datapoint, Meter, Surface, Tasks


def counts(world: Surface) -> Counts | None:
    """SQS's counts (None: they cannot be read now)."""
    try:
        return world.counts()
    except AutoscalerError:
        return None


def tasks(world: Surface) -> Tasks | None:
    """ECS's counts (None: they cannot be read now)."""
    try:
        return world.tasks()
    except AutoscalerError:
        return None


def minutes(world: Surface, meter: Meter, most: int) -> Sequence[Datapoint]:
    """CloudWatch's newest minutes, oldest first (empty: it does not answer, or has none)."""
    try:
        return world.minutes(meter, most)
    except AutoscalerError:
        return ()


def scaled(world: Surface, wanted: int, reason: str) -> bool:
    """Whether so many tasks are desired from now on. False: the call was refused, and nothing has changed."""
    try:
        world.scale_to(wanted)
    except AutoscalerError:
        return False
    world.tell(reason)
    return True
