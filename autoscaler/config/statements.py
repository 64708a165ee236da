"""Find the settings of a TOML file that are written in several statements. Some statements may be missing.

A file that is truncated inside a statement is not valid TOML. A file that is truncated between statements, such as
before `[services.x.schedules.night]` or a second `[[services.x.scale_in.limits]]`, is valid but incomplete.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from autoscaler.config.group import Path
from autoscaler.config.layer import Sourced, Tree
from autoscaler.config.merging import sources
from autoscaler.config.names import SettingsPart, folded

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
