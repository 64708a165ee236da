"""Discover a service by its tags: `autoscaler:queues`, and other settings in tags named like the settings.

    autoscaler:queues = orders refunds=5m        autoscaler:max_tasks = 20        autoscaler:profile = batch

Tags override the profile that they name; a profile of the settings file overrides the defaults. AWS permits no comma
or brace in a tag's value, so spaces separate the queues. People who are not responsible for a service may have the
permission to tag it. Therefore a discovered service is in shadow unless its profile sets the mode, and each setting
declares what a tag may do to it (`by_tag`): a tag cannot set a URL, a formula, a schedule or a role, and cannot weaken
a protection. No tag sets `min_tasks` or `max_tasks` above the ceiling, or the place of a service. A setting that keeps
its last value without its line in the file (`stays`) also keeps it without its tag.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from autoscaler.config.fields import ServiceFields
from autoscaler.config.groups import AT_RUNTIME, Leaf, Path, leaves, value_at
from autoscaler.config.lasting import MISSING, STAYING, shown
from autoscaler.config.layers import Layer, Naming, Sourced, Tree, overlaid, sources
from autoscaler.config.loading import LoadedSettings, Read, below_tags, service_of
from autoscaler.config.model import ServiceConfig
from autoscaler.config.names import PLACE, SettingsPart, key_of
from autoscaler.config.policies import validated
from autoscaler.config.quoting import quote
from autoscaler.config.values import NONE
from autoscaler.errors import ConfigError, Problem

TAG = "autoscaler:"
DISCOVERY_TAG = f"{TAG}queues"
"""A service with this tag is discovered."""

PROFILE = f"{TAG}profile"
LONGEST_KEY = 64
IN_A_PROFILE = "set it in a profile of the settings file, and name the profile in the tag autoscaler:profile"
SETTINGS: Mapping[Path, Leaf] = {leaf.path: leaf for leaf in leaves(ServiceFields)}
RUNTIME = frozenset(f"{TAG}{'.'.join(path)}" for path, leaf in SETTINGS.items() if leaf.by_tag is AT_RUNTIME)
"""Tags that are not settings: the daemon reads them at every poll."""

STAYING_TAGS = frozenset(f"{TAG}{'.'.join(path)}" for path in STAYING) - RUNTIME - {DISCOVERY_TAG} | {PROFILE}
"""Tags whose last value stays while they are missing. Without `autoscaler:queues` the service is no longer scaled."""

_TAGS = (*(f"{TAG}{'.'.join(path)}" for path in SETTINGS), PROFILE)
_NEAR_PREFIX = re.compile("auto[_-]?scal(?:er|ing)[:./_-]", re.ASCII | re.IGNORECASE)
_NEAR = 0.85

_CAPPED = ("min_tasks", "max_tasks")


@dataclass(frozen=True, slots=True)
class TaggedService:
    """A discovered service with all its tags. `missing`: removed tags whose last values stay."""

    cluster: str
    service: str
    tags: Mapping[str, str]
    missing: frozenset[str] = frozenset()

    @property
    def where(self) -> str:
        return f"tags of {self.service} in {self.cluster}"

    def at(self, tag: str) -> str:
        """Return the name of the tag for messages."""
        return f"{self.where}: {tag}{MISSING if tag in self.missing else ''}"

    def with_last(self, last: Mapping[str, str]) -> TaggedService:
        """Return the service with the missing tags that stay. `last`: the earlier result of `staying`."""
        missing = last.keys() - self.tags.keys()
        return replace(self, tags={**last, **self.tags}, missing=frozenset(missing)) if missing else self

    @property
    def staying(self) -> dict[str, str]:
        """The tags whose values stay if they are missing at the next read."""
        return {tag: value for tag, value in self.tags.items() if tag in STAYING_TAGS}

    def gaps(self) -> Iterator[Problem]:
        """Yield a problem for each tag that is missing and whose value stays."""
        for tag in sorted(self.missing):
            what = f"the tag is missing; its last value, {quote(self.tags[tag])}, stays in force"
            yield Problem(f"{self.where}: {tag}", f"{what}. Write the tag, or restart the daemon to drop the value")


def discovered(tagged: TaggedService, settings: LoadedSettings) -> ServiceConfig:
    """Return the service that the tags configure. Raises ConfigError with all problems of the tags."""
    profile, wrong_profile = _profile(tagged, settings)
    layer = _layer(tagged)
    place = _tree(tagged, cluster=tagged.cluster, service=tagged.service)
    under = below_tags(profile, settings, tagged.where)
    without = validated(ServiceFields, under).value
    valid = validated(ServiceFields, overlaid(place, overlaid(layer.tree[SettingsPart.DEFAULTS], under)))
    read = Read(Naming(key_in(tagged), f"{tagged.where}: {TAG}", dotted=True), valid, frozenset(sources(profile)))
    problems = [*layer.problems, *wrong_profile, *valid.problems]
    if not wrong_profile:  # without the profile, the other values are not known
        named = {problem.where for problem in problems}
        found = [_of(tagged, problem) for problem in read.contradictions(settings.home)]
        found += [*_not_permitted(tagged, read, without, settings), *_other_region(tagged, read, settings)]
        problems += (problem for problem in found if problem.where not in named)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return service_of(read)


def _of(tagged: TaggedService, problem: Problem) -> Problem:
    """Return the problem under the service's name. Its cause may be a profile that several services use."""
    if problem.where.startswith(tagged.where):
        return problem
    return Problem(tagged.where, f"{problem.where}: {problem.what}")


