"""Settings as trees: one layer per source (environment, file, tags), and their merge.

pydantic-settings reads the environment and the file (`config/file.py`), and merges the two. It stops at the first
error, ignores unknown names, and does not record origins. So the layers report all problems, and keep the origins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Group, Path, within
from autoscaler.config.names import (
    JOINT,
    KEY_SHAPE,
    PREFIX,
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

    def fits(self, value: Sourced) -> bool:
        """Whether the value is short enough. A value that is too long becomes a problem."""
        fits = longest_text(value.value) <= MOST_CHARACTERS
        if not fits:
            self.complain(
                value.origin,
                f"a text in the value is longer than {MOST_CHARACTERS:,} characters, which is the limit. Shorten it",
            )
        return fits

    def put(self, path: Path, value: Sourced) -> None:
        """Store the value at the path, unless it is too long."""
        if not self.fits(value):
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
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources that were passed to `merged`, instead of those that the library creates."""
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        sources: tuple[PydanticBaseSettingsSource, ...] = given["sources"]
        return sources


def merged(*sources: PydanticBaseSettingsSource) -> Merged:
    """Return the merged trees of the sources; the first has priority, leaf by leaf."""
    given: dict[str, Any] = {"sources": sources}  # not a field: settings_customise_sources removes it
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

TWO_STYLES = (
    "this variable configures a single service, but other services are configured as well. "
    "Give every service a key (AUTOSCALER_SERVICES__<KEY>__...), or configure all services in the file"
)


class VariableNames(GlobalFields, ServiceFields, BaseSettings):
    """The names that a variable may have after the prefix. Values are not validated here."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=JOINT)

    defaults: ServiceFields
    services: dict[str, Any]


class VariablesSource(EnvSettingsSource):
    """The variables: pydantic-settings splits their names into groups. The result is `layer.tree`.

    The library ignores unknown names, and accepts any case. So it gets only the variables of settings, by folded name;
    each other variable with the prefix, or with a similar prefix, becomes a problem. The values are `Sourced`, which
    the library passes on. `empty`: the variables of settings without a value, which count as not set.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(VariableNames)
        self.layer = Layer()
        self.empty = list[str]()
        self.env_vars = dict[str, Any](self._known(environ))
        found = super().__call__()
        ours = {part.value: found.pop(part, {}) for part in (SettingsPart.DEFAULTS, SettingsPart.SERVICES)}
        ours[SettingsPart.GLOBALS] = {name: found.pop(name) for name in GlobalFields.model_fields if name in found}
        if found:
            ours[SettingsPart.FLAT] = found
        self.layer.tree = overlaid(ours, self.layer.tree)

    def __call__(self) -> Tree:
        return self.layer.tree

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002
        """Return the value: a list may also be comma-separated, so the kinds of the settings parse JSON."""
        return value

    def _known(self, environ: Mapping[str, str]) -> Iterator[tuple[str, Sourced]]:
        """Yield the variables of settings by folded name. Each other one, and each invalid one, becomes a problem."""
        for name, value in sorted(environ.items()):
            found = place(name) if name.startswith(PREFIX) else None
            if found and not value.strip():
                self.empty.append(printable(name))  # as in the shell and in most templates, it counts as not set
            elif found:
                sourced = Sourced(value.strip(), name)
                if self._is_valid(found.key, sourced):
                    yield folded(name), sourced
            elif name.startswith(PREFIX):
                self.layer.complain(name, unknown_variable(name))
            elif meant := misspelt_prefix(name):
                self.layer.complain(name, f"unknown setting; did you mean {meant}?")

    def _is_valid(self, key: str | None, sourced: Sourced) -> bool:
        """Whether the service's key and the length of the value are valid; otherwise, there is a problem."""
        entered = key is None or self.layer.enter(Naming(key, many(key), dotted=False), sourced.origin) is not None
        return entered and self.layer.fits(sourced)


def many(key: str) -> str:
    """Return the prefix of the variables of a service with this key."""
    return f"{PREFIX}SERVICES{JOINT}{key}{JOINT}"
