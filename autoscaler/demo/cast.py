"""Concurrent asyncio tasks of a demo. An expected failure of one task ends the demo."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autoscaler.demo.region_client import RegionFailed

Job: TypeAlias = Callable[[], Awaitable[None]]


class DemoFailed(Exception):
    """The demo cannot continue: the daemon or the Region has ended."""


@dataclass
class Ending:
    """Whether the demo is over, and its failure. Only the first call counts."""

    failure: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def finish(self) -> None:
        self.over.set()

    def fail(self, reason: str) -> None:
        if not self.over.is_set():
            self.failure = reason
            self.over.set()


@dataclass
class Cast:
    """Concurrent tasks. An expected failure of a task ends the demo; any other error is a bug and is raised."""

    group: asyncio.TaskGroup
    ending: Ending
    members: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, job: Job) -> None:
        member = self.group.create_task(self._guard(job))
        self.members.add(member)
        member.add_done_callback(self.members.discard)

    async def _guard(self, job: Job) -> None:
        try:
            await job()
        except (RegionFailed, DemoFailed) as failed:
            self.ending.fail(str(failed))
        except ExceptionGroup as group:
            failures, bugs = group.split((RegionFailed, DemoFailed))
            if failures is None or bugs is not None:
                raise
            self.ending.fail("; ".join(sorted({str(failure) for failure in _leaves(failures)})))

    def cancel_all(self) -> None:
        for member in self.members:
            member.cancel()


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    nested = [_leaves(one) if isinstance(one, BaseExceptionGroup) else [one] for one in group.exceptions]
    return [leaf for leaves in nested for leaf in leaves]
