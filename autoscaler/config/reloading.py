"""Reload the settings while the daemon runs, service by service. Invalid or missing settings change nothing.

A service with invalid new settings keeps its last settings; a new service with invalid settings is left out. A problem
that does not belong to one service (the file itself, the defaults, the daemon's own settings) keeps all settings as
they are. A setting that stays (`config/lasting.py`) keeps its last value while its line is missing. If a service, a
profile or half of the settings is missing, or the last line may be incomplete, the file may have been truncated: it is
applied only after an operator confirms it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from autoscaler.config.claims import EVENT_QUEUE, Claims
from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.file import CONFIG_FILE, is_empty
from autoscaler.config.groups import Group, leaves, value_at
from autoscaler.config.lasting import Gap, shown, without
from autoscaler.config.loading import LoadedSettings, Read, config_of, find
from autoscaler.config.model import Config, ServiceConfig
from autoscaler.config.names import folded
from autoscaler.config.policies import validated
from autoscaler.errors import Problem

# Compare two sets of settings: list each setting whose value differs, table by table.


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting with its `old` and `new` value as text; a secret is masked. `of`: a service's key, `defaults`,
    `profiles.<name>` or `daemon`.
    """

    of: str
    setting: str
    old: str
    new: str


def changes(before: LoadedSettings, after: LoadedSettings) -> Iterator[SettingChange]:
    """Yield the changes of the daemon's settings, the defaults, the profiles and the services, in this order.

    Profiles and services that only one side has are left out.
    """
    yield from between("daemon", GlobalFields, before.globals.value, after.globals.value)
    yield from between("defaults", ServiceFields, before.defaults, after.defaults)
    for name in sorted(before.whole.profiles.keys() & after.whole.profiles.keys()):
        old, new = (validated(ServiceFields, each.whole.profiles[name]).value for each in (before, after))
        yield from between(f"profiles.{name}", ServiceFields, old, new)
    known = {folded(read.key): read for read in before.services}
    for read in after.services:
        if (last := known.get(folded(read.key))) is not None and last is not read:
            yield from between(read.key, ServiceFields, last.valid.value, read.valid.value)


def between(of: str, group: type[Group], old: Group, new: Group) -> Iterator[SettingChange]:
    """Yield the settings of one group whose values differ."""
    if old == new:
        return
    for leaf in leaves(group):
        first, second = value_at(old, leaf.path), value_at(new, leaf.path)
        if first != second:
            yield SettingChange(of, ".".join(leaf.path), shown(leaf, first), shown(leaf, second))


TAKEN_AT_ONCE = frozenset({"services", "interval_s", "interval_is_derived", "quiet_interval_s"})
"""Fields of `Config` that a reload changes. All others are read only at the start of the process."""


CONFIRM = (
    "To confirm this change, send SIGHUP to the daemon or restart it (on ECS: start a new task). "
    "Otherwise restore the file"
)


