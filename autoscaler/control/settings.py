"""The settings in force: reloaded when their file changes or on request, plus the services discovered by tag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from autoscaler.config.file import CONFIG_FILE
from autoscaler.config.loading import LoadedSettings
from autoscaler.config.model import Config
from autoscaler.config.reloading import Reloaded
from autoscaler.control.discovery import TaggedServices
from autoscaler.errors import Problem

WATCH_S = 2.0
"""Seconds between two checks of the file. A change is in force within twice this time and one poll."""

NO_MARK = object()
"""A mark that no file has."""

DISCOVER_S = 60.0
"""Seconds from the end of one discovery round to the start of the next."""


class SettingsReporter(Protocol):
    """Receives the result of a reload."""

    def reloaded(self, outcome: Reloaded) -> None: ...


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """The source of the settings. `read` reads them again and merges them with those in force. Its last argument is
    True if an operator requested the reload, which permits the removal of services. `mark` changes with the file. Both
    raise `TimeoutError` if the file's disk does not answer.
    """

    read: Callable[[Config, LoadedSettings, bool], Awaitable[Reloaded]]
    mark: Callable[[], Awaitable[Hashable]]


class Following:
    """Follows the settings in force. Invariant: an invalid part of new settings does not affect the valid parts."""

    def __init__(
        self,
        config: Config,
        settings: LoadedSettings,
        source: SettingsSource,
        discovery: TaggedServices,
        reporter: SettingsReporter,
    ) -> None:
        self._config = config
        self._settings = settings
        self._source = source
        self._discovery = discovery
        self._reporter = reporter
        self._changed = asyncio.Event()
        self._confirmed = False
        self._is_new = True
        self._last_mark: Hashable = NO_MARK
        self._loaded_mark: Hashable = NO_MARK

    def request_reload(self) -> None:
        """Request a reload, whether the file changed or not. It permits the removal of services."""
        self._confirmed = True
        self._changed.set()

    async def configs(self) -> AsyncIterator[Config]:
        """Yield the settings in force now, and again after each change."""
        current = self._merged()
        yield current
        discovery = asyncio.create_task(self._discover())
        try:
            while not discovery.done():
                await self._wait()
                if self._confirmed or await self._is_written():
                    await self._reload()
                before, current = current, self._merged() if self._is_new else current
                if current != before:
                    yield current
            discovery.result()
        finally:
            discovery.cancel()

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_S):
                await self._changed.wait()
        self._changed.clear()

    async def _is_written(self) -> bool:
        """Whether the file differs from the loaded one and is stable: a half-written file may be valid TOML."""
        before, self._last_mark = self._last_mark, await self._mark()
        return self._last_mark == before and self._last_mark != self._loaded_mark

    async def _mark(self) -> Hashable:
        """Return the file's mark, or the last one if its disk does not answer. The first mark is the loaded one."""
        try:
            mark = await self._source.mark()
        except TimeoutError:
            return self._last_mark
        if self._loaded_mark is NO_MARK:
            self._loaded_mark = mark
        return mark

    async def _reload(self) -> None:
        confirmed, self._confirmed, self._loaded_mark = self._confirmed, False, self._last_mark
        try:
            outcome = await self._source.read(self._config, self._settings, confirmed)
        except TimeoutError:
            problem = Problem(CONFIG_FILE, "the file's disk does not answer; the settings in force stay")
            outcome = Reloaded.refused(self._config, self._settings, (problem,))
            self._loaded_mark = NO_MARK
        self._config, self._settings = outcome.config, outcome.settings
        self._discovery.renew(self._config, self._settings)
        self._is_new = True
        self._reporter.reloaded(outcome)

    async def _discover(self) -> None:
        while True:
            await self._discovery.discover(self._config, self._settings)
            self._is_new = self._is_new or bool(self._config.discovery.clusters)
            self._changed.set()
            await asyncio.sleep(DISCOVER_S)

    def _merged(self) -> Config:
        """Return the settings with the configured and the discovered services."""
        config, self._is_new = self._config, False
        found = self._discovery.added_to(config.services, self._settings.home)
        return replace(config, services=tuple(sorted((*config.services, *found), key=lambda service: service.ref.key)))
