"""A layer of settings, the environment or the file, is read into one tree of one shape.

Every value carries the name under which the operator knows it, so that nothing has to be traced back later. What
cannot be placed in the tree is a problem of the layer and is left out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autoscaler.config.group import Group, Path, within
from autoscaler.config.names import JOINT, KEY_SHAPE, Part, folded, valid_key
from autoscaler.config.quoting import printable
from autoscaler.config.spelling import unknown_key
from autoscaler.errors import Problem

Tree: TypeAlias = dict[str, Any]
"""Groups by name; at the leaves, `Sourced` values."""

Named: TypeAlias = Callable[[Path], str]
"""What the operator calls the setting at a path within a group."""


MOST_CHARACTERS = 65_536
"""Of each text in a value: of a variable, of a tag, of an entry of the file and of each name in its tables. An ECS task
definition as a whole is no larger.
"""


def longest_text(value: object) -> int:
    """Characters of the longest text in the value, which may be a table or a list of them."""
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
    """A value as it was written, and where: a variable's name, or the file and the key.

    `stays`: it, or a part of it, is not written any more and was put back. `parted`: it is made of several statements
    of the file; `inline` are the items that are each written in one of them.
    """

    value: object
    origin: str
    stays: bool = False
    parted: bool = False
    inline: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Naming:
    """What the operator calls a service: its key, and how one of its settings is (or would be) written.

    `prefix` is what stands before the setting; `dotted`: as in the file, else as in a variable.
    """

    key: str
    prefix: str
    dotted: bool

    def of(self, path: Path) -> str:
        return self.prefix + (".".join(path) if self.dotted else JOINT.join(path).upper())


@dataclass(slots=True)
class Layer:
    """One layer while it is read. `services` has the names of each service, by its folded key. `content`: the file's
    text.
    """

    tree: Tree = field(default_factory=lambda: {part.value: {} for part in Part if part is not Part.FLAT})
    services: dict[str, Naming] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    content: bytes = b""

    def complain(self, where: str, what: str) -> None:
        self.problems.append(Problem(printable(where), printable(what)))

    def put(self, path: Path, value: Sourced) -> None:
        """The value stands at the path. One that is too long is a problem instead: no reader ever sees it."""
        if longest_text(value.value) > MOST_CHARACTERS:
            self.complain(
                value.origin,
                f"has a text of more than {MOST_CHARACTERS:,} characters, the limit of a value: shorten it",
            )
            return
        group = self.tree
        for name in path[:-1]:
            group = group.setdefault(name, {})
        group[path[-1]] = value

    def enter(self, naming: Naming, where: str) -> str | None:
        """The service is known by its folded key, which is returned (None: it has no valid or no unique key)."""
        if not valid_key(naming.key):
            self.complain(where, KEY_SHAPE)
            return None
        key = folded(naming.key)
        known = self.services.setdefault(key, naming).prefix
        if known != naming.prefix:
            self.complain(where, f"one service has one key: this differs only in capitals, or - and _, from {known}...")
            return None
        self.tree[Part.SERVICES].setdefault(key, {})
        return key

    def read_table(
        self, table: Mapping[str, object], group: type[Group], at: Path, named: Named, inside: Path = ()
    ) -> None:
        """The table's settings stand below `at`. `inside`: how deep within the outermost group the table is."""
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
                self.complain(named(path), f"is a group of settings: {', '.join(inner.model_fields)}")