def _tree(tagged: TaggedService, **values: str) -> Tree:
    return {name: Sourced(str(value), tagged.where) for name, value in values.items()}


def key_in(tagged: TaggedService) -> str:
    """Return the service's key, made of cluster and name. A long key is cut and ends with a hash, to stay unique."""
    whole = key_of(f"{tagged.cluster}-{tagged.service}")
    named = f"{tagged.cluster}-{tagged.service}".lower()
    if len(named) <= LONGEST_KEY and whole == named:
        return whole
    digest = hashlib.sha256(named.encode()).hexdigest()[:8]
    return f"{whole[: LONGEST_KEY - 9].rstrip('_-')}-{digest}"


def _profile(tagged: TaggedService, settings: LoadedSettings) -> tuple[Tree, list[Problem]]:
    name = tagged.tags.get(PROFILE, NONE)
    if name == NONE and NONE not in settings.whole.profiles:
        return {}, []
    if name in settings.whole.profiles:
        return settings.whole.profiles[name], []
    known = sorted(settings.whole.profiles)
    near = difflib.get_close_matches(name[:LONGEST_KEY], known, 1)
    meant = f"did you mean {near[0]}?" if near else f"profiles: {', '.join(known) or 'none'}"
    return {}, [Problem(tagged.at(PROFILE), f"{quote(name)} is not a profile of the settings file; {meant}")]


def _layer(tagged: TaggedService) -> Layer:
    """Return the tags as a layer. A dot separates group and setting: `autoscaler:scale_in.cooldown`."""
    layer, table = Layer(), dict[str, object]()
    for tag, value in sorted(tagged.tags.items()):
        if tag.startswith(TAG) and tag not in RUNTIME | {PROFILE}:
            path = tuple(tag.removeprefix(TAG).split("."))
            if refusal := _refusal(path, value):
                layer.complain(tagged.at(tag), refusal)
            else:
                _put(table, path, value)
        elif meant := misspelled(tag):
            layer.complain(tagged.at(tag), f"unknown tag; did you mean {meant}?")
    layer.read_table(
        table, ServiceFields, (SettingsPart.DEFAULTS.value,), lambda path: tagged.at(f"{TAG}{'.'.join(path)}")
    )
    return layer


