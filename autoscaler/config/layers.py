"""Settings as trees: one layer per source (environment, file, tags), and their merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from autoscaler.config.groups import Group, Path, within
from autoscaler.config.names import (
    JOINT,
    KEY_SHAPE,
    PREFIX,
    SettingPlace,
    SettingsPart,
    folded,
    misspelt_prefix,
    place,
    unknown_key,
    unknown_variable,
    valid_key,
)
from autoscaler.config.quoting import printable
from autoscaler.errors import Problem

# A layer of settings: the environment, the file or tags, read into a tree of one common shape.
#
# Each value carries its origin: the name that the operator wrote. An input that does not fit into the tree is a
# problem of the layer and is left out.

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


# Merge the layers: the environment overrides the file, and each service overrides the defaults.


class _LayerSource(PydanticBaseSettingsSource):
    """A layer's tree as a source of pydantic-settings, which merges the sources."""

    def __init__(self, settings_cls: type[BaseSettings], tree: Tree) -> None:
        super().__init__(settings_cls)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self._tree


class Merged(BaseSettings):
    """The merged layers; the first has priority, group by group. Values are not validated here."""

    model_config = SettingsConfigDict(extra="forbid")

    globals: dict[str, Any]
    defaults: dict[str, Any]
    profiles: dict[str, Any]
    services: dict[str, Any]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return only the layers of this package: the library's sources ignore unknown names."""
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        return tuple(_LayerSource(settings_cls, tree) for tree in given["layers"])


def merged(*trees: Tree) -> Merged:
    """Return the merged trees; the first has priority, leaf by leaf."""
    given: dict[str, Any] = {"layers": trees}  # not a field: settings_customise_sources removes it
    return Merged(**given)


def overlaid(over: Tree, under: Tree) -> Tree:
    """Return `under` overridden by `over`, leaf by leaf."""
    both = {
        name: overlaid(over[name], under[name])
        for name in over.keys() & under.keys()
        if _are_groups(over[name], under[name])
    }
    return {**under, **over, **both}


def _are_groups(*values: object) -> bool:
    return all(isinstance(value, dict) for value in values)


def sources(tree: Tree, at: Path = ()) -> dict[Path, Sourced]:
    """Return the tree's leaves by path."""
    found: dict[Path, Sourced] = {}
    for name, value in tree.items():
        path = (*at, name)
        found |= {path: value} if isinstance(value, Sourced) else sources(value, path)
    return found


# The layer of the environment variables. A variable with the prefix `AUTOSCALER_`, or a similar prefix, is used or
# reported.

EMPTY = "the variable is empty. Unset it, or set a value"
TWO_STYLES = (
    "this variable configures a single service, but other services are configured as well. "
    "Give every service a key (AUTOSCALER_SERVICES__<KEY>__...), or configure all services in the file"
)


def environment(environ: Mapping[str, str]) -> Layer:
    """Return the settings in the variables. Variables with another prefix that is not similar to `AUTOSCALER_` are
    ignored.
    """
    layer = Layer()
    for name, value in sorted(environ.items()):
        found = place(name) if name.startswith(PREFIX) else None
        if found:
            _put(layer, found, Sourced(value.strip(), name))
        elif name.startswith(PREFIX):
            layer.complain(name, unknown_variable(name))
        elif meant := misspelt_prefix(name):
            layer.complain(name, f"unknown setting; did you mean {meant}?")
    return layer


def _put(layer: Layer, found: SettingPlace, sourced: Sourced) -> None:
    at = _base(layer, found, sourced.origin)
    if not sourced.value:
        layer.complain(sourced.origin, EMPTY)
    elif at is not None:
        layer.put((*at, *found.path), sourced)


def _base(layer: Layer, found: SettingPlace, name: str) -> tuple[str, ...] | None:
    """Return the path of the variable's part in the tree, and add its service (None: the service's key is invalid)."""
    if found.key is None:
        return (found.part.value,)
    key = layer.enter(Naming(found.key, many(found.key), dotted=False), name)
    return None if key is None else (SettingsPart.SERVICES.value, key)


def many(key: str) -> str:
    """Return the prefix of the variables of a service with this key."""
    return f"{PREFIX}SERVICES{JOINT}{key}{JOINT}"
