"""The settings as time goes by: read again when their file changes or somebody asks, and services found by tag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from autoscaler.config.file import CONFIG_FILE
from autoscaler.config.loading import Settings
from autoscaler.config.model import Config
from autoscaler.config.reloading import Reloaded
from autoscaler.control.discovery import Discovery
from autoscaler.errors import Problem

WATCH_S = 2.0
"""So often the file is looked at. A change is in force within twice this and a tick."""

UNREAD = object()
"""No file's mark."""

DISCOVER_S = 60.0
"""From the end of one round of all clusters to the next."""


class Bulletin(Protocol):
    """Where it is told what became of new settings."""

    def reloaded(self, outcome: Reloaded) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where settings come from. `read` reads them again, beside those in force; its last argument says whether somebody
    asked for it, so that services may go. `mark` changes when the file does. Both raise `TimeoutError` where the file's
    disk does not answer.
    """

    read: Callable[[Config, Settings, bool], Awaitable[Reloaded]]
    mark: Callable[[], Awaitable[Hashable]]


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
        self._is_new = True
        self._seen: Hashable = UNREAD
        self._read: Hashable = UNREAD

    def again(self) -> None:
        """Read the settings again, whether their file changed or not. Confirms that services may go."""
        self._asked = True
        self._news.set()

    async def configs(self) -> AsyncIterator[Config]:
        """The settings in force, at once and then whenever they are others."""
        told = self._whole()
        yield told
        rounds = asyncio.create_task(self._discover())
        try:
            while not rounds.done():
                await self._moment()
                if self._asked or await self._is_written():
                    await self._reload()
                before, told = told, self._whole() if self._is_new else told
                if told != before:
                    yield told
            rounds.result()
        finally:
            rounds.cancel()

    async def _moment(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_S):
                await self._news.wait()
        self._news.clear()

    async def _is_written(self) -> bool:
        """Whether the file is another than the one that was read, and stays as it is: half of it may be good TOML."""
        before, self._seen = self._seen, await self._mark()
        return self._seen == before and self._seen != self._read

    async def _mark(self) -> Hashable:
        """What the file was last, where its disk does not answer. Its first mark is that of what is in force."""
        try:
            mark = await self._source.mark()
        except TimeoutError:
            return self._seen
        if self._read is UNREAD:
            self._read = mark
        return mark

    async def _reload(self) -> None:
        asked, self._asked, self._read = self._asked, False, self._seen
        try:
            outcome = await self._source.read(self._config, self._settings, asked)
        except TimeoutError:
            told = Problem(CONFIG_FILE, "the file's disk does not answer; what it said stays in force")
            outcome = Reloaded.refused(self._config, self._settings, (told,))
            self._read = UNREAD
        self._config, self._settings = outcome.config, outcome.settings
        self._discovery.renew(self._config, self._settings)
        self._is_new = True
        self._bulletin.reloaded(outcome)

    async def _discover(self) -> None:
        while True:
            await self._discovery.look(self._config, self._settings)
            self._is_new = self._is_new or bool(self._config.discovery.clusters)
            self._news.set()
            await asyncio.sleep(DISCOVER_S)

    def _whole(self) -> Config:
        """The configured services and those that were found."""
        config, self._is_new = self._config, False
        found = self._discovery.beside(config.services, self._settings.home)
        return replace(config, services=tuple(sorted((*config.services, *found), key=lambda service: service.ref.key)))
