"""Tasks side by side until the play is over. Whoever fails in an expected way ends it for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autoscaler.demo.region_client import RegionFailed

Act: TypeAlias = Callable[[], Awaitable[None]]


class DemoFailed(Exception):
    """The demo cannot go on: the daemon or the Region is gone."""


@dataclass
class Ending:
    """Whether the play is over, and why. What is said first counts."""

    failure: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def finish(self) -> None:
        self.over.set()

    def fail(self, why: str) -> None:
        if not self.over.is_set():
            self.failure = why
            self.over.set()


@dataclass
class Cast:
    """Tasks side by side. What they fail with expectedly ends the play; any other error is a bug and is raised."""

    group: asyncio.TaskGroup
    ending: Ending
    members: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, act: Act) -> None:
        member = self.group.create_task(self._guard(act))
        self.members.add(member)
        member.add_done_callback(self.members.discard)

    async def _guard(self, act: Act) -> None:
        try:
            await act()
        except (RegionFailed, DemoFailed) as failed:
            self.ending.fail(str(failed))
        except ExceptionGroup as group:
            failures, bugs = group.split((RegionFailed, DemoFailed))
            if failures is None or bugs is not None:
                raise
            self.ending.fail("; ".join(sorted({str(failure) for failure in _leaves(failures)})))

    def dismiss(self) -> None:
        for member in self.members:
            member.cancel()


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    nested = [_leaves(one) if isinstance(one, BaseExceptionGroup) else [one] for one in group.exceptions]
    return [leaf for leaves in nested for leaf in leaves]
