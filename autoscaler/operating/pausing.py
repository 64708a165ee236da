"""Pausing by hand: the tag `autoscaler:paused` on the ECS service, written here and only read by the daemon.

What the tag then means is told by the daemon's own reader, so that nobody pauses what does not stay paused.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from autoscaler.aws.operator import PauseTags, Tagged
from autoscaler.config import Config
from autoscaler.control.pausing import TagPause, read_tag
from autoscaler.core.model import Missing
from autoscaler.core.policy import Pause
from autoscaler.operating.calling import operator
from autoscaler.ports import ServiceRef

LOOKS, LOOK_AGAIN_S = 3, 1.0
"""ECS may still tell the old tags just after a write."""

MINUTE_S = 60


class Pausable(NamedTuple):
    """A service that may be paused. `setting`: what its settings pause (None: nothing, or not known). `key` is one of
    the settings', or of those that a daemon discovered.
    """

    ref: ServiceRef
    setting: Pause | int | None
    min_tasks: int
    max_tasks: int

    def remark(self, tag: str | None) -> str | None:
        """What of the tag may surprise (None: nothing, or there is no tag)."""
        match None if tag is None else read_tag(tag):
            case None:
                return None
            case TagPause(paused=int(count)) if not self.min_tasks <= count <= self.max_tasks:
                return f"{count} is outside of {self.min_tasks} to {self.max_tasks}: a pause outlasts the bounds"
        return "Terraform removes tags that it does not know at its next apply: then the pause is over"


def of_settings(config: Config) -> dict[str, Pausable]:
    """The services of the settings, by key."""
    return {
        service.ref.key: Pausable(
            service.ref, service.policy.paused, service.policy.min_tasks, service.policy.max_tasks
        )
        for service in config.services
    }


def of_daemon(services: Iterable[Mapping[str, Any]]) -> dict[str, Pausable]:
    """The services as `/api/v1/services` tells them, by key. Their `paused` is already what the tag says."""
    found = {}
    for told in services:
        ref = ServiceRef(told["key"], told["cluster"], told["ecs_service"], told.get("region"))
        found[ref.key] = Pausable(ref, None, told["min_tasks"], told["max_tasks"])
    return found


class Changed(NamedTuple):
    """A tag before and after (None: the service has none), and what was wanted. `sees`: what the daemon makes of it."""

    service: ServiceRef
    desired: int
    before: str | None
    after: str | None
    wanted: str | None
    sees: str

    @property
    def done(self) -> bool:
        return self.after == self.wanted

    def as_json(self) -> dict[str, Any]:
        named = {"service": self.service.key, "cluster": self.service.cluster, "ecs_service": self.service.service}
        return named | {"before": self.before, "after": self.after, "done": self.done, "sees": self.sees}


def value_of(paused: Pause | int, until: float | None) -> str:
    """The tag's value. `until`: wall seconds, rounded up to the minute (None: until it is removed)."""
    if until is None:
        return str(paused)
    whole = datetime.fromtimestamp(math.ceil(until / MINUTE_S) * MINUTE_S, UTC)
    return f"{paused} until {whole:%Y-%m-%dT%H:%MZ}"


def pause(service: Pausable, value: str, wall: Callable[[], float]) -> Changed:
    """The service's tag has this value. Raises `AutoscalerError`; then the tag may be as before."""
    return asyncio.run(_changed(service, value, wall))


def resume(service: Pausable, wall: Callable[[], float]) -> Changed:
    """The service has no such tag any more. Raises `AutoscalerError`."""
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


async def _settled(look: Callable[[], Awaitable[Tagged]], value: str | None) -> Tagged:
    found = await look()
    for _ in range(LOOKS - 1):
        if found.pause == value:
            break
        await asyncio.sleep(LOOK_AGAIN_S)
        found = await look()
    return found


def seen(tag: str | None, setting: Pause | int | None, wall: float) -> str:
    """What the daemon makes of the tag at `wall`, in a sentence. A tag replaces the setting `paused`."""
    read = None if tag is None else read_tag(tag)
    match read:
        case None if setting is None:
            return "nothing is paused"
        case None:
            return f"no tag, so the setting counts: {_meant(setting)}"
        case Missing(reason=reason):
            return f"a tag that it cannot read, so everything is paused: {reason}"
        case TagPause(paused=paused, until=until) if until <= wall:
            return f"a pause that is over ({_meant(paused)}); take the tag away with `autoscaler resume`"
        case TagPause(paused=paused, until=until):
            return _meant(paused) + ("" if math.isinf(until) else f" until {_utc(until)}")


def _meant(paused: Pause | int | None) -> str:
    match paused:
        case Pause.ALL:
            return "no scaling in either direction"
        case Pause.IN:
            return "no scale-in; scale-out goes on"
        case Pause.OUT:
            return "no scale-out; scale-in goes on"
        case None:
            return "nothing is paused"
    return f"{paused} tasks at once, and no other count"


def _utc(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M} UTC"
