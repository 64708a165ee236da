"""The commands `pause` and `resume` write the tag `autoscaler:paused` of an ECS service; the daemon only reads it.

The result is read with the daemon's own parser, so the command shows the pause that the daemon applies.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from autoscaler.aws.operator import PauseTags, ServiceTag
from autoscaler.config import Config
from autoscaler.control.readers import TagPause, read_tag
from autoscaler.core.figures import several
from autoscaler.core.model import Missing
from autoscaler.core.policy import Pause
from autoscaler.operating.status import operator
from autoscaler.ports import ServiceRef

READS, REREAD_S = 3, 1.0
"""ECS may return the old tags shortly after a write."""

MINUTE_S = 60


class Pausable(NamedTuple):
    """A service that can be paused. `setting`: the value of its setting `paused` (None: not set, or not known). Its key
    is in the settings or was discovered by a daemon.
    """

    ref: ServiceRef
    setting: Pause | int | None
    min_tasks: int
    max_tasks: int

    def remark(self, tag: str | None) -> str | None:
        """Return a warning about the tag (None: there is no tag)."""
        match None if tag is None else read_tag(tag):
            case None:
                return None
            case TagPause(paused=int(count)) if not self.min_tasks <= count <= self.max_tasks:
                held = min(max(count, self.min_tasks), self.max_tasks)
                return (
                    f"{count} is outside min_tasks {self.min_tasks} and max_tasks {self.max_tasks}: the daemon holds "
                    f"the service at {several(held, 'task')}"
                )
        return "at its next apply, Terraform removes tags that are not in its configuration, which ends the pause"


def of_settings(config: Config) -> dict[str, Pausable]:
    """Return the services of the settings, by key."""
    return {
        service.ref.key: Pausable(
            service.ref, service.policy.paused, service.policy.min_tasks, service.policy.max_tasks
        )
        for service in config.services
    }


def of_daemon(services: Iterable[Mapping[str, Any]]) -> dict[str, Pausable]:
    """Return the services of an `/api/v1/services` response, by key. Their `paused` already includes the tag."""
    found = {}
    for service in services:
        ref = ServiceRef(service["key"], service["cluster"], service["ecs_service"], service.get("region"))
        found[ref.key] = Pausable(ref, None, service["min_tasks"], service["max_tasks"])
    return found


class Changed(NamedTuple):
    """A tag before and after the command (None: no tag), and the requested value. `sees`: the pause in force."""

    service: ServiceRef
    desired: int
    before: str | None
    after: str | None
    requested: str | None
    sees: str

    @property
    def done(self) -> bool:
        return self.after == self.requested

    def as_json(self) -> dict[str, Any]:
        named = {"service": self.service.key, "cluster": self.service.cluster, "ecs_service": self.service.service}
        return named | {"before": self.before, "after": self.after, "done": self.done, "sees": self.sees}


def value_of(paused: Pause | int, until: float | None) -> str:
    """Return the tag's value. `until`: seconds since the epoch, rounded up to the minute (None: no end)."""
    if until is None:
        return str(paused)
    whole = datetime.fromtimestamp(math.ceil(until / MINUTE_S) * MINUTE_S, UTC)
    return f"{paused} until {whole:%Y-%m-%dT%H:%MZ}"


def pause(service: Pausable, value: str, wall: Callable[[], float]) -> Changed:
    """Set the service's tag to this value. Raises `AutoscalerError`; the tag may then be unchanged."""
    return asyncio.run(_changed(service, value, wall))


def resume(service: Pausable, wall: Callable[[], float]) -> Changed:
    """Remove the service's tag. Raises `AutoscalerError`."""
    return asyncio.run(_changed(service, None, wall))


async def _changed(service: Pausable, value: str | None, wall: Callable[[], float]) -> Changed:
    async with operator() as aws:
        before = await aws.tags.read(service.ref)
        if before.pause != value:
            await _put(aws.tags, service.ref, before.arn, value)
        after = await _settled(lambda: aws.tags.read(service.ref), value)
    return Changed(
        service.ref, after.desired, before.pause, after.pause, value, seen(after.pause, service.setting, wall())
    )


async def _put(tags: PauseTags, service: ServiceRef, arn: str, value: str | None) -> None:
    if value is None:
        await tags.remove(service, arn)
    else:
        await tags.write(service, arn, value)


async def _settled(read: Callable[[], Awaitable[ServiceTag]], value: str | None) -> ServiceTag:
    found = await read()
    for _ in range(READS - 1):
        if found.pause == value:
            break
        await asyncio.sleep(REREAD_S)
        found = await read()
    return found


def seen(tag: str | None, setting: Pause | int | None, wall: float) -> str:
    """Return the pause that the daemon applies at `wall`, in a sentence. A tag replaces the setting `paused`."""
    read = None if tag is None else read_tag(tag)
    match read:
        case None if setting is None:
            return "nothing is paused"
        case None:
            return f"no tag; the setting `paused` applies: {_effect(setting)}"
        case Missing(reason=reason):
            return f"invalid tag, so everything is paused: {reason}"
        case TagPause(paused=paused, until=until) if until <= wall:
            return f"the pause has ended ({_effect(paused)}); remove the tag with `autoscaler resume`"
        case TagPause(paused=paused, until=until):
            return _effect(paused) + ("" if math.isinf(until) else f" until {_utc(until)}")


def _effect(paused: Pause | int | None) -> str:
    match paused:
        case Pause.ALL:
            return "no scaling in either direction"
        case Pause.IN:
            return "no scale-in; scale-out continues"
        case Pause.OUT:
            return "no scale-out; scale-in continues"
        case None:
            return "nothing is paused"
    return f"fixed at {several(paused, 'task')}"


def _utc(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M} UTC"
