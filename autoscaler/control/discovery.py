"""Services that ask by tag to be looked after: found once a minute, cluster by cluster.

Law: what could not be read, or is wrong, changes nothing. A service whose tags are wrong keeps what they said before,
read by the settings as they are now: a wrong tag must not keep a profile from being made stricter. One that carries the
tag no more, in a cluster that could be read whole, is given up, and its name is reported. Another tag that is missing
changes nothing where its setting stays (`stays`): the last value holds until it is written again or the daemon starts
again, also where the service was given up in between. What a configured service has, or one that was found before, no
other can ask for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from autoscaler.config.claims import Claims
from autoscaler.config.discovering import ASKS, Tagged, discovered, key_in
from autoscaler.config.loading import Settings
from autoscaler.config.model import Config, Service
from autoscaler.errors import AutoscalerError, ConfigError, Problem
from autoscaler.ports import Directory

AT_ONCE = 50
"""Services whose tags are read before others get their turn: a third of a millisecond each."""


MOST_REMEMBERED = 10_000
"""Services that are no longer found and whose last tags are still known."""


class Bulletin(Protocol):
    """Where it is told what became of a round."""

    def given_up(self, cluster: str, services: Mapping[str, str]) -> None:
        """These services of the cluster, by key, are not scaled any more; each with the reason."""

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        """So many services of the cluster are looked after by their tags; what is wrong with others, or why the
        cluster could not be read.
        """


@dataclass(frozen=True, slots=True)
class _Known:
    """One cluster's services and the tags that asked for them, by key. `refused`: whose tags were wrong."""

    found: Mapping[str, Service] = field(default_factory=dict)
    asked: Mapping[str, Tagged] = field(default_factory=dict)
    refused: Set[str] = frozenset()


NOTHING = _Known()
NO_TAGS: Mapping[str, str] = MappingProxyType({})


