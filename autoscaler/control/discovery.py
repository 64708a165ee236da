"""Services that are enabled by tag: discovered once a minute, cluster by cluster.

Invariant: a value that cannot be read or is wrong changes nothing. A service with wrong tags keeps its last valid tags,
read under the current settings: a wrong tag must not prevent a profile from becoming stricter. A service without the
tag, in a cluster that was read completely, is no longer scaled, and its name is reported. If another tag is missing and
its setting stays (`stays`), the last value holds until the tag is written again or the daemon restarts, even if the
service was removed in between. A service cannot claim what a configured service, or one that was found before, already
has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from autoscaler.config.claims import Claims
from autoscaler.config.discovering import DISCOVERY_TAG, TaggedService, discovered, key_in, undiscovered
from autoscaler.config.loading import LoadedSettings
from autoscaler.config.model import Config, ServiceConfig
from autoscaler.errors import AutoscalerError, ConfigError, Problem
from autoscaler.ports import Directory

SLICE = 50
"""Services whose tags are parsed before the event loop runs other tasks: a third of a millisecond each."""


MOST_REMEMBERED = 10_000
"""The most services that are no longer found and whose last tags are stored."""


class DiscoveryReporter(Protocol):
    """Receives the result of a discovery round."""

    def given_up(self, cluster: str, services: Mapping[str, str]) -> None:
        """Report the services of the cluster that are no longer scaled: the reason by key."""

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        """Report how many services of the cluster are scaled by their tags, and the problems of other services or of
        the cluster.
        """


@dataclass(frozen=True, slots=True)
class _Known:
    """One cluster's services and their tags, by key. `refused`: the keys of services with wrong tags."""

    found: Mapping[str, ServiceConfig] = field(default_factory=dict)
    tagged_services: Mapping[str, TaggedService] = field(default_factory=dict)
    refused: Set[str] = frozenset()


NOTHING = _Known()
NO_TAGS: Mapping[str, str] = MappingProxyType({})