@dataclass(frozen=True, slots=True)
class UnconfirmedFile:
    """A file that requires confirmation. `services` and `profiles`: the keys and names that would be removed. The file
    has `now` settings and had `before` settings. `is_cut`: its last line has no line break and may be incomplete.
    """

    services: tuple[str, ...]
    profiles: tuple[str, ...]
    now: int
    before: int
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Result of a reload. `config` is in force from now on, and `settings` is the basis for tags.

    `retained`: keys of services that keep their last settings because the new ones are invalid. `later`: settings that
    take effect only after a restart. `applied` False: the new settings were refused as a whole and nothing changed;
    `unconfirmed`: they only require confirmation. `changes`: settings with a new value. `missing`: settings that are
    no longer written and stay. `added`, `removed`: keys of services, and profiles as `profiles.<name>`.
    """

    config: Config
    settings: LoadedSettings
    problems: tuple[Problem, ...] = ()
    retained: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    applied: bool = True
    unconfirmed: UnconfirmedFile | None = None
    changes: tuple[SettingChange, ...] = ()
    missing: tuple[Gap, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @classmethod
    def refused(
        cls,
        last: Config,
        settings: LoadedSettings,
        problems: tuple[Problem, ...],
        unconfirmed: UnconfirmedFile | None = None,
    ) -> Reloaded:
        """Return a result that changes nothing."""
        retained = tuple(service.ref.key for service in last.services)
        return cls(last, settings, problems, retained, applied=False, unconfirmed=unconfirmed)


def reload(environ: Mapping[str, str], last: Config, settings: LoadedSettings, *, confirmed: bool = False) -> Reloaded:
    """Read the environment and the file, and return the settings that may replace the last ones.

    `confirmed`: an operator requested the reload (SIGHUP), so services or half of the file may be removed. A missing
    mode, role, bound or protection still keeps its last value.
    """
    found = find(environ, settings.stated)
    if (last.services or settings.written) and _is_emptied(environ):
        empty = Problem(CONFIG_FILE, "the file is empty, so it may be incomplete; the last settings stay in force")
        return Reloaded.refused(last, settings, (empty,))
    owners = {_owner(problem, found) for problem in found.problems}
    if None in owners:
        return Reloaded.refused(last, settings, found.problems)
    unconfirmed = None if confirmed else _unconfirmed(found, settings, last)
    if unconfirmed is not None:
        return Reloaded.refused(last, settings, (*found.problems, *_problems(unconfirmed)), unconfirmed)
    good = config_of(replace(found, services=tuple(read for key, read in _keyed(found) if key not in owners)))
    before, new, clashing = _without_conflicts(
        last, good.services, {owner for owner in owners if owner is not None}, found.home
    )
    services = tuple(sorted([*before, *new], key=lambda service: service.ref.key))
    config = replace(last, services=services, interval_s=_interval_s(found, services))
    retained = {folded(service.ref.key) for service in before}
    in_force = _in_force(found, settings, retained, services)
    return Reloaded(
        replace(config, quiet_interval_s=good.quiet_interval_s, interval_is_derived=good.interval_is_derived),
        in_force,
        (*found.problems, *clashing),
        tuple(service.ref.key for service in before),
        tuple(_later(last, good if not owners else replace(good, caps=last.caps))),
        changes=tuple(changes(settings, in_force)),
        missing=tuple(gap for gap in in_force.missing if folded(gap.of) not in retained),
        added=(*_beyond(config, last), *_profiles_beyond(in_force, settings)),
        removed=(*_beyond(last, config), *_profiles_beyond(settings, in_force)),
    )


def _unconfirmed(found: LoadedSettings, settings: LoadedSettings, last: Config) -> UnconfirmedFile | None:
    """Return the changes that require confirmation (None: no such change)."""
    there = {folded(read.key) for read in found.services}
    services = tuple(service.ref.key for service in last.services if folded(service.ref.key) not in there)
    profiles = tuple(sorted(settings.whole.profiles.keys() - found.whole.profiles.keys()))
    is_cut = _is_cut(found, settings)
    if services or profiles or is_cut or (settings.written and found.written * 2 <= settings.written):
        return UnconfirmedFile(services, profiles, found.written, settings.written, is_cut)
    return None


def _is_cut(found: LoadedSettings, settings: LoadedSettings) -> bool:
    """Whether the last line may be incomplete, as `max_tasks = 5` instead of `max_tasks = 500`.

    It has no line break, and the file had one before. If the file never had one, as with Jinja templates: the file is
    the beginning of the last file, or a setting that stays is missing now.
    """
    now, before = found.content, settings.content
    if not now or now.endswith(b"\n") or now == before:
        return False
    lost = {(gap.of, gap.setting) for gap in found.missing} - {(gap.of, gap.setting) for gap in settings.missing}
    return before.endswith(b"\n") or before.startswith(now) or bool(lost)


def _problems(file: UnconfirmedFile) -> Iterator[Problem]:
    """Yield a problem for each service and profile that would be removed, and those of the file."""
    yield from (Problem(key, f"the service is no longer in the settings; it stays. {CONFIRM}") for key in file.services)
    for name in file.profiles:
        yield Problem(f"profiles.{name}", f"the profile is no longer in the file; it stays. {CONFIRM}")
    if file.is_cut:
        what = "the last line of the file has no line break, so it may be incomplete; the file was not applied"
        yield Problem(CONFIG_FILE, f"{what}. {CONFIRM}")
    if file.now * 2 <= file.before:
        what = f"the file has {file.now} settings and had {file.before}; it was not applied. {CONFIRM}"
        yield Problem(CONFIG_FILE, what)


def _in_force(
    found: LoadedSettings, last: LoadedSettings, retained: set[str], services: Iterable[ServiceConfig]
) -> LoadedSettings:
    """Return the new settings, but with the last settings of the services in `retained`."""
    keys = {folded(service.ref.key) for service in services}
    before = {folded(read.key): read for read in last.services}
    reads = [before.get(key, read) if key in retained else read for key, read in _keyed(found) if key in keys]
    stated = without(last.stated, found.stated, retained | _keys(found) - keys)
    return replace(found, services=tuple(reads), stated=stated)


def _keyed(settings: LoadedSettings) -> Iterator[tuple[str, Read]]:
    return ((folded(read.key), read) for read in settings.services)


def _keys(settings: LoadedSettings) -> set[str]:
    return {key for key, _ in _keyed(settings)}


def _beyond(config: Config, other: Config) -> tuple[str, ...]:
    """Return the keys of the services that `other` does not have."""
    there = {service.ref.key for service in other.services}
    return tuple(service.ref.key for service in config.services if service.ref.key not in there)


def _profiles_beyond(settings: LoadedSettings, other: LoadedSettings) -> Iterator[str]:
    """Yield the profiles that `other` does not have."""
    return (f"profiles.{name}" for name in sorted(settings.whole.profiles.keys() - other.whole.profiles.keys()))


def _is_emptied(environ: Mapping[str, str]) -> bool:
    name = environ.get(CONFIG_FILE)
    return bool(name) and is_empty(str(name))


def _owner(problem: Problem, found: LoadedSettings) -> str | None:
    """Return the folded key of the service that the problem belongs to (None: it does not belong to one service)."""
    owners = (key for prefix, key in found.prefixes if f"{problem.where}.".startswith(prefix))
    return next(owners, None)


def _without_conflicts(
    last: Config, good: Iterable[ServiceConfig], wrong: set[str], home: str | None
) -> tuple[list[ServiceConfig], list[ServiceConfig], list[Problem]]:
    """Return the services that keep their last settings, those with new settings, and the conflicts.

    `wrong`: folded keys of services with invalid settings. A service that uses a resource of one of these also keeps
    its last settings, and so on; a new service is left out.
    """
    new = {folded(service.ref.key): service for service in good}
    clashing = list[Problem]()
    while True:
        before = [service for service in last.services if folded(service.ref.key) in wrong]
        taken = Claims(home, before, last.event_queue)
        conflicts = {
            key: other for key, service in new.items() if (other := taken.conflicting_key(service)) is not None
        }
        for key, other in conflicts.items():
            what = f"{other} uses the same key, ECS service or queue, and its settings are invalid. Fix {other} first"
            if other == EVENT_QUEUE:
                what = "the daemon receives the events of ECS from this queue until it is restarted. Use another queue"
            clashing.append(Problem(new.pop(key).ref.key, what))
        if not conflicts.keys() & {folded(service.ref.key) for service in last.services}:
            return before, list(new.values()), clashing
        wrong = wrong | conflicts.keys()


def _interval_s(found: LoadedSettings, services: Iterable[ServiceConfig]) -> float:
    """Return the effective poll interval in seconds, as at a start: at least three readings in the shortest latency."""
    return min([found.longest_interval_s, *(service.policy.shortest_latency_s / 3 for service in services)])


def _later(last: Config, new: Config) -> Iterator[str]:
    for name in Config.__slots__:
        if name not in TAKEN_AT_ONCE and getattr(last, name) != getattr(new, name):
            yield name
