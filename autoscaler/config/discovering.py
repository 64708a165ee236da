"""A service that asks to be taken over by its tags: `autoscaler:queues`, and other settings under their own names.

    autoscaler:queues = orders refunds=5m        autoscaler:max_tasks = 20        autoscaler:profile = batch

Tags beat the profile that they name, a profile of the settings file beats the defaults. A tag's value holds no comma
or brace, so queues are separated by spaces. Who may tag a service need not be who answers for it: such a service is in
shadow unless its profile says otherwise, and a tag may only do to a setting what the setting declares (`by_tag`):
nothing where it holds a URL, a formula, a schedule or a role, and never weaken what protects the service. No tag lifts
`min_tasks` or `max_tasks` above the ceiling or says where a service is. What stays where its line is missing in the
file (`stays`) stays where its tag is missing, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from autoscaler.config.by_tag import AT_RUNTIME
from autoscaler.config.fields import ServiceFields
from autoscaler.config.group import Leaf, Path, leaves, value_at
from autoscaler.config.kinds import NONE
from autoscaler.config.lasting import MISSING, STAYING, shown
from autoscaler.config.layer import Layer, Naming, Sourced, Tree
from autoscaler.config.loading import Read, Settings, service_of
from autoscaler.config.merging import overlaid, sources
from autoscaler.config.model import Service
from autoscaler.config.names import PLACE, Part, key_of
from autoscaler.config.quoting import quote
from autoscaler.config.validation import validated
from autoscaler.core.policy import Mode
from autoscaler.errors import ConfigError, Problem

TAG = "autoscaler:"
ASKS = f"{TAG}queues"
"""Whoever carries this tag asks to be taken over."""

PROFILE = f"{TAG}profile"
LONGEST_KEY = 64
IN_A_PROFILE = "put it in a profile of the settings file, and name the profile in the tag autoscaler:profile"
SETTINGS: Mapping[Path, Leaf] = {leaf.path: leaf for leaf in leaves(ServiceFields)}
RUNTIME = frozenset(f"{TAG}{'.'.join(path)}" for path, leaf in SETTINGS.items() if leaf.by_tag is AT_RUNTIME)
"""Tags that are no settings: they are read at every poll."""

STAYING_TAGS = frozenset(f"{TAG}{'.'.join(path)}" for path in STAYING) - RUNTIME - {ASKS} | {PROFILE}
"""Tags whose last value stays while they are missing. Without `autoscaler:queues` the service is given up."""

_CAPPED = ("min_tasks", "max_tasks")


@dataclass(frozen=True, slots=True)
class Tagged:
    """A service as it was found, with all its tags. `missing`: those that it does not carry any more and that stay."""

    cluster: str
    service: str
    tags: Mapping[str, str]
    missing: frozenset[str] = frozenset()

    @property
    def where(self) -> str:
        return f"tags of {self.service} in {self.cluster}"

    def at(self, tag: str) -> str:
        """What the operator calls the tag."""
        return f"{self.where}: {tag}{MISSING if tag in self.missing else ''}"

    def with_last(self, last: Mapping[str, str]) -> Tagged:
        """With the tags that are missing and stay. `last`: what `staying` gave before."""
        missing = last.keys() - self.tags.keys()
        return replace(self, tags={**last, **self.tags}, missing=frozenset(missing)) if missing else self

    @property
    def staying(self) -> dict[str, str]:
        """The tags that stay if they are missing the next time."""
        return {tag: value for tag, value in self.tags.items() if tag in STAYING_TAGS}

    def gaps(self) -> Iterator[Problem]:
        """A problem for each tag that is missing and stays."""
        for tag in sorted(self.missing):
            what = f"the tag is missing; its last value, {quote(self.tags[tag])}, stays"
            yield Problem(f"{self.where}: {tag}", f"{what}. Write the tag, or restart the daemon to do without it")


def discovered(tagged: Tagged, settings: Settings) -> Service:
    """The service that the tags ask for. Raises ConfigError with everything that is wrong with them."""
    profile, unknown = _profile(tagged, settings)
    layer = _layer(tagged)
    place, shadow = _said(tagged, cluster=tagged.cluster, service=tagged.service), _said(tagged, mode=Mode.SHADOW)
    under = overlaid(profile, overlaid(shadow, settings.whole.defaults))
    without = validated(ServiceFields, under).value
    valid = validated(ServiceFields, overlaid(place, overlaid(layer.tree[Part.DEFAULTS], under)))
    read = Read(Naming(key_in(tagged), f"{tagged.where}: {TAG}", dotted=True), valid, frozenset(sources(profile)))
    problems = [*layer.problems, *unknown, *valid.problems]
    if not problems:
        problems += (_of(tagged, problem) for problem in read.contradictions())
        problems += _presumptuous(tagged, read, without, settings)
        problems += _elsewhere(tagged, read, settings)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return service_of(read)


def _of(tagged: Tagged, problem: Problem) -> Problem:
    """The problem under the service's name: the profile to blame may be many services'."""
    if problem.where.startswith(tagged.where):
        return problem
    return Problem(tagged.where, f"{problem.where}: {problem.what}")


def _said(tagged: Tagged, **values: str) -> Tree:
    return {name: Sourced(str(value), tagged.where) for name, value in values.items()}


def key_in(tagged: Tagged) -> str:
    """The service's key: cluster and name. A long one is cut, with a few letters that tell it from others."""
    whole = key_of(f"{tagged.cluster}-{tagged.service}")
    named = f"{tagged.cluster}-{tagged.service}".lower()
    if len(named) <= LONGEST_KEY and whole == named:
        return whole
    told_apart = hashlib.sha256(named.encode()).hexdigest()[:8]
    return f"{whole[: LONGEST_KEY - 9].rstrip('_-')}-{told_apart}"