class TaggedServices:
    """The services that were discovered in each cluster."""

    def __init__(self, directory: Directory, reporter: DiscoveryReporter) -> None:
        self._directory = directory
        self._reporter = reporter
        self._known: dict[str, _Known] = {}
        self._last: dict[str, Mapping[str, str]] = {}
        self._good: dict[str, TaggedService] = {}
        self._read_by: LoadedSettings | None = None
        self._newest: tuple[Config, LoadedSettings] | None = None

    def added_to(self, configured: Iterable[ServiceConfig], home: str | None) -> tuple[ServiceConfig, ...]:
        """Return the discovered services that share no key, ECS service or queue with the configured ones."""
        taken = Claims(home, configured)
        found = [service for known in self._known.values() for service in known.found.values()]
        return tuple(service for service in found if taken.conflicting_key(service) is None)

    async def discover(self, config: Config, settings: LoadedSettings) -> None:
        """Run one discovery round over all clusters of the settings."""
        self._newest = config, settings
        self._forget(config)
        for cluster in config.discovery.clusters:
            try:
                tags = await self._directory.tags(cluster, config.discovery.place)
            except AutoscalerError as fault:
                before = len(self._known.get(cluster, NOTHING).found)
                self._reporter.found(cluster, before, (Problem(f"cluster {cluster}", str(fault)),))
            else:
                await self._take(cluster, tags, config, settings)
        self._read_by = settings
        if self._newest[1] is not settings:
            self.renew(*self._newest)

    def renew(self, config: Config, settings: LoadedSettings) -> None:
        """Validate the newest tags again with these settings, because a profile may have changed. A round in progress
        uses the old settings; it calls this again at its end.
        """
        self._newest = config, settings
        self._forget(config)
        for cluster, known in self._known.items():
            round_ = _Round(known.found, self._claims(cluster, config, settings), settings, self._last, self._good)
            for tagged in known.tagged_services.values():
                round_.take(tagged)
            self._known[cluster] = _Known(round_.found, known.tagged_services, round_.refused)

    def _forget(self, config: Config) -> None:
        for cluster in self._known.keys() - set(config.discovery.clusters):
            del self._known[cluster]

    async def _take(
        self, cluster: str, tags: Mapping[str, Mapping[str, str]], config: Config, settings: LoadedSettings
    ) -> None:
        named = {service.ref.service for service in config.services if service.ref.cluster == cluster}
        asking = [
            TaggedService(cluster, name, dict(each))
            for name, each in tags.items()
            if DISCOVERY_TAG in each and name not in named
        ]
        before, accepted = self._known.get(cluster, NOTHING).found, self._accepted(cluster, settings)
        asking.sort(key=lambda tagged: (key_in(tagged) not in before, key_in(tagged)))
        stays = {key: before[key] for key in map(key_in, asking) if key in before}
        round_ = _Round(stays, self._claims(cluster, config, settings), settings, self._last, self._good)
        for number, tagged in enumerate(asking):
            round_.keep(tagged) if accepted.get(key_in(tagged)) == tagged else round_.take(tagged)
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        for name, each in tags.items():
            round_.problems += undiscovered(cluster, name, each) if name not in named else ()
        tagged_services = {key_in(tagged): tagged for tagged in asking}
        self._known[cluster] = _Known(round_.found, tagged_services, round_.refused)
        self._reporter.found(cluster, len(round_.found), tuple(round_.problems))
        gone = {key: _reason(service, tags, named) for key, service in before.items() if key not in tagged_services}
        if gone:
            self._reporter.given_up(cluster, gone)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Of the services that are no longer found, store only the last `MOST_REMEMBERED`."""
        found = {key for known in self._known.values() for key in known.tagged_services}
        self._good = {key: tagged for key, tagged in self._good.items() if key in found}
        gone = [key for key in self._last if key not in found]
        for key in gone[: len(gone) - MOST_REMEMBERED]:
            del self._last[key]

    def _accepted(self, cluster: str, settings: LoadedSettings) -> dict[str, TaggedService]:
        """Return the accepted tags by key; empty if they were read under other settings."""
        if settings is not self._read_by:
            return {}
        known = self._known.get(cluster, NOTHING)
        return {key: tagged for key, tagged in known.tagged_services.items() if key not in known.refused}

    def _claims(self, cluster: str, config: Config, settings: LoadedSettings) -> Claims:
        """Return the claims of the configured services and of the other clusters."""
        taken = Claims(settings.home, config.services, config.event_queue)
        for other, known in self._known.items():
            for service in known.found.values() if other != cluster else ():
                taken.add(service)
        return taken


def _reason(service: ServiceConfig, tags: Mapping[str, Mapping[str, str]], named: Set[str]) -> str:
    """Return why a service is no longer scaled."""
    name = service.ref.service
    if name in named:
        return "it is now configured by name"
    if name in tags:
        return f"the tag {DISCOVERY_TAG} is missing: write it to scale the service again"
    return "ECS no longer lists the service"


class _Round:
    """Applies one cluster's tags, service by service. A service keeps its claims until its new ones are accepted."""

    def __init__(
        self,
        before: Mapping[str, ServiceConfig],
        taken: Claims,
        settings: LoadedSettings,
        last: dict[str, Mapping[str, str]],
        good: dict[str, TaggedService],
    ) -> None:
        """`last`: the tags that stay, by key. `good`: the last accepted tags, by key. Both are updated here."""
        self._before = before
        self._taken = taken
        self._settings = settings
        self._last = last
        self._good = good
        self.found: dict[str, ServiceConfig] = {}
        self.problems: list[Problem] = []
        self.refused: set[str] = set()
        for service in before.values():
            taken.add(service)

    def keep(self, tagged: TaggedService) -> None:
        """Keep the service: its tags have not changed."""
        key = key_in(tagged)
        self.found[key] = self._before[key]
        self.problems += tagged.with_last(self._last.get(key, NO_TAGS)).gaps()

    def take(self, tagged: TaggedService) -> None:
        key, previous = key_in(tagged), self._before.get(key_in(tagged))
        tagged = tagged.with_last(self._last.get(key, NO_TAGS))
        self.problems += tagged.gaps()
        try:
            service = self._configured(tagged)
        except ConfigError as error:
            self.problems += error.problems
            self.refused.add(key)
            if previous is None:
                return
            service = self._as_before(key, previous)
        else:
            self._last[key], self._good[key] = tagged.staying, tagged
        if previous is not None:
            self._taken.release(previous)
        self._taken.add(service)
        self.found[key] = service

    def _as_before(self, key: str, previous: ServiceConfig) -> ServiceConfig:
        """Return the service of the last accepted tags under these settings, or `previous` if they are wrong, too."""
        try:
            return self._configured(self._good[key]) if key in self._good else previous
        except ConfigError:
            return previous

    def _configured(self, tagged: TaggedService) -> ServiceConfig:
        """Return the service that the tags configure.

        Raises `ConfigError` if the tags are wrong, or another service has the same queue, key or ECS service.
        """
        service = discovered(tagged, self._settings)
        other = self._taken.conflicting_key(service, but=service.ref.key)
        if other is not None:
            what = f"{other} has the same queue or key; use one queue for one service only"
            raise ConfigError([Problem(f"{tagged.where}: {DISCOVERY_TAG}", what)])
        return service
