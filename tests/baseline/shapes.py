"""JSON taken apart: which keys it has, of which types, which numbers and names, and which prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

TEXT_KEYS = {"because", "reason", "sentence", "error", "text", "failure", "remedy", "meaning", "activate", "what"}
"""Keys whose values are prose in some commit or other: their wording is recorded apart."""

NAME = re.compile(r"[a-z][a-z0-9_]*")


def shape(node: Any, path: str = "") -> dict[str, set[str]]:
    """Every path of keys with the types found there, as `services[].tasks.desired`: {"int"}."""
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
    """Add what is found to what was found before."""
    for path, kinds in more.items():
        into.setdefault(path, set()).update(kinds)


def names(node: Any, key: str = "") -> dict[str, set[str]]:
    """The values that are names, as `scale_out`, by the key that they are given under; prose is left out."""
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
    """The same JSON without its prose: what must be alike however it is worded."""
    if isinstance(node, dict):
        kept = {key: without_prose(value) for key, value in node.items() if key not in TEXT_KEYS}
        # That there is an error is behaviour; what it says is wording.
        return {**kept, "failed": True} if isinstance(node.get("error"), str) else kept
    return [without_prose(value) for value in node] if isinstance(node, list) else node


def prose(node: Any) -> list[str]:
    """All prose of the JSON in its order of keys, which is the product's own."""
    if isinstance(node, dict):
        own = [value for key, value in node.items() if key in TEXT_KEYS and isinstance(value, str)]
        return own + [text for key, value in node.items() if key not in TEXT_KEYS for text in prose(value)]
    return [text for value in node for text in prose(value)] if isinstance(node, list) else []


def parsed(text: str) -> Any:
    """The JSON of an output, or None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def plain(text: str) -> str:
    """A text without what differs from run to run: numbers are #, so that only wording is left."""
    return re.sub(r"\d+(?:[.,]\d+)*", "#", text)


def sorted_sets(found: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """The same for a file: lists in a fixed order."""
    return {path: sorted(kinds) for path, kinds in sorted(found.items())}


def _type(node: Any) -> str:
    if node is None:
        return "null"
    if isinstance(node, bool):
        return "bool"
    if isinstance(node, int | float):
        return "number"
    return "text" if isinstance(node, str) else "list" if isinstance(node, list) else "object"