def _profile(tagged: Tagged, settings: Settings) -> tuple[Tree, list[Problem]]:
    name = tagged.tags.get(PROFILE, NONE)
    if name == NONE and NONE not in settings.whole.profiles:
        return {}, []
    if name in settings.whole.profiles:
        return settings.whole.profiles[name], []
    there = ", ".join(sorted(settings.whole.profiles)) or "none"
    return {}, [Problem(tagged.at(PROFILE), f"{quote(name)} is no profile of the settings file; there is {there}")]


def _layer(tagged: Tagged) -> Layer:
    """The tags as a layer. Dots lead into groups: `autoscaler:scale_in.cooldown`."""
    layer, table = Layer(), dict[str, object]()
    for tag, value in sorted(tagged.tags.items()):
        if tag.startswith(TAG) and tag not in RUNTIME | {PROFILE}:
            path = tuple(tag.removeprefix(TAG).split("."))
            if refusal := _refusal(path, value):
                layer.complain(tagged.at(tag), refusal)
            else:
                _put(table, path, value)
    layer.read_table(table, ServiceFields, (Part.DEFAULTS.value,), lambda path: tagged.at(f"{TAG}{'.'.join(path)}"))
    return layer


def _refusal(path: Path, value: str) -> str | None:
    """Why a tag may not set this, whatever it says (None: it may). What is below a setting belongs to it."""
    leaf = next((SETTINGS[path[:length]] for length in range(1, len(path) + 1) if path[:length] in SETTINGS), None)
    if path[0] in PLACE:
        return "is no setting for a tag: a service that is discovered is where it was found. Remove the tag"
    if leaf is not None and leaf.by_tag.weaker is None:
        return f"{'.'.join(leaf.path)} is no setting for a tag: {IN_A_PROFILE}"
    if path == ("queues",) and "://" in value:
        return f"a queue's URL is not for a tag: write the queue's name or ARN, or {IN_A_PROFILE}"
    return None


def _put(table: dict[str, object], path: Path, value: str) -> None:
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # the outer name is a setting or nothing: that is said already
        table = inner
    table[path[-1]] = ",".join(value.split()) if path == ("queues",) else value


def _presumptuous(tagged: Tagged, read: Read, without: ServiceFields, settings: Settings) -> Iterator[Problem]:
    """What a tag may not ask for. `without`: the service's settings without its tags."""
    for path, leaf in SETTINGS.items():
        tag = f"{TAG}{'.'.join(path)}"
        if tag in tagged.tags and tag not in RUNTIME and path[0] not in PLACE:
            yield from _weaker(tagged.at(tag), leaf, value_at(read.valid.value, path), value_at(without, path))
    ceiling = settings.globals.value.max_tasks_ceiling
    for name in _CAPPED:
        tasks = value_at(read.valid.value, (name,))
        if f"{TAG}{name}" in tagged.tags and tasks > ceiling:
            what = f"{tasks} is above AUTOSCALER_MAX_TASKS_CEILING={ceiling}; lower it, or let a profile say it"
            yield Problem(tagged.at(f"{TAG}{name}"), what)


def _weaker(where: str, leaf: Leaf, given: Any, without: Any) -> Iterator[Problem]:
    """What is wrong with a value that weakens what the service has without the tag."""
    allowed = leaf.by_tag
    if allowed.weaker is not None and allowed.weaker(given, without):
        what = f"{shown(leaf, given)} is {allowed.comparison} {shown(leaf, without)}, the value without the tag"
        yield Problem(
            where, f"{what}: a tag {allowed.words}. Remove the tag, or set it in a profile of the settings file"
        )


def _elsewhere(tagged: Tagged, read: Read, settings: Settings) -> Iterator[Problem]:
    """Queues in other Regions than the service: each Region that is asked takes memory, and a tag may name any."""
    here = read.valid.value.region or settings.home
    for item in read.valid.value.queues:
        if here is not None and item.name.region not in {None, here}:
            what = f"the queue {item.name.name} is in {item.name.region}, and the service is in {here}"
            yield Problem(tagged.at(ASKS), what)
