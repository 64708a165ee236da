"""The one TaskGroup: a loop per service, together until they are told to stop. A bug in one ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autoscaler.control.loop import ServiceLoop

GRACE_S = 4.0
"""How long a tick may take to finish once stopping was asked for; then it is cut. Together with closing, under 5 s."""


async def supervise(loops: Sequence[ServiceLoop], stopping: asyncio.Event) -> None:
    """Every loop has run until `stopping` was set, and has finished its tick or was cut after `GRACE_S`.

    Raises an ExceptionGroup if a loop raised: that is a bug of ours, and the process should end of it.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop.run(stopping)) for loop in loops]
        await stopping.wait()
        _, late = await asyncio.wait(tasks, timeout=GRACE_S)
        for task in late:
            task.cancel()
