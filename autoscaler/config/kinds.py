"""What a value may look like. A kind reads what the operator wrote (text from a variable, anything from a file),
shows a value back in the same spelling, and describes itself to people and to editors.

Readers raise WrongValue with a sentence for the operator; pydantic gathers them.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from autoscaler.config import durations
from autoscaler.config.quoting import WrongValue, quote
from autoscaler.core.policy import Pause

Reader: TypeAlias = Callable[[object], object]
Shower: TypeAlias = Callable[[Any], object]

MOST_TASKS = 2**31 - 1
MOST_TEXT = 16_384
"""Characters of one value. The longest that is valid is a Prometheus query, of 8,000."""

MOST_OF_A_LIST = 65_536
"""Characters of a variable that holds a list, or a table as JSON."""
HIDDEN = "***"
NONE = "none"
"""The word that takes back what `defaults` set."""

_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _as_it_is(value: object) -> object:
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of value. `words` stand in the reference; `schema` is its JSON Schema in the file.

    As an annotation it replaces pydantic's own reading, so every message is ours.
    """

    words: str
    read: Reader
    schema: dict[str, Any]
    show: Shower = _as_it_is
    most: int = MOST_TEXT
    """Characters of a text that is read."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.bounded)

    def bounded(self, value: object) -> object:
        """Read the value, unless it is a text that is too long for any reader of one value."""
        if isinstance(value, str) and len(value) > self.most:
            raise WrongValue(f"has {len(value):,} characters: at most {self.most:,} are allowed here")
        return self.read(value)


@dataclass(frozen=True, slots=True, eq=False)
class ItemsKind(Kind):
    """A list or a table. Pydantic reads its items, each wrong one a problem of its own; `read` only splits."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def whole(least: int, most: int) -> Kind:
    """A whole number from `least` to `most`, both included."""

    def read(value: object) -> int:
        number = _whole(value)
        if not least <= number <= most:
            raise WrongValue(f"{quote(value)} is out of range: from {least} to {most}")
        return number

    return Kind("whole number", read, {"type": "integer", "minimum": least, "maximum": most})


def _whole(value: object) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise WrongValue(f"{quote(value)} is not a whole number")


def number(allowed: Callable[[float], bool], range_words: str, schema: dict[str, Any]) -> Kind:
    """A finite number for which `allowed` holds; `range_words` say of it what `allowed` decides."""

    def read(value: object) -> float:
        number = _number(value)
        if not allowed(number):
            raise WrongValue(f"{quote(value)} is out of range: {range_words}")
        return number

    return Kind(f"number, {range_words}", read, {"type": "number", **schema})


def _number(value: object) -> float:
    number = math.nan
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value)
    elif isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        number = _float(value)
    if not math.isfinite(number):
        raise WrongValue(f"{quote(value)} is not a number")
    return number


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


def duration(at_least_s: float = 0.0) -> Kind:
    """A duration with its unit, of `at_least_s` seconds and at most a year."""

    def read(value: object) -> float:
        lasting = durations.seconds(value)
        if lasting < at_least_s:
            raise WrongValue(f"{quote(value)} is too short: at least {durations.shown(at_least_s)}")
        return lasting

    floor = f", at least {durations.shown(at_least_s)}" if at_least_s else ""
    schema = {"type": "string", "pattern": f"^{durations.PATTERN}$", "examples": ["90s", "5m"]}
    return Kind(f"duration{floor}", read, schema, durations.shown)


def choice(words: type[StrEnum]) -> Kind:
    """One of the words, in any case."""
    allowed = [str(word) for word in words]
    by_text = {word.lower(): word for word in words}

    def read(value: object) -> StrEnum:
        text = value.strip().lower() if isinstance(value, str) else ""
        if text in by_text:
            return by_text[text]
        near = difflib.get_close_matches(text, by_text, n=1)
        meant = f"; did you mean {by_text[near[0]]}?" if near else ""
        raise WrongValue(f"{quote(value)} is not one of {', '.join(allowed)}{meant}")

    return Kind(" | ".join(allowed), read, {"enum": allowed}, str)


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in _TRUTHS:
        raise WrongValue(f"{quote(value)} is neither true nor false")
    return _TRUTHS[text]


def truth() -> Kind:
    return Kind("true | false", _truth, {"type": "boolean"})


def text(shape: re.Pattern[str], what: str) -> Kind:
    """A text that has the shape; `what` says which and how to mend it. White space around it is not part of it."""
    return _text(shape, lambda value: f"{quote(value)} is not {what}", _as_it_is)


def secret(shape: re.Pattern[str], what: str) -> Kind:
    """The same; no text ever repeats it, right or wrong."""
    return _text(shape, lambda _: f"is not {what}", lambda _: HIDDEN)


def _text(shape: re.Pattern[str], wrong: Callable[[object], str], show: Shower) -> Kind:
    def read(value: object) -> str:
        given = value.strip() if isinstance(value, str) else ""
        if not shape.fullmatch(given):
            raise WrongValue(wrong(value))
        return given

    return Kind("text", read, {"type": "string", "pattern": f"^{shape.pattern}$"}, show)


def names(kind: Kind) -> Kind:
    """A list of such texts: comma-separated or JSON in a variable, a list in the file. Each is there once."""

    def read(value: object) -> tuple[object, ...]:
        given = decoded(value)
        items = given.split(",") if isinstance(given, str) else given
        if not isinstance(items, list | tuple):
            raise WrongValue(f"{quote(value)} is not a list of names")
        return tuple(dict.fromkeys(kind.bounded(item) for item in items))

    return Kind("list of names", read, {"type": "array", "items": kind.schema}, list, MOST_OF_A_LIST)


def optional(kind: Kind) -> Kind:
    """The same, or `none` (and null): as if it were not set."""

    def read(value: object) -> object:
        absent = value is None or (isinstance(value, str) and value.strip().lower() == NONE)
        return None if absent else kind.read(value)

    def show(value: object) -> object:
        return None if value is None else kind.show(value)

    return Kind(f"{kind.words} | {NONE}", read, {"anyOf": [kind.schema, {"const": NONE}]}, show)


def pause() -> Kind:
    """A direction to pause, or the count to stand at."""
    tasks = whole(0, MOST_TASKS)

    def read(value: object) -> Pause | int:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word in list(Pause):
            return Pause(word)
        try:
            return _whole(value)
        except WrongValue as error:
            raise WrongValue(f"{quote(value)} is not one of all, in, out, none or a number of tasks") from error

    schema = {"anyOf": [{"enum": [str(word) for word in Pause]}, tasks.schema]}
    return Kind(
        "all | in | out | number of tasks",
        read,
        schema,
        lambda paused: paused if isinstance(paused, int) else str(paused),
    )


def decoded(value: object) -> object:
    """The JSON in a variable's text; anything that is not such a text stays what it is."""
    if not isinstance(value, str) or not value.strip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise WrongValue("is not JSON that can be read: check its quotes, commas and brackets") from error
