"""Names of the settings in variables and in the file.

A variable is `AUTOSCALER_` and the path in capitals, with groups joined by two underscores. The variables of a single
service have no further prefix; those of one of many services begin with `AUTOSCALER_SERVICES__<KEY>__`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Group, Path, leaves, names_in

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


# Suggest a setting's name for a mistyped name.

RENAMED = {"rivals": "conflicting_scalers", "patience": "scale_in.small_step_stabilization"}
"""Settings of a service that were renamed before the first release, with their new names."""

_EXACT = 1.0
_NEAR = 0.75
_NEAR_PREFIX = 0.85  # accepts AUTOSCALAR and AUTOSCALE, not AUTOSCALING, a possible prefix of other programs
_LONGEST_NAME = 200  # comparing takes time quadratic in the length
_PREFIX = re.compile(r"AUTO_?SCALER[_.-]*")
_SEPARATOR = re.compile(r"[_.-]")
_WORD = re.compile("[^_]+")
_SERVICES = f"SERVICES{JOINT}"
_FORM = f"the settings of one service are {PREFIX}SERVICES__<KEY>__<FIELD>"


def unknown_variable(name: str) -> str:
    """Return the message for an unknown variable with the prefix `AUTOSCALER_`."""
    part, _, field = split(name)
    if comes_later(part, field.partition(JOINT)[0]):
        return NOT_YET
    head = name.removesuffix(field)
    if new := RENAMED.get(field.lower()):
        return f"the setting was renamed to {head}{JOINT.join(new.split('.')).upper()}"
    if field in GROUPS:
        members = ", ".join(f"{head}{other}" for other in FIELDS if other.startswith(field + JOINT))
        return f"this is a group of settings. Set {members}"
    return f"unknown setting{_hint(name, field)}"


def _hint(name: str, field: str) -> str:
    """Return a suggestion, as the end of the message."""
    if meant := _meant(name):
        return f"; did you mean {meant}?"
    if table := _table_of(name):
        return f"; set the whole table as JSON in {table}"
    return f"; {_FORM}" if field.startswith(_SERVICES) else "; `autoscaler settings` lists all settings"


def misspelt_prefix(name: str) -> str | None:
    """Return the suggestion for a variable whose prefix is similar to `AUTOSCALER_` (None: another program uses it)."""
    rest = _after_prefix(name[:_LONGEST_NAME].upper())
    if not rest:
        return None
    exact = PREFIX + rest
    return exact if place(exact) else _meant(exact, _NEAR_PREFIX)


def unknown_key(name: str, group: type[Group]) -> str:
    """Return the message for an unknown name in this group, in the file or in a policy."""
    part = {GlobalFields: SettingsPart.GLOBALS, ServiceFields: SettingsPart.DEFAULTS}.get(group)
    if part and comes_later(part, name):
        return NOT_YET
    if issubclass(group, ServiceFields) and name in RENAMED:
        return f"the setting was renamed to {RENAMED[name]}"
    here = _names_here(group)
    meant = _closest(name, [*here, *(".".join(leaf.path) for leaf in leaves(group))], _NEAR)
    if meant:
        return f"unknown setting; did you mean {meant}?"
    if group is ServiceFields and name in _names_here(GlobalFields):
        return "this is a setting of the daemon. Move it to the top of the file"
    return f"unknown setting; known settings here: {', '.join(here)}"


def _names_here(group: type[Group]) -> list[str]:
    """Return the names of the group. The top of the file also has tables, and does not accept `config_file`."""
    if group is not GlobalFields:
        return list(names_in(group))
    return [
        SettingsPart.DEFAULTS.value,
        SettingsPart.PROFILES.value,
        SettingsPart.SERVICES.value,
        *(name for name in names_in(group) if name != "config_file"),
    ]


def _table_of(name: str) -> str | None:
    """Return the variable of the whole table for a variable that names an item inside it (None: not a table)."""
    _, _, field = split(name)
    head, joint, _ = field.partition(JOINT)
    table = name.removesuffix(field) + head
    return table if joint and head in TABLES and place(table) else None


def _after_prefix(upper: str) -> str:
    whole = _PREFIX.match(upper)
    if whole:
        return upper[whole.end() :]
    head, _, rest = upper.partition("_")
    return rest if SequenceMatcher(None, head, PREFIX.rstrip("_")).ratio() >= _NEAR_PREFIX else ""


def _meant(name: str, near: float = _NEAR) -> str | None:
    """Return the most similar variable with the prefix `AUTOSCALER_` (None: no variable is similar enough)."""
    part, key, field = split(_corrected_head(name[:_LONGEST_NAME]))
    if part is SettingsPart.FLAT:
        found = _closest(field, _FULL_NAMES, _EXACT) or _joined(field) or _near(field, near)
        return found and PREFIX + found
    found = _closest(field, FIELDS, near)
    return found and PREFIX + JOINT.join(filter(None, (part.upper(), key, found)))


def _near(field: str, near: float) -> str | None:
    """Return the most similar name without a key. `SERVICES__B` is incomplete, not a mistyped `SERVICE`."""
    return None if field.startswith(_SERVICES) else _closest(field, _SHORT_NAMES, near)


def _joined(field: str) -> str | None:
    """Return `SERVICES_B_MAX_TASKS` with double underscores as separators (None: no such setting)."""
    upper = field.upper()
    words = list(_WORD.finditer(upper))
    if not words or words[0][0] not in {"SERVICE", "SERVICES"} or not upper.startswith(words[0][0]):
        return None
    for first in range(2, len(words)):  # tries the longest field first
        found = _BY_WORDS.get(tuple(word[0] for word in words[first:]))
        key = upper[words[1].start() : words[first - 1].end()]
        if found and upper.endswith(words[-1][0]):
            return JOINT.join(("SERVICES", key, found)) if valid_key(key) else None
    return None


def _corrected_head(name: str) -> str:
    """Return `SERVICE__B__X` as `SERVICES__B__X` if the result is a name of a service or of the defaults."""
    head, joint, tail = name.removeprefix(PREFIX).partition(JOINT)
    near = difflib.get_close_matches(head.upper(), ["SERVICES", "DEFAULTS"], 1, _NEAR)
    corrected = f"{PREFIX}{near[0]}{joint}{tail}" if near and joint else name
    return name if split(corrected)[0] is SettingsPart.FLAT else corrected


def _letters(name: str) -> str:
    """Return the name in capitals without separators, for comparison."""
    return _SEPARATOR.sub("", name).upper()


def _closest(name: str, candidates: Iterable[str], near: float) -> str | None:
    """Return the candidate that differs only in separators and case, else a similar one (None: there is none)."""
    by_letters = {_letters(candidate): candidate for candidate in candidates}
    letters = _letters(name[:_LONGEST_NAME])
    if letters in by_letters:
        return by_letters[letters]
    found = difflib.get_close_matches(letters, by_letters, 1, near) if near < _EXACT else []
    return by_letters[found[0]] if found else None


_SHORT_NAMES = (*FIELDS, *GLOBALS)
_FULL_NAMES = (*_SHORT_NAMES, *(f"DEFAULTS{JOINT}{field}" for field in FIELDS))
_BY_WORDS = {tuple(_WORD.findall(field)): field for field in FIELDS}
