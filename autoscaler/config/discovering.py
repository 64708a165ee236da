"""A service that asks to be taken over by its tags: `autoscaler:queues`, and other settings under their own names.

    autoscaler:queues = orders refunds=5m        autoscaler:max_tasks = 20        autoscaler:profile = batch

Tags beat the profile that they name, a profile of the settings file beats the defaults. A tag's value holds no comma
or brace, so queues are separated by spaces, and what is richer than a word or a number is for a profile. Who may tag
a service need not be who answers for it: such a service is in shadow unless its profile says otherwise, and no tag
lifts `max_tasks` above the ceiling or says where a service is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autoscaler.config.fields import ServiceFields
from autoscaler.config.group import Path
from autoscaler.config.layer import Layer, Naming, Sourced, Tree
from autoscaler.config.loading import Read, Settings, service_of
from autoscaler.config.merging import overlaid, sources
from autoscaler.config.model import Service
from autoscaler.config.names import PLACE, Part, key_of
from autoscaler.config.quoting import quote
from autoscaler.config.validation import Valid, validated
from autoscaler.core.policy import Mode
from autoscaler.errors import ConfigError, Problem

TAG = "autoscaler:"
ASKS = f"{TAG}queues"
"""Whoever carries this tag asks to be taken over."""

PROFILE = f"{TAG}profile"
RUNTIME = frozenset({f"{TAG}paused"})
"""Tags that are no settings: they are read at every look."""

LONGEST_KEY = 64
RANK = (Mode.SHADOW, Mode.SCALE_OUT_ONLY, Mode.ACTIVE)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A service as it was found, with all its tags."""

    cluster: str
    service: str
    tags: Mapping[str, str]

    @property
    def where(self) -> str:
        return f"tags of {self.service} in {self.cluster}"


def discovered(tagged: Tagged, settings: Settings) -> Service:
    """The service that the tags ask for. Raises ConfigError with everything that is wrong with them."""
    profile, unknown = _profile(tagged, settings)
    layer = _layer(tagged)
    place, shadow = _said(tagged, cluster=tagged.cluster, service=tagged.service), _said(tagged, mode=Mode.SHADOW)
    under = overlaid(profile, overlaid(shadow, settings.whole.defaults))
    valid = validated(ServiceFields, overlaid(place, overlaid(layer.tree[Part.DEFAULTS], under)))
    read = Read(Naming(key_in(tagged), f"{tagged.where}: {TAG}", dotted=True), valid, frozenset(sources(profile)))
    problems = [*layer.problems, *unknown, *valid.problems]
    if not problems:
        problems += read.contradictions()
        problems += _presumptuous(tagged, read, profile, settings)
        problems += _elsewhere(tagged, read, settings)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return service_of(read)


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
    name = tagged.tags.get(PROFILE)
    if name is None:
        return {}, []
    if name in settings.whole.profiles:
        return settings.whole.profiles[name], []
    there = ", ".join(sorted(settings.whole.profiles)) or "none"
    return {}, [
        Problem(f"{tagged.where}: {PROFILE}", f"{quote(name)} is no profile of the settings file; there is {there}")
    ]


def _layer(tagged: Tagged) -> Layer:
    """The tags as a layer. Dots lead into groups: `autoscaler:scale_in.cooldown`."""
    layer, table = Layer(), dict[str, object]()
    for tag, value in sorted(tagged.tags.items()):
        if tag.startswith(TAG) and tag not in RUNTIME | {PROFILE}:
            _put(table, tuple(tag.removeprefix(TAG).split(".")), value)
    for name in PLACE & table.keys():
        layer.complain(f"{tagged.where}: {TAG}{name}", "is no setting for a tag: it was found where it is")
        del table[name]
    layer.read_table(
        table, ServiceFields, (Part.DEFAULTS.value,), lambda path: f"{tagged.where}: {TAG}{'.'.join(path)}"
    )
    return layer


def _put(table: dict[str, object], path: Path, value: str) -> None:
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # the outer name is a setting or nothing: that is said already
        table = inner
    table[path[-1]] = ",".join(value.split()) if path == ("queues",) else value


def _presumptuous(tagged: Tagged, read: Read, profile: Tree, settings: Settings) -> Iterator[Problem]:
    """What a tag may not ask for."""
    fields, allowed = read.valid.value, _mode_of(profile)
    if RANK.index(fields.mode) > RANK.index(allowed):
        what = f"{fields.mode} is more than {allowed}, which its profile allows; let a profile say mode={fields.mode}"
        yield Problem(f"{tagged.where}: {TAG}mode", what)
    ceiling = settings.globals.value.max_tasks_ceiling
    if f"{TAG}max_tasks" in tagged.tags and fields.max_tasks > ceiling:
        what = f"{fields.max_tasks} is above AUTOSCALER_MAX_TASKS_CEILING={ceiling}; lower it, or let a profile say it"
        yield Problem(f"{tagged.where}: {TAG}max_tasks", what)


def _elsewhere(tagged: Tagged, read: Read, settings: Settings) -> Iterator[Problem]:
    """Queues in other Regions than the service: each Region that is asked takes memory, and a tag may name any."""
    here = read.valid.value.region or settings.home
    for item in read.valid.value.queues:
        if here is not None and item.name.region not in {None, here}:
            what = f"the queue {item.name.name} is in {item.name.region}, and the service is in {here}"
            yield Problem(f"{tagged.where}: {ASKS}", what)


def _mode_of(profile: Tree) -> Mode:
    valid: Valid[ServiceFields] = validated(ServiceFields, profile)
    return valid.value.mode if ("mode",) in valid.sources else Mode.SHADOW