class Discovery:
    """What was found in each cluster."""

    def __init__(self, directory: Directory, bulletin: Bulletin) -> None:
        self._directory = directory
        self._bulletin = bulletin
        self._known: dict[str, _Known] = {}
        self._last: dict[str, Mapping[str, str]] = {}
        self._good: dict[str, Tagged] = {}
        self._read_by: Settings | None = None
        self._newest: tuple[Config, Settings] | None = None

    def beside(self, configured: Iterable[Service], home: str | None) -> tuple[Service, ...]:
        """Those that were found, and take nothing that these have."""
        taken = Claims(home, configured)
        found = [service for known in self._known.values() for service in known.found.values()]
        return tuple(service for service in found if taken.rival(service) is None)

    async def look(self, config: Config, settings: Settings) -> None:
        """Every cluster that the settings name was looked through."""
        self._newest = config, settings
        self._forget(config)
        for cluster in config.discovery.clusters:
            try:
                tags = await self._directory.tags(cluster, config.discovery.place)
            except AutoscalerError as fault:
                before = len(self._known.get(cluster, NOTHING).found)
                self._bulletin.found(cluster, before, (Problem(f"cluster {cluster}", str(fault)),))
            else:
                await self._take(cluster, tags, config, settings)
        self._read_by = settings
        if self._newest[1] is not settings:
            self.renew(*self._newest)

    def renew(self, config: Config, settings: Settings) -> None:
        """What the newest tags ask for, by these settings: a profile may say less than it did. A round under way was
        begun with the old ones, and is followed by this again.
        """
        self._newest = config, settings
        self._forget(config)
        for cluster, known in self._known.items():
            round_ = _Round(known.found, self._claims(cluster, config, settings), settings, self._last, self._good)
            for tagged in known.asked.values():
                round_.take(tagged)
            self._known[cluster] = _Known(round_.found, known.asked, round_.refused)

    def _forget(self, config: Config) -> None:
        for cluster in self._known.keys() - set(config.discovery.clusters):
            del self._known[cluster]

    async def _take(
        self, cluster: str, tags: Mapping[str, Mapping[str, str]], config: Config, settings: Settings
    ) -> None:
        named = {service.ref.service for service in config.services if service.ref.cluster == cluster}
        asking = [
            Tagged(cluster, name, dict(each)) for name, each in tags.items() if ASKS in each and name not in named
        ]
        before, accepted = self._known.get(cluster, NOTHING).found, self._accepted(cluster, settings)
        asking.sort(key=lambda tagged: (key_in(tagged) not in before, key_in(tagged)))
        stays = {key: before[key] for key in map(key_in, asking) if key in before}
        round_ = _Round(stays, self._claims(cluster, config, settings), settings, self._last, self._good)
        for number, tagged in enumerate(asking):
            round_.keep(tagged) if accepted.get(key_in(tagged)) == tagged else round_.take(tagged)
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
        asked = {key_in(tagged): tagged for tagged in asking}
        self._known[cluster] = _Known(round_.found, asked, round_.refused)
        self._bulletin.found(cluster, len(round_.found), tuple(round_.problems))
        gone = {key: _reason(service, tags, named) for key, service in before.items() if key not in asked}
        if gone:
            self._bulletin.given_up(cluster, gone)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Of the services that are no longer found, the last `MOST_REMEMBERED` are remembered."""
        found = {key for known in self._known.values() for key in known.asked}
        self._good = {key: tagged for key, tagged in self._good.items() if key in found}
        gone = [key for key in self._last if key not in found]
        for key in gone[: len(gone) - MOST_REMEMBERED]:
            del self._last[key]

    def _accepted(self, cluster: str, settings: Settings) -> dict[str, Tagged]:
        """The tags that are in force as these settings read them."""
        if settings is not self._read_by:
            return {}
        known = self._known.get(cluster, NOTHING)
        return {key: tagged for key, tagged in known.asked.items() if key not in known.refused}

    def _claims(self, cluster: str, config: Config, settings: Settings) -> Claims:
        """What all others have."""
        taken = Claims(settings.home, config.services)
        for other, known in self._known.items():
            for service in known.found.values() if other != cluster else ():
                taken.add(service)
        return taken


def _reason(service: Service, tags: Mapping[str, Mapping[str, str]], named: Set[str]) -> str:
    """Why a service is given up."""
    name = service.ref.service
    if name in named:
        return "it is configured by name now"
    if name in tags:
        return f"the tag {ASKS} is missing: write it to have the service scaled again"
    return "ECS does not list the service any more"


class _Round:
    """One cluster's tags, one service after the other. What each had stays his until what he asks for now is his."""

    def __init__(
        self,
        before: Mapping[str, Service],
        taken: Claims,
        settings: Settings,
        last: dict[str, Mapping[str, str]],
        good: dict[str, Tagged],
    ) -> None:
        """`last`: the tags of each service that stay, by key, and `good` all that it was accepted with; what is
        accepted here is written there.
        """
        self._before = before
        self._taken = taken
        self._settings = settings
        self._last = last
        self._good = good
        self.found: dict[str, Service] = {}
        self.problems: list[Problem] = []
        self.refused: set[str] = set()
        for service in before.values():
            taken.add(service)

    def keep(self, tagged: Tagged) -> None:
        """Nothing has changed."""
        key = key_in(tagged)
        self.found[key] = self._before[key]
        self.problems += tagged.with_last(self._last.get(key, NO_TAGS)).gaps()

    def take(self, tagged: Tagged) -> None:
        key, kept = key_in(tagged), self._before.get(key_in(tagged))
        tagged = tagged.with_last(self._last.get(key, NO_TAGS))
        self.problems += tagged.gaps()
        try:
            service = self._asked(tagged)
        except ConfigError as error:
            self.problems += error.problems
            self.refused.add(key)
            if kept is None:
                return
            service = self._as_before(key, kept)
        else:
            self._last[key], self._good[key] = tagged.staying, tagged
        if kept is not None:
            self._taken.release(kept)
        self._taken.add(service)
        self.found[key] = service

    def _as_before(self, key: str, kept: Service) -> Service:
        """What the last good tags ask for, by these settings; what is kept, where that is wrong, too."""
        try:
            return self._asked(self._good[key]) if key in self._good else kept
        except ConfigError:
            return kept

    def _asked(self, tagged: Tagged) -> Service:
        """Raises `ConfigError` where the tags are wrong, or another service has its queue, its key or itself."""
        service = discovered(tagged, self._settings)
        rival = self._taken.rival(service, but=service.ref.key)
        if rival is not None:
            what = f"{rival} has the same queue or key; one queue is for one service"
            raise ConfigError([Problem(f"{tagged.where}: {ASKS}", what)])
        return service
