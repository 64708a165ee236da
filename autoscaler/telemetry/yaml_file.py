"""Read a YAML file as sections of options. Problems are collected, each with its line.

The file is read as nodes, not as Python values: a scalar stays as it is written (a user `007`), and has a line. No
message contains the value of an option. This module imports PyYAML: import it only if a file is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import yaml
from yaml.composer import ComposerError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from autoscaler.errors import ConfigError, Problem

LARGEST_BYTES = 65_536
MOST_DEPTH = 16
"""Maximum levels of nesting."""

NULL, MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"
TEXTS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "timestamp"))
FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

NOT_SHOWN = "(name not shown)"
_NAME = re.compile(r"'[^'<]{3,}'")

Value = TypeVar("Value")


class YamlFile:
    """One file, named by the setting `where`. Raises ConfigError if it cannot be read or is not YAML."""

    def __init__(self, where: str, path: str) -> None:
        self._where, self._path = where, path
        self._problems: list[tuple[int, str]] = []
        self.root = YamlSection(self, "", self._composed(self._text()), 1)

    def add(self, line: int, what: str) -> None:
        """Add a problem."""
        self._problems.append((line, what))

    def check(self) -> None:
        """Raise ConfigError with all problems, by line, if there are any."""
        if self._problems:
            raise ConfigError([self._problem(f":{line}: {what}") for line, what in sorted(self._problems)])

    def _problem(self, what: str) -> Problem:
        return Problem(self._where, f"{self._path}{what}")

    def _text(self) -> str:
        try:
            with Path(self._path).open("rb") as file:
                content = file.read(LARGEST_BYTES + 1)
            if len(content) > LARGEST_BYTES:
                raise ConfigError([self._problem(f" is larger than {LARGEST_BYTES:,} bytes: is it the right file?")])
            return content.decode()
        except OSError as error:
            raise ConfigError([self._problem(f" cannot be read: {error.strerror}")]) from error
        except UnicodeDecodeError as error:
            raise ConfigError([self._problem(" is not UTF-8")]) from error

    def _composed(self, text: str) -> Node | None:
        """Return the root node of the only document. None: the file has no content."""
        try:
            return yaml.compose(text, _NodeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = ", ".join(filter(None, (error.context, error.problem)))
            raise self._invalid(mark.line + 1 if mark else 1, _without_names(what)) from None
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise self._invalid(line, "a control character is not permitted") from None
        except (ValueError, OverflowError):  # of an escape such as "\UFFFFFFFF", or of the directive %YAML
            raise self._invalid(1, "a number is too large") from None

    def _invalid(self, line: int, what: str) -> ConfigError:
        return ConfigError([self._problem(f":{line}: not valid YAML: {what}")])


class _NodeLoader(yaml.SafeLoader):
    """Composes nodes. The depth is limited, because PyYAML's composer is recursive. An anchor may be defined again."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if self.depth == MOST_DEPTH:
            raise ComposerError(None, None, f"more than {MOST_DEPTH} levels of nesting", event.start_mark)
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(event.anchor, None)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _without_names(what: str) -> str:
    """Return PyYAML's text without names from the file. A token such as `<scalar>` is not a name."""
    return _NAME.sub(NOT_SHOWN, what)


class YamlEntry(NamedTuple):
    """The value of an option, with the line of its name."""

    line: int
    value: Node


