"""The settings as time goes by: read again when their file changes or somebody asks, and services found by tag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from autoscaler.config.loading import Settings
from autoscaler.config.model import Config
from autoscaler.config.reloading import Reloaded
from autoscaler.control.discovery import Discovery

WATCH_S = 2.0
"""So often the file is looked at. A change is in force within this and a tick."""

DISCOVER_S = 60.0
"""From the end of one round of all clusters to the next."""


class Bulletin(Protocol):
    """Where it is told what became of new settings."""

    def reloaded(self, outcome: Reloaded) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where settings come from. `read` reads them again, beside those in force; `mark` changes when the file does."""

    read: Callable[[Config, Settings], Awaitable[Reloaded]]
    mark: Callable[[], Hashable]


class Following:
    """What is in force, until it is stopped. Law: what is wrong with new settings changes nothing that is right."""

    def __init__(
        self, config: Config, settings: Settings, source: Source, discovery: Discovery, bulletin: Bulletin
    ) -> None:
        self._config = config
        self._settings = settings
        self._source = source
        self._discovery = discovery
        self._bulletin = bulletin
        self._news = asyncio.Event()
        self._asked = False

    def again(self) -> None:
        """The settings shall be read again, whether their file changed or not."""
        self._asked = True
        self._news.set()

    async def configs(self) -> AsyncIterator[Config]:
        """The settings in force, at once and then whenever they are others."""
        mark, told = self._source.mark(), self._whole()
        yield told
        rounds = asyncio.create_task(self._discover())
        try:
            while not rounds.done():
                await self._moment()
                before, mark = mark, self._source.mark()
                if self._asked or mark != before:
                    await self._reload()
                before_told, told = told, self._whole()
                if told != before_told:
                    yield told
            rounds.result()
        finally:
            rounds.cancel()

    async def _moment(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_S):
                await self._news.wait()
        self._news.clear()

    async def _reload(self) -> None:
        self._asked = False
        outcome = await self._source.read(self._config, self._settings)
        self._config, self._settings = outcome.config, outcome.settings
        self._bulletin.reloaded(outcome)

    async def _discover(self) -> None:
        while True:
            await self._discovery.look(self._config, self._settings)
            self._news.set()
            await asyncio.sleep(DISCOVER_S)

    def _whole(self) -> Config:
        """The configured services and those that were found; as often looked at as the shortest latency needs."""
        config = self._config
        found = self._discovery.beside(config.services)
        services = tuple(sorted((*config.services, *found), key=lambda service: service.ref.key))
        shortest_s = min((service.policy.shortest_latency_s for service in found), default=config.interval_s * 3)
        return replace(config, services=services, interval_s=min(config.interval_s, shortest_s / 3))
