"""Settings read again while the daemon runs: service by service, and what is wrong changes nothing.

A service whose new settings are wrong keeps those in force; where it had none it is left out. What is wrong with
anything that is not one service's alone (the file itself, the defaults, the daemon's own settings) keeps all as it
was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from autoscaler.config.claims import Claims
from autoscaler.config.file import CONFIG_FILE, is_empty
from autoscaler.config.loading import Settings, config_of, find
from autoscaler.config.model import Config, Service
from autoscaler.config.names import folded
from autoscaler.errors import Problem

TAKEN_AT_ONCE = frozenset({"services", "interval_s", "quiet_interval_s"})
"""The rest of a `Config` is the process's own: it is read at the start."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """`config` is in force from now on, and tags are read by `settings`. `kept`: the keys of services that keep their
    settings because the new ones are wrong. `later`: the settings that another start would change. `taken` False:
    the new settings were refused as a whole, and nothing is other than it was.
    """

    config: Config
    settings: Settings
    problems: tuple[Problem, ...] = ()
    kept: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    taken: bool = True

    @classmethod
    def refused(cls, last: Config, settings: Settings, problems: tuple[Problem, ...]) -> Reloaded:
        """All stays as it was."""
        return cls(last, settings, problems, tuple(service.ref.key for service in last.services), taken=False)


def reload(environ: Mapping[str, str], last: Config, settings: Settings) -> Reloaded:
    """What the environment and the file say now, as far as it may take the place of the last."""
    found = find(environ)
    if last.services and _is_emptied(environ):
        told = Problem(CONFIG_FILE, "the file is empty; it is taken for half written, and what it said stays in force")
        return Reloaded.refused(last, settings, (told,))
    owners = {_owner(problem, found) for problem in found.problems}
    if None in owners:
        return Reloaded.refused(last, settings, found.problems)
    good = config_of(replace(found, services=tuple(read for read in found.services if folded(read.key) not in owners)))
    before = [service for service in last.services if folded(service.ref.key) in owners]
    new, clashing = _beside(before, good.services, found.home)
    services = tuple(sorted([*before, *new], key=lambda service: service.ref.key))
    config = replace(last, services=services, interval_s=_interval_s(found, services))
    return Reloaded(
        replace(config, quiet_interval_s=good.quiet_interval_s),
        found,
        (*found.problems, *clashing),
        tuple(service.ref.key for service in before),
        tuple(_later(last, good if not owners else replace(good, caps=last.caps))),
    )


def _is_emptied(environ: Mapping[str, str]) -> bool:
    name = environ.get(CONFIG_FILE)
    return bool(name) and is_empty(str(name))


def _owner(problem: Problem, found: Settings) -> str | None:
    """The folded key of the service whose own mistake it is (None: it is not one service's)."""
    owners = (key for prefix, key in found.prefixes if f"{problem.where}.".startswith(prefix))
    return next(owners, None)


def _beside(kept: Iterable[Service], new: Iterable[Service], home: str | None) -> tuple[list[Service], list[Problem]]:
    """The new services that take nothing which a service that keeps its old settings has."""
    taken = Claims(home, kept)
    fitting, clashing = list[Service](), list[Problem]()
    for service in new:
        rival = taken.rival(service)
        if rival is None:
            fitting.append(service)
        else:
            what = f"has what {rival} has, which keeps its settings until they are right; mend {rival} first"
            clashing.append(Problem(service.ref.key, what))
    return fitting, clashing


def _interval_s(found: Settings, services: Iterable[Service]) -> float:
    """As at a start: at least three readings in the shortest latency."""
    wanted_s = found.globals.value.interval
    return min([wanted_s, *(service.policy.shortest_latency_s / 3 for service in services)])


def _later(last: Config, new: Config) -> Iterator[str]:
    for name in Config.__slots__:
        if name not in TAKEN_AT_ONCE and getattr(last, name) != getattr(new, name):
            yield name