class YamlSection:
    """A mapping of the file, with the entries that it merges (`<<`). A section that is not set has no entries."""

    def __init__(self, file: YamlFile, name: str, node: Node | None, line: int) -> None:
        self._file, self.name, self._line = file, name, line
        self.entries: dict[str, YamlEntry] = {} if node is None or node.tag == NULL else self._read(node)

    def _read(self, node: Node) -> dict[str, YamlEntry]:
        """Return the own entries and the merged ones. Each mapping is read once, however many aliases refer to it."""
        entries: dict[str, YamlEntry] = {}
        pending, seen = [node], set[int]()
        while pending:
            mapping = pending.pop()
            if id(mapping) not in seen:
                seen.add(id(mapping))
                own, merged = self._own(mapping)
                entries = own | entries
                pending += reversed(merged)
        return entries

    def _own(self, mapping: Node) -> tuple[dict[str, YamlEntry], list[Node]]:
        """Return the own entries, and the mappings to merge, the most important one first."""
        own: dict[str, YamlEntry] = {}
        merged: list[Node] = []
        if not isinstance(mapping, MappingNode):
            self._file.add(line_of(mapping), f"{self.name or 'the file'} must be a mapping, as in `name: value`")
            return own, merged
        for key, value in mapping.value:
            name = _scalar(key)
            if key.tag == MERGE:
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif name is None:
                self._file.add(line_of(key), f"a name in {self.name or 'the file'} must be a text")
            elif name in own:
                self._file.add(line_of(key), f"{self._full(name)} is already set in line {own[name].line}")
            else:
                own[name] = YamlEntry(line_of(key), value)
        return own, merged

    def add(self, key: str, what: str) -> None:
        """Add a problem of the option, at the line of the section if the option is not set."""
        self._file.add(self.entries[key].line if key in self.entries else self._line, f"{self._full(key)} {what}")

    def _full(self, key: str) -> str:
        return ".".join(filter(None, (self.name, shown(key))))

    def check_names(self, known: Iterable[str], unsupported: Mapping[str, str] = MappingProxyType({})) -> None:
        """Report every other name. `unsupported`: the remedy for each option that is known, but not supported."""
        options = tuple(known)
        for key in self.entries:
            if key in unsupported:
                self.add(key, f"is not supported: {unsupported[key]}")
            elif key not in options:
                self.add(key, f"is not supported: use {', '.join(options)}")

    def section(self, key: str) -> YamlSection:
        """Return the section. It has no entries if it is not set."""
        entry = self.entries.get(key)
        name = ".".join(filter(None, (self.name, key)))
        return YamlSection(self._file, name, entry and entry.value, entry.line if entry else self._line)

    def text(self, key: str) -> str:
        """Return the text as it is written. Empty: it is not set, or is not a text, which is reported."""
        node = self._node(key)
        text = "" if node is None else _scalar(node)
        if text is None:
            self.add(key, "must be a text")
        return text or ""

    def texts(self, key: str) -> list[str]:
        """Return the texts of the list. Empty: it is not set, or is not such a list, which is reported."""
        node = self._node(key)
        items = [_scalar(item) for item in node.value] if isinstance(node, SequenceNode) else [None]
        if node is not None and None in items:
            self.add(key, "must be a list of texts")
        return [item for item in items if item is not None]

    def flag(self, key: str, default: bool) -> bool:
        """Return the boolean. The default: it is not set, or is not a boolean, which is reported."""
        text = self.text(key).lower()
        if text and text not in FLAGS:
            self.add(key, "must be true or false")
        return FLAGS.get(text, default)

    def choice(self, key: str, choices: Mapping[str, Value], default: str) -> Value:
        """Return the selected value. The default: it is not set, or is unknown, which is reported."""
        text = self.text(key)
        if text and text not in choices:
            self.add(key, f"must be one of {', '.join(choices)}")
        return choices.get(text, choices[default])

    def _node(self, key: str) -> Node | None:
        """Return the value. None: the option is not set, or null."""
        entry = self.entries.get(key)
        return None if entry is None or entry.value.tag == NULL else entry.value


def line_of(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar(node: Node) -> str | None:
    """Return the scalar as it is written. None: it is a list, a mapping or null, or has a tag of another type."""
    return str(node.value) if isinstance(node, ScalarNode) and node.tag in TEXTS else None


def shown(text: str) -> str:
    """Return the name or path for a message. One that may be a hash, or a key in PEM, is not shown."""
    return text if is_shown(text) else NOT_SHOWN


def is_shown(text: str) -> bool:
    return len(text) <= 255 and text.isprintable() and "$" not in text
