"""Names of the settings in variables and in the file.

A variable is `AUTOSCALER_` and the path in capitals, with groups joined by two underscores. The variables of a single
service have no further prefix; those of one of many services begin with `AUTOSCALER_SERVICES__<KEY>__`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.group import Path, leaves

PREFIX = "AUTOSCALER_"
JOINT = "__"
GLOBALS: dict[str, Path] = {leaf.path[0].upper(): leaf.path for leaf in leaves(GlobalFields)}
FIELDS: dict[str, Path] = {JOINT.join(leaf.path).upper(): leaf.path for leaf in leaves(ServiceFields)}
GROUPS: frozenset[str] = frozenset(path[0].upper() for path in FIELDS.values() if len(path) > 1)
TABLES: frozenset[str] = frozenset(
    leaf.path[0].upper()
    for leaf in (*leaves(GlobalFields), *leaves(ServiceFields))
    if leaf.kind.schema.get("type") == "object"
)
"""The settings that are tables with keys that the operator chooses."""

_LATER_GLOBALS = {"rate_share", "lease_table"}
_LATER_FIELDS = {"queue_share"}
PLACE = frozenset({"cluster", "service", "region", "role_arn", "external_id"})
"""The place of a service. A discovered service keeps the place where it was found; tags and profiles cannot set it."""

NOT_YET = "this version does not support this setting yet"

_NOT_OF_A_KEY = re.compile(r"[^a-z0-9-]+")
_LONGEST_SERVICE = 512
"""Characters. The names of an ECS cluster and of a service have at most 255 each."""

_KEY = re.compile(r"[A-Za-z0-9](?:_?[A-Za-z0-9-])*", re.ASCII)
KEY_SHAPE = "the key of a service has at most 64 letters, digits, - and single _, and begins with a letter or digit"


class SettingsPart(StrEnum):
    """The parts of the settings and the names of their trees."""

    GLOBALS = "globals"
    DEFAULTS = "defaults"
    PROFILES = "profiles"
    SERVICES = "services"
    FLAT = "flat"


@dataclass(frozen=True, slots=True)
class SettingPlace:
    """The setting of a variable. `key`: the service's key as it was written (None: not under SERVICES__)."""

    part: SettingsPart
    path: Path
    key: str | None = None


def place(name: str) -> SettingPlace | None:
    """Return the setting of the variable (None: unknown). Names are case-sensitive, except a service's key."""
    part, key, field = split(name)
    if part is SettingsPart.FLAT and field in GLOBALS:
        return SettingPlace(SettingsPart.GLOBALS, GLOBALS[field])
    if field in FIELDS:
        return SettingPlace(part, FIELDS[field], key)
    return None


def split(name: str) -> tuple[SettingsPart, str | None, str]:
    """Return the variable's part, the service's key and the rest, even if there is no such setting."""
    rest = name.removeprefix(PREFIX)
    head, _, tail = rest.partition(JOINT)
    if head == "DEFAULTS":
        return SettingsPart.DEFAULTS, None, tail
    key, joint, field = tail.partition(JOINT)
    if head == "SERVICES" and joint:
        return SettingsPart.SERVICES, key, field
    return SettingsPart.FLAT, None, rest


def comes_later(part: SettingsPart, first: str) -> bool:
    """Whether a later version will have a setting or a group of this name in this part."""
    fields = set() if part is SettingsPart.GLOBALS else _LATER_FIELDS
    globals_ = _LATER_GLOBALS if part in {SettingsPart.GLOBALS, SettingsPart.FLAT} else set()
    return first.lower() in fields | globals_


def variable(path: Path) -> str:
    return PREFIX + JOINT.join(path).upper()


def valid_key(key: str) -> bool:
    return len(key) <= 64 and _KEY.fullmatch(key) is not None


def folded(key: str) -> str:
    """Return the canonical form of a key: lower case, with _ for -. The name of a shell variable cannot contain a -."""
    return key.lower().replace("-", "_")


def key_of(service: str) -> str:
    """Return the key of a service that is configured without a key: its name, reduced to the characters of a key."""
    simple = _NOT_OF_A_KEY.sub("_", service[:_LONGEST_SERVICE].lower())[:64].strip("_-")
    return simple if valid_key(simple) else "service"
