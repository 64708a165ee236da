"""What stays in force when its line is missing: nothing that protects a service ends because a file was cut.

Each table of the file (the daemon's own settings, `[defaults]`, a profile, a service) is taken by itself: a setting
that declares `stays` (`group.setting`) and was written in that table keeps its last value there until it is written
again or the daemon starts again. A setting that is written as one `key = value` counts as it stands. One that is made
of several statements (sub-tables, `[[...]]`, dotted keys) may have lost some of them, and these stay, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.group import Group, Leaf, Path, leaves, value_at
from autoscaler.config.layer import Sourced, Tree
from autoscaler.config.merging import Merged, sources
from autoscaler.config.names import Part
from autoscaler.config.origins import in_words
from autoscaler.config.validation import validated

Table: TypeAlias = tuple[str, ...]
"""`("globals",)`, `("defaults",)`, `("profiles", name)` or `("services", folded key)`."""

Stated: TypeAlias = Mapping[Table, Mapping[Path, Sourced]]
"""The settings that stay, as they were last written in each table."""

MISSING = " (missing, the last value stays)"
MOST_GONE = 10_000
"""Tables that are gone and whose settings are still known, in case they come back without some of them."""


def _staying(group: type[Group]) -> dict[Path, Leaf]:
    return {leaf.path: leaf for leaf in leaves(group) if leaf.stays}


STAYING: Mapping[Path, Leaf] = _staying(ServiceFields)
STAYING_OF_DAEMON: Mapping[Path, Leaf] = _staying(GlobalFields)


@dataclass(frozen=True, slots=True)
class Gap:
    """A setting that is no longer written and keeps its last `value`, in words. `of`: a service's key, `defaults`,
    `profiles.<name>` or `daemon`; `origin`: where it was written.
    """

    of: str
    setting: str
    value: str
    origin: str


def tables(whole: Merged) -> Iterator[tuple[Table, Tree]]:
    """Every table that there is."""
    yield (Part.GLOBALS.value,), whole.globals
    yield (Part.DEFAULTS.value,), whole.defaults
    for part, named in ((Part.PROFILES, whole.profiles), (Part.SERVICES, whole.services)):
        yield from (((part.value, name), tree) for name, tree in named.items())


def stated(whole: Merged, before: Stated) -> Stated:
    """The settings that stay from now on. Tables that are gone are remembered, the last `MOST_GONE` of them."""
    here = {table: dict(_of(table, tree)) for table, tree in tables(whole)}
    gone = [table for table in before if table not in here]
    return {**{table: before[table] for table in gone[-MOST_GONE:]}, **here}


def _of(table: Table, tree: Tree) -> Iterator[tuple[Path, Sourced]]:
    staying = _leaves(table)
    return ((path, sourced) for path, sourced in sources(tree).items() if path in staying)


def _leaves(table: Table) -> Mapping[Path, Leaf]:
    return STAYING_OF_DAEMON if table[0] == Part.GLOBALS else STAYING


def keep(whole: Merged, last: Stated) -> None:
    """What is missing in a table that is there is put back into it, and marked as missing."""
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
    """The value as it is written, with those of its parts that are missing."""
    if not now.parted:
        return now.value
    if leaf.kind.schema.get("type") != "object" or not (isinstance(now.value, Mapping) and isinstance(last, Mapping)):
        return _whole(now.value, last)
    there = {
        name: item if name in now.inline or name not in last else _whole(item, last[name])
        for name, item in now.value.items()
    }
    return {**last, **there}


def _whole(now: object, last: object) -> object:
    """The last value where `now` is a part of it: keys are missing and none is new, or items of a list are missing."""
    if isinstance(now, Mapping) and isinstance(last, Mapping) and now.keys() <= last.keys():
        return {name: _whole(now[name], item) if name in now else item for name, item in last.items()}
    if isinstance(now, list) and isinstance(last, list) and now:
        others = iter(last)  # each item is looked for behind the one before it
        return last if all(any(_whole(item, other) == other for other in others) for item in now) else now
    return now


def gaps(whole: Merged, keys: Mapping[str, str]) -> tuple[Gap, ...]:
    """What was put back. `keys`: the services' keys by their folded ones."""
    return tuple(gap for table, tree in tables(whole) for gap in _gaps(table, tree, keys))


def _gaps(table: Table, tree: Tree, keys: Mapping[str, str]) -> Iterator[Gap]:
    missing = {path: sourced for path, sourced in sources(tree).items() if sourced.stays}
    if not missing:
        return
    values = validated(GlobalFields if table[0] == Part.GLOBALS else ServiceFields, tree).value
    for path, sourced in missing.items():
        words = shown(_leaves(table)[path], value_at(values, path))
        yield Gap(named(table, keys), ".".join(path), words, sourced.origin.removesuffix(MISSING))


def shown(leaf: Leaf, value: Any) -> str:
    """The value in words; a secret is masked."""
    return in_words(None if value is None else leaf.kind.show(value))


def named(table: Table, keys: Mapping[str, str]) -> str:
    """What the table is called in the log."""
    match table:
        case (Part.GLOBALS,):
            return "daemon"
        case (Part.SERVICES, key):
            return keys.get(key, key)
        case _:
            return ".".join(table)


def without(before: Stated, now: Stated, keys: set[str]) -> Stated:
    """What is stated now, except for these services (folded keys): they keep what they stated before."""
    kept = {(Part.SERVICES.value, key) for key in keys}
    others = {table: each for table, each in now.items() if table not in kept}
    return {**others, **{table: before[table] for table in kept if table in before}}
