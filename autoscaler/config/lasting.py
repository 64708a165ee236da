"""Settings that keep their last value when their line is missing, so that a truncated file removes no protection.

Each table of the file (the daemon's own settings, `[defaults]`, a profile, a service) is handled separately: a setting
that declares `stays` (`group.setting`) and was written in that table keeps its last value there until it is written
again or the daemon restarts. A setting written as one `key = value` is used as written. A setting written in several
statements (sub-tables, `[[...]]`, dotted keys) may have lost some of them; the missing parts also keep their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Group, Leaf, Path, leaves, value_at
from autoscaler.config.layers import Merged, Sourced, Tree, sources
from autoscaler.config.names import SettingsPart
from autoscaler.config.policies import in_words, validated

Table: TypeAlias = tuple[str, ...]
"""`("globals",)`, `("defaults",)`, `("profiles", name)` or `("services", folded key)`."""

Stated: TypeAlias = Mapping[Table, Mapping[Path, Sourced]]
"""The settings that keep their last value, as they were last written in each table."""

MISSING = " (missing, the last value stays)"
MOST_GONE = 10_000
"""Maximum number of removed tables whose settings are stored, in case a table is written again without some of them."""


def _staying(group: type[Group]) -> dict[Path, Leaf]:
    return {leaf.path: leaf for leaf in leaves(group) if leaf.stays}


STAYING: Mapping[Path, Leaf] = _staying(ServiceFields)
STAYING_OF_DAEMON: Mapping[Path, Leaf] = _staying(GlobalFields)


@dataclass(frozen=True, slots=True)
class Gap:
    """A setting that is no longer written and keeps its last `value`, as text. `of`: a service's key, `defaults`,
    `profiles.<name>` or `daemon`; `origin`: where it was written.
    """

    of: str
    setting: str
    value: str
    origin: str


def tables(whole: Merged) -> Iterator[tuple[Table, Tree]]:
    """Yield all tables of the settings."""
    yield (SettingsPart.GLOBALS.value,), whole.globals
    yield (SettingsPart.DEFAULTS.value,), whole.defaults
    for part, named in ((SettingsPart.PROFILES, whole.profiles), (SettingsPart.SERVICES, whole.services)):
        yield from (((part.value, name), tree) for name, tree in named.items())


def stated(whole: Merged, before: Stated) -> Stated:
    """Return the settings that stay from now on. Of the removed tables, the last `MOST_GONE` are stored too."""
    here = {table: dict(_of(table, tree)) for table, tree in tables(whole)}
    removed = [table for table in before if table not in here]
    return {**{table: before[table] for table in removed[-MOST_GONE:]}, **here}


def _of(table: Table, tree: Tree) -> Iterator[tuple[Path, Sourced]]:
    staying = _leaves(table)
    return ((path, sourced) for path, sourced in sources(tree).items() if path in staying)


def _leaves(table: Table) -> Mapping[Path, Leaf]:
    return STAYING_OF_DAEMON if table[0] == SettingsPart.GLOBALS else STAYING


def restore(whole: Merged, last: Stated) -> None:
    """Put the missing settings back into each existing table, and mark them as missing."""
    for table, tree in tables(whole):
        written, staying = sources(tree), _leaves(table)
        for path, before in last.get(table, {}).items():
            now = written.get(path)
            value = before.value if now is None else _completed(now, before.value, staying[path])
            if now is None or value != now.value:
                _put(tree, path, Sourced(value, _marked((now or before).origin), stays=True, parted=before.parted))


def _put(tree: Tree, path: Path, sourced: Sourced) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = sourced


def _marked(origin: str) -> str:
    return origin if origin.endswith(MISSING) else origin + MISSING


def _completed(now: Sourced, last: object, leaf: Leaf) -> object:
    """Return the written value, completed with its missing parts."""
    if not now.parted:
        return now.value
    if leaf.kind.schema.get("type") != "object" or not (isinstance(now.value, Mapping) and isinstance(last, Mapping)):
        return _whole(now.value, last)
    written = {
        name: item if name in now.inline or name not in last else _whole(item, last[name])
        for name, item in now.value.items()
    }
    return {**last, **written}


def _whole(now: object, last: object) -> object:
    """Return `last` if `now` is a part of it (keys or items are missing and no key or item is new), else `now`."""
    if isinstance(now, Mapping) and isinstance(last, Mapping) and now.keys() <= last.keys():
        return {name: _whole(now[name], item) if name in now else item for name, item in last.items()}
    if isinstance(now, list) and isinstance(last, list) and now:
        others = iter(last)  # searches each item after the match of the previous item
        return last if all(any(_whole(item, other) == other for other in others) for item in now) else now
    return now


def gaps(whole: Merged, keys: Mapping[str, str]) -> tuple[Gap, ...]:
    """Return the settings that were put back. `keys`: the services' keys by folded key."""
    return tuple(gap for table, tree in tables(whole) for gap in _gaps(table, tree, keys))


def _gaps(table: Table, tree: Tree, keys: Mapping[str, str]) -> Iterator[Gap]:
    missing = {path: sourced for path, sourced in sources(tree).items() if sourced.stays}
    if not missing:
        return
    values = validated(GlobalFields if table[0] == SettingsPart.GLOBALS else ServiceFields, tree).value
    for path, sourced in missing.items():
        words = shown(_leaves(table)[path], value_at(values, path))
        yield Gap(named(table, keys), ".".join(path), words, sourced.origin.removesuffix(MISSING))


def shown(leaf: Leaf, value: Any) -> str:
    """Return the value as text; a secret is masked."""
    return in_words(None if value is None else leaf.kind.show(value))


def named(table: Table, keys: Mapping[str, str]) -> str:
    """Return the name of the table in the log."""
    match table:
        case (SettingsPart.GLOBALS,):
            return "daemon"
        case (SettingsPart.SERVICES, key):
            return keys.get(key, key)
        case _:
            return ".".join(table)


def without(before: Stated, now: Stated, keys: set[str]) -> Stated:
    """Return `now`, but with the entries of `before` for these services (folded keys)."""
    retained = {(SettingsPart.SERVICES.value, key) for key in keys}
    others = {table: each for table, each in now.items() if table not in retained}
    return {**others, **{table: before[table] for table in retained if table in before}}
