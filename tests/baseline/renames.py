"""Intended renames, from old names to new ones by group, applied to older recordings and to inputs.

A file of renames is a JSON object of groups:

    {"settings": {"old_setting": "scale_in.new_setting"},   dotted, without the service; also renames variables
     "metrics":  {"autoscaler_old_total": "autoscaler_new_total"},
     "labels":   {"old": "new"},                             label names
     "rules":    {"old_rule": "new_rule"},
     "keys":     {"old_key": "new_key"},                     JSON keys of decide, the API, the log, --json
     "values":   {"key=old": "new", "old": "new"},           values of a JSON key or label; without key: of all
     "alerts":   {"OldAlert": "NewAlert"},                   alerts and recording rules
     "commands": {"old": "new"}, "options": {"--old": "--new"}, "tags": {"autoscaler:old": "autoscaler:new"},
     "events":   {"old": "new"}}                             the `event` of a log line
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

GROUPS = (
    "settings",
    "metrics",
    "labels",
    "rules",
    "keys",
    "values",
    "alerts",
    "commands",
    "options",
    "tags",
    "events",
)
RULE_KEYS = {"rule", "rules"}
MATCHER = re.compile(r'(?P<label>\w+)(?P<operator>=~|!~|!=|=)"(?P<value>[^"]*)"')


class Renames:
    """The intended renames. `used` has each (group, old name) that matched at least once."""

    def __init__(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        """Raises `ValueError` for an unknown group, and for a name that is not a string."""
        if unknown := sorted(set(groups) - set(GROUPS)):
            raise ValueError(f"renames: unknown group {', '.join(unknown)}. Groups: {', '.join(GROUPS)}")
        for group, names in groups.items():
            if not all(isinstance(new, str) for new in names.values()):
                raise ValueError(f"renames: {group}: every new name must be a string")
        self.groups = {group: dict(groups.get(group, {})) for group in GROUPS}
        self.used: set[tuple[str, str]] = set()
        self._patterns: dict[tuple[str, ...], tuple[re.Pattern[str], dict[str, tuple[str, str, str]]] | None] = {}

    @classmethod
    def read(cls, path: Path | None) -> Renames:
        """Return the renames of a file; None: no renames."""
        return cls({} if path is None else json.loads(path.read_text()))

    def unused(self) -> list[str]:
        """Return the names that did not occur in the older recording: probably mistyped."""
        listed = ((group, old) for group in GROUPS for old in self.groups[group])
        return [f"{group}: {old}" for group, old in listed if (group, old) not in self.used]

    def tokens(self, node: Any, *groups: str) -> Any:
        """Return the JSON with every whole name of these groups replaced, in keys and in strings."""
        found = self._pattern(groups)
        return node if found is None else self._replaced(node, *found)

    def structure(self, node: Any, key: str = "") -> Any:
        """Return the product's JSON with renamed keys, settings in `policy`, and values by their key."""
        if key == "policy" and isinstance(node, dict):
            return self._policy(node)
        if isinstance(node, dict):
            return {self._name("keys", name): self.structure(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [self.structure(value, key) for value in node]
        return self.value(key, node) if isinstance(node, str) else node

    def value(self, key: str, value: str) -> str:
        """Return the new name of a value of that JSON key or label."""
        if key in RULE_KEYS:
            return self._name("rules", value)
        if key == "event" and value in self.groups["events"]:
            return self._name("events", value)
        qualified = f"{key}={value}"
        return self._name("values", qualified) if qualified in self.groups["values"] else self._name("values", value)

    def paths(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """Return a mapping by paths of JSON keys, as in `services[].decision.rule`, with renamed keys."""
        pattern = re.compile(r"[^.\[\]]+")
        return {pattern.sub(lambda key: self._name("keys", key[0]), path): value for path, value in node.items()}

    def expression(self, expression: str) -> str:
        """Return a PromQL expression with renamed metrics, recording rules, labels, and label values in matchers."""

        def matcher(match: re.Match[str]) -> str:
            values = (self.value(match["label"], value) for value in match["value"].split("|"))
            return f'{match["label"]}{match["operator"]}"{"|".join(values)}"'

        return str(self.tokens(MATCHER.sub(matcher, expression), "metrics", "labels", "alerts"))

    def setting(self, name: str) -> str:
        """Return the new name of a dotted setting, or of a setting in a renamed table."""
        for old, new in self.groups["settings"].items():
            if name == old or name.startswith(f"{old}."):
                self.used.add(("settings", old))
                return new + name.removeprefix(old)
        return name

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return environment variables with the new names of their settings. Service keys must have no underscore."""
        renamed = {}
        for variable, value in variables.items():
            parts = re.fullmatch(r"(AUTOSCALER_(?:SERVICES__[A-Z]+__|DEFAULTS__)?)(\w+)", variable)
            if parts is None:
                renamed[variable] = value
                continue
            setting = parts[2].lower().replace("__", ".")
            valued = self._setting_value(setting, value)
            renamed[parts[1] + _upper(self.setting(setting))] = valued
        return renamed

    def _policy(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        renamed = {key: self._setting_value(key, value) for key, value in policy.items()}
        for old, new in self.groups["settings"].items():
            holder, last = _holder(renamed, old, create=False)
            if last in holder:
                self.used.add(("settings", old))
                value = holder.pop(last)
                target, name = _holder(renamed, new, create=True)
                target[name] = value
        return renamed

    def _setting_value(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._setting_value(f"{key}.{name}", inner) for name, inner in value.items()}
        named = isinstance(value, str) and f"{key}={value}" in self.groups["values"]
        return self._name("values", f"{key}={value}") if named else value

    def _spellings(self) -> Iterator[tuple[str, str, str]]:
        """Yield each setting's variables, old and new: for a single service, one of several, and the defaults."""
        for old, new in self.groups["settings"].items():
            for prefix in ("AUTOSCALER_", "AUTOSCALER_SERVICES__<KEY>__", "AUTOSCALER_DEFAULTS__"):
                yield prefix + _upper(old), prefix + _upper(new), old

    def _name(self, group: str, name: str) -> str:
        new = self.groups[group].get(name)
        if new is None:
            return name
        self.used.add((group, name))
        return new

    def _pattern(self, groups: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, tuple[str, str, str]]] | None:
        if groups not in self._patterns:
            names = {old: (group, old, new) for group in groups for old, new in self.groups[group].items()}
            if "metrics" in groups:
                for old, new in self.groups["metrics"].items():
                    for suffix in ("_bucket", "_count", "_sum"):
                        names[old + suffix] = ("metrics", old, new + suffix)
            if "settings" in groups:
                names |= {old: ("settings", setting, new) for old, new, setting in self._spellings()}
            longest_first = sorted(map(re.escape, names), key=len, reverse=True)
            text = rf"(?<![A-Za-z0-9_-])({'|'.join(longest_first)})(?![A-Za-z0-9_-])"
            self._patterns[groups] = (re.compile(text), names) if names else None
        return self._patterns[groups]

    def _replaced(self, node: Any, pattern: re.Pattern[str], names: dict[str, tuple[str, str, str]]) -> Any:
        def new_name(match: re.Match[str]) -> str:
            group, old, new = names[match[1]]
            self.used.add((group, old))
            return new

        if isinstance(node, dict):
            return {pattern.sub(new_name, key): self._replaced(value, pattern, names) for key, value in node.items()}
        if isinstance(node, list):
            return [self._replaced(value, pattern, names) for value in node]
        return pattern.sub(new_name, node) if isinstance(node, str) else node


def _upper(setting: str) -> str:
    return setting.replace(".", "__").upper()


def _holder(policy: dict[str, Any], setting: str, *, create: bool) -> tuple[dict[str, Any], str]:
    """Return the table that contains a dotted setting, and the setting's last name; an empty table if it is missing."""
    *tables, last = setting.split(".")
    for table in tables:
        inner = policy.setdefault(table, {}) if create else policy.get(table)
        policy = inner if isinstance(inner, dict) else {}
    return policy, last
