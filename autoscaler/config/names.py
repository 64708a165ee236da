"""What the settings are called: in variables, and in the file. One path, two spellings.

A variable is `AUTOSCALER_` and the path in capitals, groups joined by two underscores. The path of a service's
setting is flat for a single service, and stands under `SERVICES__<KEY>__` for one of many.
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
"""The settings that are a table by names of the operator's choice."""

_LATER_GLOBALS = {"rate_share", "lease_table"}
_LATER_FIELDS = {"queue_share"}
PLACE = frozenset({"cluster", "service", "region", "role_arn", "external_id"})
"""Where a service is. One that is discovered is where it was found, whatever its tags or its profile say."""

NOT_YET = "is not supported by this version yet"

_NOT_OF_A_KEY = re.compile(r"[^a-z0-9-]+")
_LONGEST_SERVICE = 512
"""Characters: an ECS cluster and a service have 255 each."""

_KEY = re.compile(r"[A-Za-z0-9](?:_?[A-Za-z0-9-])*", re.ASCII)
KEY_SHAPE = "a service's key has letters, digits, - and single _ and begins with a letter or digit"


class Part(StrEnum):
    """The parts of the settings, and the names of their trees."""

    GLOBALS = "globals"
    DEFAULTS = "defaults"
    PROFILES = "profiles"
    SERVICES = "services"
    FLAT = "flat"


@dataclass(frozen=True, slots=True)
class Place:
    """What a variable sets. `key` is the service's, as it was written (None: not under SERVICES__)."""

    part: Part
    path: Path
    key: str | None = None


def place(name: str) -> Place | None:
    """What the variable sets (None: no setting is called so). Capitals count, except in a service's key."""
    part, key, field = split(name)
    if part is Part.FLAT and field in GLOBALS:
        return Place(Part.GLOBALS, GLOBALS[field])
    if field in FIELDS:
        return Place(part, FIELDS[field], key)
    return None


def split(name: str) -> tuple[Part, str | None, str]:
    """The variable's part, the service's key and the rest, whether or not a setting is called so."""
    rest = name.removeprefix(PREFIX)
    head, _, tail = rest.partition(JOINT)
    if head == "DEFAULTS":
        return Part.DEFAULTS, None, tail
    key, joint, field = tail.partition(JOINT)
    if head == "SERVICES" and joint:
        return Part.SERVICES, key, field
    return Part.FLAT, None, rest


def comes_later(part: Part, first: str) -> bool:
    """Whether a later version will have a setting, or a group of them, of this name in this part."""
    fields = set() if part is Part.GLOBALS else _LATER_FIELDS
    globals_ = _LATER_GLOBALS if part in {Part.GLOBALS, Part.FLAT} else set()
    return first.lower() in fields | globals_


def variable(path: Path) -> str:
    return PREFIX + JOINT.join(path).upper()


def valid_key(key: str) -> bool:
    return len(key) <= 64 and _KEY.fullmatch(key) is not None


def folded(key: str) -> str:
    """What makes two keys the same: capitals do not count, nor - for _, which a shell's variable cannot hold."""
    return key.lower().replace("-", "_")


def key_of(service: str) -> str:
    """The key of a service that was configured flat: its name, simplified to what a key may be."""
    simple = _NOT_OF_A_KEY.sub("_", service[:_LONGEST_SERVICE].lower())[:64].strip("_-")
    return simple if valid_key(simple) else "service"
