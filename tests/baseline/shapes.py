"""Parts of JSON output: its keys with their types, its names and numbers, and its prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

TEXT_KEYS = {"because", "reason", "sentence", "error", "text", "failure", "remedy", "meaning", "activate", "what"}
"""Keys whose values are prose in at least one commit: their wording is recorded separately."""

NAME = re.compile(r"[a-z][a-z0-9_]*")


def shape(node: Any, path: str = "") -> dict[str, set[str]]:
    """Return every path of keys with its types, as in `services[].tasks.desired`: {"number"}."""
    found = {path: {_type(node)}} if path else {}
    inner: Iterable[tuple[str, Any]] = ()
    if isinstance(node, dict):
        inner = ((f"{path}.{key}" if path else key, value) for key, value in node.items())
    elif isinstance(node, list):
        inner = ((f"{path}[]", value) for value in node)
    for where, value in inner:
        merge(found, shape(value, where))
    return found


def merge(into: dict[str, set[str]], more: Mapping[str, set[str]]) -> None:
    """Add the sets of `more` to those of `into`."""
    for path, kinds in more.items():
        into.setdefault(path, set()).update(kinds)


def names(node: Any, key: str = "") -> dict[str, set[str]]:
    """Return the values that are names, as in `scale_out`, by their key; without prose."""
    found: dict[str, set[str]] = {}
    if isinstance(node, dict):
        for name, value in node.items():
            merge(found, names(value, name))
    elif isinstance(node, list):
        for value in node:
            merge(found, names(value, key))
    elif isinstance(node, str) and key not in TEXT_KEYS and NAME.fullmatch(node):
        found[key] = {node}
    return found


def without_prose(node: Any) -> Any:
    """Return the JSON without its prose: the part that must not depend on wording."""
    if isinstance(node, dict):
        rest = {key: without_prose(value) for key, value in node.items() if key not in TEXT_KEYS}
        # The existence of an error is behaviour; its text is wording.
        return {**rest, "failed": True} if isinstance(node.get("error"), str) else rest
    return [without_prose(value) for value in node] if isinstance(node, list) else node


def prose(node: Any) -> list[str]:
    """Return all prose of the JSON, in the product's order of keys."""
    if isinstance(node, dict):
        own = [value for key, value in node.items() if key in TEXT_KEYS and isinstance(value, str)]
        return own + [text for key, value in node.items() if key not in TEXT_KEYS for text in prose(value)]
    return [text for value in node for text in prose(value)] if isinstance(node, list) else []


def parsed(text: str) -> Any:
    """Return the parsed JSON; None if the text is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def plain(text: str) -> str:
    """Return the text with each number replaced by #, because numbers differ between runs."""
    return re.sub(r"\d+(?:[.,]\d+)*", "#", text)


def sorted_sets(found: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Return the sets as sorted lists, for a file."""
    return {path: sorted(kinds) for path, kinds in sorted(found.items())}


def _type(node: Any) -> str:
    if node is None:
        return "null"
    if isinstance(node, bool):
        return "bool"
    if isinstance(node, int | float):
        return "number"
    return "text" if isinstance(node, str) else "list" if isinstance(node, list) else "object"
