"""Compare two sets of settings: list each setting whose value differs, table by table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.group import Group, leaves, value_at
from autoscaler.config.lasting import shown
from autoscaler.config.loading import LoadedSettings
from autoscaler.config.names import folded
from autoscaler.config.validation import validated


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
