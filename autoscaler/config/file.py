"""The layer of the TOML file: settings of the daemon, `[defaults]`, a `[services.<key>]` for each service, and a
`[profiles.<name>]` for each profile that tags may name.
"""

from __future__ import annotations

import re
import tomllib
from codecs import BOM_UTF8
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from errno import EISDIR
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path as FilePath
from stat import S_ISREG
from typing import Any, cast

from pydantic_settings import TomlConfigSettingsSource

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Path
from autoscaler.config.layers import Layer, Merged, Named, Naming, Sourced, Tree, sources
from autoscaler.config.names import FIELDS, PLACE, SettingsPart, folded, variable
from autoscaler.config.quoting import quote

# Find the settings of a TOML file that are written in several statements. Some statements may be missing.
#
# A file that is truncated inside a statement is not valid TOML. A file that is truncated between statements, such as
# before `[services.x.schedules.night]` or a second `[[services.x.scale_in.limits]]`, is valid but incomplete.

LONGEST_KEY = 1_000
"""Maximum characters of a key. No path of a setting is longer."""

_BARE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


def mark_parts(tree: Tree, content: bytes) -> None:
    """Mark each setting that holds tables and is written in several statements. `tree` was read from `content`."""
    tabular = {path: each for path, each in sources(tree).items() if _has_tables(each.value)}
    written = frozenset(_assigned(content.decode("utf-8-sig"))) if tabular else frozenset()
    for path, sourced in tabular.items():
        key = path[1:] if path[0] == SettingsPart.GLOBALS else path
        if not any(key[:length] in written for length in range(1, len(key) + 1)):
            items = sourced.value if isinstance(sourced.value, Mapping) else ()
            inline = frozenset(str(name) for name in items if (*key, name) in written)
            _replace(tree, path, replace(sourced, parted=True, inline=inline))


def _has_tables(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(item, Mapping) for item in value))


def _assigned(text: str) -> Iterator[Path]:
    """Yield the path of every `key = value`. A line of this form inside a multi-line string is also yielded."""
    header: Path = ()
    for line in text.splitlines():
        text = line.strip(" \t")
        if text.startswith("["):
            header = _header(text) or header  # a line of a multi-line list may also begin with [
        elif path := _key(text):
            yield _folded((*header, *path))


def _header(line: str) -> Path:
    """Return the path of `[table]` or `[[table]]`, which a comment may follow; an empty path if it is not a header."""
    name, _, rest = line.partition("]")
    behind = rest.lstrip("]").strip(" \t")
    return _path(name.lstrip("[").strip(" \t")) if not behind or behind.startswith("#") else ()


def _key(line: str) -> Path:
    """Return the path of the key before `=`; an empty path if it is not a key."""
    key, equals, _ = line.partition("=")
    return _path(key.strip(" \t")) if equals and len(key) <= LONGEST_KEY and not set(key) & set("#[{") else ()


def _path(dotted: str) -> Path:
    """Return the parts of a dotted key; an empty path if it is not a key."""
    if _BARE.fullmatch(dotted):
        return tuple(dotted.split("."))
    try:
        inner: object = tomllib.loads(f"{dotted} = 0")
    except ValueError:
        return ()
    path: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        [(name, inner)] = inner.items()
        path.append(name)
    return tuple(path)


def _folded(path: Path) -> Path:
    """Return the path with the service's key in its normalized form (lower case, `_` for `-`), as in the tree."""
    return (path[0], folded(path[1]), *path[2:]) if path[:1] == (SettingsPart.SERVICES,) and path[1:] else path


def _replace(tree: Tree, path: Path, sourced: Sourced) -> None:
    for name in path[:-1]:
        tree = tree[name]
    tree[path[-1]] = sourced


LARGEST = 10_000_000
"""Maximum size of a settings file in bytes: enough for about ten thousand services."""

MOST_DOTS = 20
"""Dots in one key. The parser's time is quadratic in the parts of a dotted key; the keys of the settings have at most
five parts.
"""

CONFIG_FILE = variable(("config_file",))
_SERVICE_SETTING = "this is a setting of a service. Move it to [defaults] or [services.<key>]"


