"""A layer of settings: the environment, the file or tags, read into a tree of one common shape.

Each value carries its origin: the name that the operator wrote. An input that does not fit into the tree is a problem
of the layer and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autoscaler.config.group import Group, Path, within
from autoscaler.config.names import JOINT, KEY_SHAPE, SettingsPart, folded, valid_key
from autoscaler.config.quoting import printable
from autoscaler.config.spelling import unknown_key
from autoscaler.errors import Problem

Tree: TypeAlias = dict[str, Any]
"""Groups by name; at the leaves, `Sourced` values."""

Named: TypeAlias = Callable[[Path], str]
"""Returns the name of the setting at a path within a group, as the operator writes it."""


MOST_CHARACTERS = 65_536
"""Maximum characters of each text in a value: in a variable, a tag, an entry of the file and each name in its tables.
A whole ECS task definition is not larger.
"""


def longest_text(value: object) -> int:
    """Return the number of characters of the longest text in the value, including nested tables and lists."""
    longest, rest = 0, [value]
    while rest:
        one = rest.pop()
        if isinstance(one, Mapping):
            rest += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            rest += one
        elif isinstance(one, str):
            longest = max(longest, len(one))
    return longest


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value as it was written, and its origin: the variable's name, or the file and the key.

    `stays`: the value or a part of it is no longer written and was put back. `parted`: several statements of the file
    make up the value; `inline`: the items that are each written in one statement.
    """

    value: object
    origin: str
    stays: bool = False
    parted: bool = False
    inline: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of a service for messages: its key, and the notation of its settings.

    `prefix` precedes the setting's name; `dotted`: the notation of the file, else that of a variable.
    """

    key: str
    prefix: str
    dotted: bool

    def of(self, path: Path) -> str:
        return self.prefix + (".".join(path) if self.dotted else JOINT.join(path).upper())


@dataclass(slots=True)
class Layer:
    """One layer while it is read. `services`: the names of each service by folded key. `content`: the file's text."""

    tree: Tree = field(
        default_factory=lambda: {part.value: {} for part in SettingsPart if part is not SettingsPart.FLAT}
    )
    services: dict[str, Naming] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    content: bytes = b""

    def complain(self, where: str, what: str) -> None:
        self.problems.append(Problem(printable(where), printable(what)))

    def put(self, path: Path, value: Sourced) -> None:
        """Store the value at the path. A value that is too long is not stored and becomes a problem."""
        if longest_text(value.value) > MOST_CHARACTERS:
            self.complain(
                value.origin,
                f"a text in the value is longer than {MOST_CHARACTERS:,} characters, which is the limit. Shorten it",
            )
            return
        group = self.tree
        for name in path[:-1]:
            group = group.setdefault(name, {})
        group[path[-1]] = value

    def enter(self, naming: Naming, where: str) -> str | None:
        """Add the service and return its folded key (None: the key is invalid or not unique)."""
        if not valid_key(naming.key):
            self.complain(where, KEY_SHAPE)
            return None
        key = folded(naming.key)
        known = self.services.setdefault(key, naming).prefix
        if known != naming.prefix:
            self.complain(
                where, f"the key differs only in case, or in - and _, from {known.rstrip('._')}. Use one spelling"
            )
            return None
        self.tree[SettingsPart.SERVICES].setdefault(key, {})
        return key

    def read_table(
        self, table: Mapping[str, object], group: type[Group], at: Path, named: Named, inside: Path = ()
    ) -> None:
        """Store the table's settings below `at`. `inside`: the path of the table within the outermost group."""
        for name, value in table.items():
            path = (*inside, name)
            inner = within(group, name)
            if name not in group.model_fields:
                self.complain(named(path), unknown_key(name, group))
            elif inner is None:
                self.put((*at, *path), Sourced(value, named(path)))
            elif isinstance(value, Mapping):
                self.read_table(value, inner, at, named, path)
            else:
                self.complain(named(path), f"this is a group of settings: {', '.join(inner.model_fields)}")
