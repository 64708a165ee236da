"""Settings read again while the daemon runs: service by service, and what is wrong or missing changes nothing.

A service whose new settings are wrong keeps those in force; where it had none it is left out. What is wrong with
anything that is not one service's alone (the file itself, the defaults, the daemon's own settings) keeps all as it
was. A setting that stays (`config/lasting.py`) keeps its last value where its line is missing. A file from which a
service or a profile is gone, or half of the settings, or whose last line may not be whole, may have been cut: it waits
until somebody confirms it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from autoscaler.config.changes import Change, changes
from autoscaler.config.claims import Claims
from autoscaler.config.file import CONFIG_FILE, is_empty
from autoscaler.config.lasting import Gap, without
from autoscaler.config.loading import Read, Settings, config_of, find
from autoscaler.config.model import Config, Service
from autoscaler.config.names import folded
from autoscaler.errors import Problem

TAKEN_AT_ONCE = frozenset({"services", "interval_s", "quiet_interval_s"})
"""The rest of a `Config` is the process's own: it is read at the start."""


CONFIRM = "send SIGHUP to the daemon or restart it if this is meant; else restore the file"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that waits to be confirmed: the keys of the `services` and the names of the `profiles` that would go, and
    how many settings the file has `now` and had `before`. `is_cut`: its last line has no line break, and may have
    lost its end.
    """

    services: tuple[str, ...]
    profiles: tuple[str, ...]
    now: int
    before: int
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Reloaded:
    """`config` is in force from now on, and tags are read by `settings`. `kept`: the keys of services that keep their
    settings because the new ones are wrong. `later`: the settings that another start would change. `taken` False:
    the new settings were refused as a whole, and nothing is other than it was; `waiting` says so where they only have
    to be confirmed. `changes` are all that came into force, `missing` the settings that stay although they are no
    longer written, `added` and `removed` the keys of services and the profiles, as `profiles.<name>`.
    """

    config: Config
    settings: Settings
    problems: tuple[Problem, ...] = ()
    kept: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    taken: bool = True
    waiting: Waiting | None = None
    changes: tuple[Change, ...] = ()
    missing: tuple[Gap, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @classmethod
    def refused(
        cls, last: Config, settings: Settings, problems: tuple[Problem, ...], waiting: Waiting | None = None
    ) -> Reloaded:
        """All stays as it was."""
        kept = tuple(service.ref.key for service in last.services)
        return cls(last, settings, problems, kept, taken=False, waiting=waiting)


def reload(environ: Mapping[str, str], last: Config, settings: Settings, *, confirmed: bool = False) -> Reloaded:
    """What the environment and the file say now, as far as it may take the place of the last.

    `confirmed`: somebody asked for it (SIGHUP), so that services may go, and half of the file. A mode, role, bound or
    protection that is missing stays all the same.
    """
    found = find(environ, settings.stated)
    if (last.services or settings.written) and _is_emptied(environ):
        told = Problem(CONFIG_FILE, "the file is empty; it is taken for half written, and what it said stays in force")
        return Reloaded.refused(last, settings, (told,))
    owners = {_owner(problem, found) for problem in found.problems}
    if None in owners:
        return Reloaded.refused(last, settings, found.problems)
    waiting = None if confirmed else _waiting(found, settings, last)
    if waiting is not None:
        return Reloaded.refused(last, settings, (*found.problems, *_told(waiting)), waiting)
    good = config_of(replace(found, services=tuple(read for key, read in _keyed(found) if key not in owners)))
    before, new, clashing = _beside(last, good.services, {owner for owner in owners if owner is not None}, found.home)
    services = tuple(sorted([*before, *new], key=lambda service: service.ref.key))
    config = replace(last, services=services, interval_s=_interval_s(found, services))
    kept = {folded(service.ref.key) for service in before}
    taken = _in_force(found, settings, kept, services)
    return Reloaded(
        replace(config, quiet_interval_s=good.quiet_interval_s),
        taken,
        (*found.problems, *clashing),
        tuple(service.ref.key for service in before),
        tuple(_later(last, good if not owners else replace(good, caps=last.caps))),
        changes=tuple(changes(settings, taken)),
        missing=tuple(gap for gap in taken.missing if folded(gap.of) not in kept),
        added=(*_beyond(config, last), *_profiles_beyond(taken, settings)),
        removed=(*_beyond(last, config), *_profiles_beyond(settings, taken)),
    )


def _waiting(found: Settings, settings: Settings, last: Config) -> Waiting | None:
    """What has to be confirmed (None: nothing)."""
    there = {folded(read.key) for read in found.services}
    services = tuple(service.ref.key for service in last.services if folded(service.ref.key) not in there)
    profiles = tuple(sorted(settings.whole.profiles.keys() - found.whole.profiles.keys()))
    is_cut = _is_cut(found, settings)
    if services or profiles or is_cut or (settings.written and found.written * 2 <= settings.written):
        return Waiting(services, profiles, found.written, settings.written, is_cut)
    return None


def _is_cut(found: Settings, settings: Settings) -> bool:
    """Whether the last line may have lost its end, as `max_tasks = 500` that became `max_tasks = 5`.

    It has no line break, and before it had one. Where it never had one, as in what Jinja renders: the file is the
    beginning of what it was, or a setting that stays went missing together with the end.
    """
    now, before = found.content, settings.content
    if not now or now.endswith(b"\n") or now == before:
        return False
    lost = {(gap.of, gap.setting) for gap in found.missing} - {(gap.of, gap.setting) for gap in settings.missing}
    return before.endswith(b"\n") or before.startswith(now) or bool(lost)


def _told(waiting: Waiting) -> Iterator[Problem]:
    """A problem for each that would go, and one for the file."""
    yield from (
        Problem(key, f"the service is no longer in the settings; it stays. {CONFIRM}") for key in waiting.services
    )
    for name in waiting.profiles:
        yield Problem(f"profiles.{name}", f"the profile is no longer in the file; it stays. {CONFIRM}")
    if waiting.is_cut:
        yield Problem(
            CONFIG_FILE,
            f"the last line of the file has no line break, so the file may have been cut; nothing was taken. {CONFIRM}",
        )
    if waiting.now * 2 <= waiting.before:
        what = f"the file has {waiting.now} settings and had {waiting.before}; nothing of it was taken. {CONFIRM}"
        yield Problem(CONFIG_FILE, what)


def _in_force(found: Settings, last: Settings, kept: set[str], services: Iterable[Service]) -> Settings:
    """What was found, with what the services that keep their settings had before."""
    keys = {folded(service.ref.key) for service in services}
    before = {folded(read.key): read for read in last.services}
    reads = [before.get(key, read) if key in kept else read for key, read in _keyed(found) if key in keys]
    return replace(found, services=tuple(reads), stated=without(last.stated, found.stated, kept | _keys(found) - keys))


def _keyed(settings: Settings) -> Iterator[tuple[str, Read]]:
    return ((folded(read.key), read) for read in settings.services)


def _keys(settings: Settings) -> set[str]:
    return {key for key, _ in _keyed(settings)}


def _beyond(config: Config, other: Config) -> tuple[str, ...]:
    """The services of the one that the other does not have."""
    there = {service.ref.key for service in other.services}
    return tuple(service.ref.key for service in config.services if service.ref.key not in there)


def _profiles_beyond(settings: Settings, other: Settings) -> Iterator[str]:
    """The profiles of the one that the other does not have."""
    return (f"profiles.{name}" for name in sorted(settings.whole.profiles.keys() - other.whole.profiles.keys()))


def _is_emptied(environ: Mapping[str, str]) -> bool:
    name = environ.get(CONFIG_FILE)
    return bool(name) and is_empty(str(name))


def _owner(problem: Problem, found: Settings) -> str | None:
    """The folded key of the service whose own mistake it is (None: it is not one service's)."""
    owners = (key for prefix, key in found.prefixes if f"{problem.where}.".startswith(prefix))
    return next(owners, None)


def _beside(
    last: Config, good: Iterable[Service], wrong: set[str], home: str | None
) -> tuple[list[Service], list[Service], list[Problem]]:
    """The services that keep their settings, those that have new ones, and what clashes.

    `wrong`: whose own settings are (folded keys). A service that wants what one of these has keeps its settings, too,
    and so on; where it had none it is left out.
    """
    new = {folded(service.ref.key): service for service in good}
    clashing = list[Problem]()
    while True:
        before = [service for service in last.services if folded(service.ref.key) in wrong]
        taken = Claims(home, before)
        rivals = {key: rival for key, service in new.items() if (rival := taken.rival(service)) is not None}
        for key, rival in rivals.items():
            what = f"has what {rival} has, which keeps its settings until they are right; fix {rival} first"
            clashing.append(Problem(new.pop(key).ref.key, what))
        if not rivals.keys() & {folded(service.ref.key) for service in last.services}:
            return before, list(new.values()), clashing
        wrong = wrong | rivals.keys()


def _interval_s(found: Settings, services: Iterable[Service]) -> float:
    """As at a start: at least three readings in the shortest latency."""
    wanted_s = found.globals.value.interval
    return min([wanted_s, *(service.policy.shortest_latency_s / 3 for service in services)])


def _later(last: Config, new: Config) -> Iterator[str]:
    for name in Config.__slots__:
        if name not in TAKEN_AT_ONCE and getattr(last, name) != getattr(new, name):
            yield name