class FileContent:
    """The content of the file, as a file for pydantic-settings."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def is_file(self) -> bool:
        return True

    def open(self, mode: str) -> BytesIO:  # noqa: ARG002
        return BytesIO(self._content)


class FileSource(TomlConfigSettingsSource):
    """The file (None: there is no file): pydantic-settings parses it. The result is `layer.tree`.

    The library ignores a file that does not exist, and reads a file of any size. So the file is read before, and the
    library gets its content. If the file cannot be read, the layer has that one problem.
    """

    def __init__(self, name: str | None) -> None:
        self.layer = Layer()
        self._name = FilePath(name or "").name
        self.layer.content = b"" if name is None else _content(name, self.layer)
        if number := _long_key(self.layer.content):
            self.layer.complain(self._name, f"line {number}: a key may have at most {MOST_DOTS} dots")
        # some editors begin a file with a byte order mark
        content = b"" if number else self.layer.content.removeprefix(BOM_UTF8)
        super().__init__(Merged, cast("Traversable", FileContent(content)))
        _read(self.layer, self.toml_data, _named(f"{self._name}: "))

    def __call__(self) -> Tree:
        return self.layer.tree

    def _read_file(self, file_path: FilePath | Traversable) -> dict[str, Any]:
        try:
            return super()._read_file(file_path)
        except (ValueError, RecursionError) as error:
            self.layer.complain(self._name, f"invalid TOML: {_reason(error)}")
            return {}


def mark_of(name: str) -> Hashable:
    """Return a value that differs after every change of the file (None: there is no such file)."""
    try:
        found = FilePath(name).stat() if name else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)


def is_empty(name: str) -> bool:
    """Whether the file exists and is empty."""
    try:
        found = FilePath(name).stat()
    except OSError:
        return False
    return S_ISREG(found.st_mode) and found.st_size == 0


def _content(name: str, layer: Layer) -> bytes:
    try:
        if not S_ISREG(FilePath(name).stat().st_mode):
            raise IsADirectoryError(EISDIR, "it is not a regular file")
        with FilePath(name).open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        layer.complain(CONFIG_FILE, f"{quote(name)} cannot be read: {error.strerror}")
        return b""
    if len(content) > LARGEST:
        layer.complain(CONFIG_FILE, f"the file is larger than {LARGEST:,} bytes")
        return b""
    return content


def _long_key(content: bytes) -> int | None:
    """Return the number of the first line whose key or table name has more than `MOST_DOTS` dots (None: no line)."""
    for number, line in enumerate(content.split(b"\n"), 1):
        key, ends, _ = line.partition(b"]" if line.lstrip().startswith(b"[") else b"=")
        if ends and key.count(b".") > MOST_DOTS and not key.lstrip().startswith((b"#", b'"', b"'")):
            return number
    return None


def _reason(error: Exception) -> str:
    """Return the parser's reason. The message does not repeat the text, which may hold secrets."""
    match error:
        case UnicodeDecodeError(start=start):
            return f"byte {start} is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return str(error)


def _named(prefix: str) -> Named:
    return lambda path: prefix + ".".join(path)


def _read(layer: Layer, table: Mapping[str, object], named: Named) -> None:
    _read_globals(layer, table, named)
    _read_defaults(layer, table.get(SettingsPart.DEFAULTS, {}), named)
    _read_services(layer, table.get(SettingsPart.SERVICES, {}), named)
    _read_profiles(layer, table.get(SettingsPart.PROFILES, {}), named)
    mark_parts(layer.tree, layer.content)


def _read_globals(layer: Layer, table: Mapping[str, object], named: Named) -> None:
    ours = {
        name: value
        for name, value in table.items()
        if name not in {SettingsPart.DEFAULTS, SettingsPart.PROFILES, SettingsPart.SERVICES}
    }
    for name in ours.keys() & {path[0] for path in FIELDS.values()}:
        layer.complain(named((name,)), _SERVICE_SETTING)
        del ours[name]
    if ours.pop("config_file", None) is not None:
        layer.complain(named(("config_file",)), f"only the variable {CONFIG_FILE} can set this")
    layer.read_table(ours, GlobalFields, (SettingsPart.GLOBALS.value,), named)


def _read_defaults(layer: Layer, table: object, named: Named) -> None:
    if isinstance(table, Mapping):
        layer.read_table(
            table, ServiceFields, (SettingsPart.DEFAULTS.value,), _under(named, (SettingsPart.DEFAULTS.value,))
        )
    else:
        layer.complain(named((SettingsPart.DEFAULTS.value,)), "this must be a table: [defaults]")


def _read_services(layer: Layer, tables: object, named: Named) -> None:
    if not isinstance(tables, Mapping):
        layer.complain(named((SettingsPart.SERVICES.value,)), "this must be a table of tables: [services.<key>]")
        return
    for key, table in tables.items():
        _read_service(layer, str(key), table, _under(named, (SettingsPart.SERVICES.value, str(key))))


def _read_service(layer: Layer, key: str, table: object, named: Named) -> None:
    where = named(())
    entered = layer.enter(Naming(key, f"{where}.", dotted=True), where)
    if not isinstance(table, Mapping):
        layer.complain(where, f"this must be a table: [services.{key}]")
    elif entered:
        layer.read_table(table, ServiceFields, (SettingsPart.SERVICES.value, entered), named)


def _read_profiles(layer: Layer, tables: object, named: Named) -> None:
    if not isinstance(tables, Mapping):
        layer.complain(named((SettingsPart.PROFILES.value,)), "this must be a table of tables: [profiles.<name>]")
        return
    for name, table in tables.items():
        _read_profile(layer, (SettingsPart.PROFILES.value, str(name)), table, named)


def _read_profile(layer: Layer, at: Path, table: object, named: Named) -> None:
    if not isinstance(table, Mapping):
        layer.complain(named(at), f"this must be a table: [{'.'.join(at)}]")
        return
    layer.tree[SettingsPart.PROFILES].setdefault(at[-1], {})
    for name in PLACE & table.keys():
        layer.complain(
            named((*at, name)), "a profile cannot set this: a discovered service keeps the place where it was found"
        )
    own = {name: value for name, value in table.items() if name not in PLACE}
    layer.read_table(own, ServiceFields, at, _under(named, at))


def _under(named: Named, at: Path) -> Named:
    return lambda path: named((*at, *path))
