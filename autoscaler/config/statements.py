"""Which settings of a TOML file are each written in one statement, and which in several that may not all be there.

A file that is cut inside a statement is no TOML. Cut between the statements of `[services.x.schedules.night]` or of a
second `[[services.x.scale_in.limits]]` it is, and what it says is not all of what was meant.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from autoscaler.config.group import Path
from autoscaler.config.layer import Sourced, Tree
from autoscaler.config.merging import sources
from autoscaler.config.names import Part, folded

LONGEST_KEY = 1_000
"""No path of ours is longer; what is longer is no key."""

_BARE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


def mark_parts(tree: Tree, content: bytes) -> None:
    """Marks each setting that holds tables and is not written in one statement, in the tree that was read from
    `content`.
    """
    tabular = {path: each for path, each in sources(tree).items() if _has_tables(each.value)}
    written = frozenset(_assigned(content.decode("utf-8-sig"))) if tabular else frozenset()
    for path, sourced in tabular.items():
        spoken = path[1:] if path[0] == Part.GLOBALS else path
        if not any(spoken[:length] in written for length in range(1, len(spoken) + 1)):
            items = sourced.value if isinstance(sourced.value, Mapping) else ()
            inline = frozenset(str(name) for name in items if (*spoken, name) in written)
            _replace(tree, path, replace(sourced, parted=True, inline=inline))


def _has_tables(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(item, Mapping) for item in value))


def _assigned(text: str) -> Iterator[Path]:
    """The path of every `key = value`. A line of a longer text that looks like one is taken for one as well."""
    header: Path = ()
    for line in text.splitlines():
        text = line.strip(" \t")
        if text.startswith("["):
            header = _header(text) or header  # a list may go on with a line like that
        elif path := _key(text):
            yield _folded((*header, *path))


def _header(line: str) -> Path:
    """The path of `[table]` or `[[table]]`, with a comment behind it or none; none where it is no header."""
    name, _, rest = line.partition("]")
    behind = rest.lstrip("]").strip(" \t")
    return _path(name.lstrip("[").strip(" \t")) if not behind or behind.startswith("#") else ()


def _key(line: str) -> Path:
    """The path of what stands before `=`; none where that is no key."""
    key, equals, _ = line.partition("=")
    return _path(key.strip(" \t")) if equals and len(key) <= LONGEST_KEY and not set(key) & set("#[{") else ()


def _path(dotted: str) -> Path:
    """The parts of a dotted key; none where it is not a key."""
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
    """With a service's key as the tree has it."""
    return (path[0], folded(path[1]), *path[2:]) if path[:1] == (Part.SERVICES,) and path[1:] else path


def _replace(tree: Tree, path: Path, sourced: Sourced) -> None:
    for name in path[:-1]:
        tree = tree[name]
    tree[path[-1]] = sourced