def misspelled(tag: str) -> str | None:
    """Return the tag that was probably meant by a tag that is similar to one of `autoscaler:...` (None: none was)."""
    prefix = _NEAR_PREFIX.match(tag)
    if prefix is None or tag in _TAGS:
        return None
    rest = tag[prefix.end() : prefix.end() + LONGEST_KEY].lower()
    near = difflib.get_close_matches(f"{TAG}{rest}", _TAGS, 1, _NEAR)
    return near[0] if near else None


def undiscovered(cluster: str, service: str, tags: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each tag that was probably meant as `autoscaler:queues`, of a service without this tag."""
    for tag in () if DISCOVERY_TAG in tags else tags:
        if misspelled(tag) == DISCOVERY_TAG:
            what = f"the service is not discovered; did you mean {DISCOVERY_TAG}?"
            yield Problem(TaggedService(cluster, service, tags).at(tag), what)


def _refusal(path: Path, value: str) -> str | None:
    """Return why a tag may not set this, for any value (None: it may). A path below a setting is part of it."""
    leaf = next((SETTINGS[path[:length]] for length in range(1, len(path) + 1) if path[:length] in SETTINGS), None)
    if path[0] in PLACE:
        return "a tag cannot set this: a discovered service keeps the place where it was found. Remove the tag"
    if leaf is not None and leaf.by_tag.weaker is None:
        return f"a tag cannot set {'.'.join(leaf.path)}: {IN_A_PROFILE}"
    if path == ("queues",) and "://" in value:
        return f"a tag cannot set the URL of a queue. Use the name or ARN of the queue. To use the URL: {IN_A_PROFILE}"
    return None


def _put(table: dict[str, object], path: Path, value: str) -> None:
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # the outer name is a setting, or unknown: its own tag is reported
        table = inner
    table[path[-1]] = ",".join(value.split()) if path == ("queues",) else value


def _not_permitted(
    tagged: TaggedService, read: Read, without: ServiceFields, settings: LoadedSettings
) -> Iterator[Problem]:
    """Yield the values that a tag may not set. `without`: the service's settings without its tags."""
    for path, leaf in SETTINGS.items():
        tag = f"{TAG}{'.'.join(path)}"
        if tag in tagged.tags and tag not in RUNTIME and path[0] not in PLACE:
            yield from _weaker(tagged.at(tag), leaf, value_at(read.valid.value, path), value_at(without, path))
    ceiling = settings.globals.value.max_tasks_ceiling
    for name in _CAPPED:
        tasks = value_at(read.valid.value, (name,))
        if f"{TAG}{name}" in tagged.tags and tasks > ceiling:
            what = f"{tasks} is above AUTOSCALER_MAX_TASKS_CEILING={ceiling}; lower it, or set it in a profile"
            yield Problem(tagged.at(f"{TAG}{name}"), what)


def _weaker(where: str, leaf: Leaf, given: Any, without: Any) -> Iterator[Problem]:
    """Yield a problem if the tag's value weakens the value that the service has without the tag."""
    allowed = leaf.by_tag
    if allowed.weaker is not None and allowed.weaker(given, without):
        what = f"{shown(leaf, given)} is {allowed.comparison} {shown(leaf, without)}, the value without the tag"
        yield Problem(
            where, f"{what}: a tag {allowed.words}. Remove the tag, or set it in a profile of the settings file"
        )


def _other_region(tagged: TaggedService, read: Read, settings: LoadedSettings) -> Iterator[Problem]:
    """Yield queues outside the service's Region. Each Region's client takes memory, and a tag could name any Region."""
    here = read.valid.value.region or settings.home
    for item in read.valid.value.queues:
        if here is not None and item.name.region not in {None, here}:
            what = f"the queue {item.name.name} is in {item.name.region}, and the service is in {here}"
            yield Problem(tagged.at(DISCOVERY_TAG), what)
