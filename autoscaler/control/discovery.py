"""Services that ask by tag to be looked after: found once a minute, cluster by cluster.

Law: what could not be read, or is wrong, changes nothing. A service whose tags are wrong keeps what they said before;
one that carries the tag no more, in a cluster that could be read whole, is given up. What a configured service has, or
one that was found before, no other can ask for.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from autoscaler.config.discovering import ASKS, Tagged, discovered, key_in
from autoscaler.config.loading import Settings
from autoscaler.config.model import Config, Service
from autoscaler.errors import AutoscalerError, ConfigError, Problem
from autoscaler.ports import Directory


class Bulletin(Protocol):
    """Where it is told what became of a round."""

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        """So many services of the cluster are looked after by their tags; what is wrong with others, or why the
        cluster could not be read.
        """


class Discovery:
    """`services` are those that were found, by their keys."""

    def __init__(self, directory: Directory, bulletin: Bulletin) -> None:
        self._directory = directory
        self._bulletin = bulletin
        self._found: dict[str, dict[str, Service]] = {}

    def beside(self, configured: Iterable[Service]) -> tuple[Service, ...]:
        """Those that were found, and take nothing that these have."""
        taken = {thing for service in configured for thing in _things(service)}
        found = [service for some in self._found.values() for service in some.values()]
        return tuple(service for service in found if taken.isdisjoint(_things(service)))

    async def look(self, config: Config, settings: Settings) -> None:
        """Every cluster that the settings name was looked through."""
        clusters, place = config.discovery.clusters, config.discovery.place
        self._found = {cluster: some for cluster, some in self._found.items() if cluster in clusters}
        for cluster in clusters:
            try:
                tags = await self._directory.tags(cluster, place)
            except AutoscalerError as fault:
                before = len(self._found.get(cluster, ()))
                self._bulletin.found(cluster, before, (Problem(f"cluster {cluster}", str(fault)),))
            else:
                self._take(cluster, tags, config, settings)

    def _take(self, cluster: str, tags: Mapping[str, Mapping[str, str]], config: Config, settings: Settings) -> None:
        before, problems = self._found.get(cluster, {}), list[Problem]()
        asking = [Tagged(cluster, name, each) for name, each in tags.items() if ASKS in each]
        found = dict[str, Service]()
        taken = {thing: service.ref.key for service in self._others(cluster, config) for thing in _things(service)}
        for tagged in sorted(asking, key=lambda tagged: (key_in(tagged) not in before, key_in(tagged))):
            if any((tagged.cluster, tagged.service) == _name(service) for service in config.services):
                continue  # it is configured by name: that is what holds
            try:
                service = discovered(tagged, settings)
                _require_free(tagged, service, taken)
            except ConfigError as error:
                problems += error.problems
                kept = before.get(key_in(tagged))
                found |= {} if kept is None else {key_in(tagged): kept}
            else:
                found[service.ref.key] = service
                taken |= dict.fromkeys(_things(service), service.ref.key)
        self._found[cluster] = found
        self._bulletin.found(cluster, len(found), tuple(problems))

    def _others(self, cluster: str, config: Config) -> Iterator[Service]:
        yield from config.services
        for other, some in self._found.items():
            if other != cluster:
                yield from some.values()


def _require_free(tagged: Tagged, service: Service, taken: Mapping[Hashable, str]) -> None:
    """Raises `ConfigError` where another service has its queue, its key or itself."""
    for thing in _things(service):
        if thing in taken:
            what = f"{taken[thing]} has the same queue or key; one queue is for one service"
            raise ConfigError([Problem(f"{tagged.where}: {ASKS}", what)])


def _things(service: Service) -> Iterator[Hashable]:
    """What only one service may have."""
    yield service.ref.key.lower().replace("-", "_")
    yield replace(service.ref, key="")
    yield from service.queues


def _name(service: Service) -> tuple[str, str]:
    return service.ref.cluster, service.ref.service
