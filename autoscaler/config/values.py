"""The kinds of values that a setting can have: durations, numbers, texts, lists and URLs."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from autoscaler.config.quoting import WrongValue, quote
from autoscaler.core.policy import Pause

# Durations with units: `90s`, `5m`, `1h30m`, `1d12h`, `500ms`. A number without a unit is refused.
#
# Invariant: `seconds(shown(x)) == x`, to the last bit, for every duration x.

_PLAIN_NUMBER = r"(\d+(?:\.\d+)?)"
PATTERN = rf"(?:{_PLAIN_NUMBER}d)?(?:{_PLAIN_NUMBER}h)?(?:{_PLAIN_NUMBER}m)?(?:{_PLAIN_NUMBER}s)?(?:{_PLAIN_NUMBER}ms)?"
_DURATION = re.compile(PATTERN, re.ASCII)
_BARE = re.compile(_PLAIN_NUMBER, re.ASCII)
_SECONDS_IN_EACH = (Fraction(86_400), Fraction(3600), Fraction(60), Fraction(1), Fraction(1, 1000))
_LONGEST_TEXT = 400  # the smallest float takes 326 characters; the sum below is then bounded too

LONGEST_S = 365 * 24 * 3600.0
"""One year. A longer duration is regarded as a typing error."""


def seconds(value: object) -> float:
    """Return the duration in seconds, rounded once. Raises WrongValue with the correct notation."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise WrongValue(_without_unit(str(value)))
    text = value.strip() if isinstance(value, str) else ""
    if _BARE.fullmatch(text):
        raise WrongValue(_without_unit(text))
    parts = _DURATION.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if not text or parts is None:
        raise WrongValue(f"{quote(value)} is not a duration: write it as '90s', '5m', '1h30m', '1d' or '500ms'")
    given = zip(parts.groups(), _SECONDS_IN_EACH, strict=True)
    return _bounded(sum((Fraction(number) * unit for number, unit in given if number), Fraction(0)))


def _bounded(total: Fraction) -> float:
    if total > LONGEST_S:
        raise WrongValue("a duration must not be longer than a year (365d)")
    return float(total)


def _without_unit(number: str) -> str:
    return f"{quote(number)} has no unit: add one, as in '{number[:20]}s' or '{number[:20]}m'"


def shown(duration_s: float) -> str:
    """Return the duration in the notation of the settings, in seconds: `90s`, `0.5s`."""
    digits = format(Decimal(repr(duration_s + 0.0)), "f")
    return f"{digits.removesuffix('.0')}s"


# Kinds of values. A kind parses the operator's input (text from a variable, any type from a file), formats a value in
# the same notation, and has a description for people and a JSON Schema for editors.
#
# Readers raise WrongValue with a message for the operator; pydantic collects the messages.

Reader: TypeAlias = Callable[[object], object]
Shower: TypeAlias = Callable[[Any], object]

MOST_TASKS = 2**31 - 1
MOST_TEXT = 16_384
"""Maximum characters of one value. The longest valid value is a Prometheus query, with 8,000."""

MOST_OF_A_LIST = 65_536
"""Maximum characters of a variable that holds a list, or a table as JSON."""
HIDDEN = "***"
NONE = "none"
"""The word that removes a value set in `defaults`."""

_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _as_it_is(value: object) -> object:
    return value


@dataclass(frozen=True, slots=True, eq=False)
class ValueKind:
    """One kind of value. `words` describe it in the reference; `schema` is its JSON Schema in the file.

    As an annotation it replaces pydantic's own parsing, so that the messages have the notation of the settings.
    """

    words: str
    read: Reader
    schema: dict[str, Any]
    show: Shower = _as_it_is
    most: int = MOST_TEXT
    """Maximum characters of a text."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.bounded)

    def described(self) -> dict[str, Any]:
        """Return the whole JSON Schema. `schema` may leave out what is not known when the program starts."""
        return self.schema

    def bounded(self, value: object) -> object:
        """Return the parsed value. Raises WrongValue for a text longer than `most`."""
        if isinstance(value, str) and len(value) > self.most:
            raise WrongValue(f"the value has {len(value):,} characters; the maximum is {self.most:,}")
        return self.read(value)


@dataclass(frozen=True, slots=True, eq=False)
class ItemsKind(ValueKind):
    """A list or a table. `read` only splits it; pydantic reads the items and reports each wrong item by itself."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def whole(least: int, most: int) -> ValueKind:
    """Return the kind of a whole number from `least` to `most`, both included."""

    def read(value: object) -> int:
        number = _whole(value)
        if not least <= number <= most:
            raise WrongValue(f"{quote(value)} is out of range: from {least} to {most}")
        return number

    return ValueKind("whole number", read, {"type": "integer", "minimum": least, "maximum": most})


def _whole(value: object) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise WrongValue(f"{quote(value)} is not a whole number")


def number(allowed: Callable[[float], bool], range_words: str, schema: dict[str, Any]) -> ValueKind:
    """Return the kind of a finite number for which `allowed` is true; `range_words` describe this range."""

    def read(value: object) -> float:
        number = _number(value)
        if not allowed(number):
            raise WrongValue(f"{quote(value)} is out of range: {range_words}")
        return number

    return ValueKind(f"number, {range_words}", read, {"type": "number", **schema})


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


def duration(at_least_s: float = 0.0) -> ValueKind:
    """Return the kind of a duration with its unit, from `at_least_s` seconds to one year."""

    def read(value: object) -> float:
        length_s = seconds(value)
        if length_s < at_least_s:
            raise WrongValue(f"{quote(value)} is too short: the minimum is {shown(at_least_s)}")
        return length_s

    floor = f", at least {shown(at_least_s)}" if at_least_s else ""
    schema = {"type": "string", "pattern": f"^{PATTERN}$", "examples": ["90s", "5m"]}
    return ValueKind(f"duration{floor}", read, schema, shown)


def choice(words: type[StrEnum]) -> ValueKind:
    """Return the kind of a choice among the words, in upper or lower case."""
    allowed = [str(word) for word in words]
    by_text = {word.lower(): word for word in words}

    def read(value: object) -> StrEnum:
        text = value.strip().lower() if isinstance(value, str) else ""
        if text in by_text:
            return by_text[text]
        near = difflib.get_close_matches(text, by_text, n=1)
        meant = f"; did you mean {by_text[near[0]]}?" if near else ""
        raise WrongValue(f"{quote(value)} is not one of {', '.join(allowed)}{meant}")

    return ValueKind(" | ".join(allowed), read, {"enum": allowed}, str)


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in _TRUTHS:
        raise WrongValue(f"{quote(value)} is neither true nor false")
    return _TRUTHS[text]


def truth() -> ValueKind:
    return ValueKind("true | false", _truth, {"type": "boolean"})


def text(shape: re.Pattern[str], what: str) -> ValueKind:
    """Return the kind of a text that matches the shape, without surrounding white space. `what`: the valid form."""
    return _text(shape, lambda value: f"{quote(value)} is not {what}", _as_it_is)


def secret(shape: re.Pattern[str], what: str) -> ValueKind:
    """Return the same kind for a secret: no message or output repeats its value, valid or not."""
    return _text(shape, lambda _: f"the value is not {what}", lambda _: HIDDEN)


def _text(shape: re.Pattern[str], wrong: Callable[[object], str], show: Shower) -> ValueKind:
    def read(value: object) -> str:
        given = value.strip() if isinstance(value, str) else ""
        if not shape.fullmatch(given):
            raise WrongValue(wrong(value))
        return given

    return ValueKind("text", read, {"type": "string", "pattern": f"^{shape.pattern}$"}, show)


def names(kind: ValueKind) -> ValueKind:
    """Return the kind of a list: comma-separated or JSON in a variable, a list in the file. Duplicates are dropped."""

    def read(value: object) -> tuple[object, ...]:
        given = decoded(value)
        items = given.split(",") if isinstance(given, str) else given
        if not isinstance(items, list | tuple):
            raise WrongValue(f"{quote(value)} is not a list of names")
        return tuple(dict.fromkeys(kind.bounded(item) for item in items))

    return ValueKind("list of names", read, {"type": "array", "items": kind.schema}, list, MOST_OF_A_LIST)


def optional(kind: ValueKind) -> ValueKind:
    """Return the kind with `none` (and null) as a further value: the setting is not set."""

    def read(value: object) -> object:
        absent = value is None or (isinstance(value, str) and value.strip().lower() == NONE)
        return None if absent else kind.read(value)

    def show(value: object) -> object:
        return None if value is None else kind.show(value)

    return ValueKind(f"{kind.words} | {NONE}", read, {"anyOf": [kind.schema, {"const": NONE}]}, show)


def pause() -> ValueKind:
    """Return the kind of a pause: a direction, or a fixed task count."""
    tasks = whole(0, MOST_TASKS)

    def read(value: object) -> Pause | int:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word in list(Pause):
            return Pause(word)
        try:
            return _whole(value)
        except WrongValue as error:
            raise WrongValue(f"{quote(value)} is not one of: all, in, out, none, or a task count") from error

    schema = {"anyOf": [{"enum": [str(word) for word in Pause]}, tasks.schema]}
    return ValueKind(
        "all | in | out | number of tasks",
        read,
        schema,
        lambda paused: paused if isinstance(paused, int) else str(paused),
    )


def decoded(value: object) -> object:
    """Return the parsed JSON of a variable's text; any other value is returned unchanged."""
    if not isinstance(value, str) or not value.strip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise WrongValue("the value is not valid JSON. Check its quotes, commas and brackets") from error


def split_url(text: str, kind: str) -> SplitResult:
    """Return the parts of an HTTP URL. `kind`: what it must be the URL of, with an example. Raises WrongValue, without
    a password in its text.
    """
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise WrongValue("the value is not a valid URL") from error
    if "@" in url.netloc:
        raise WrongValue("the URL must not contain a user or a password (value not shown). Remove them")
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise WrongValue(f"{quote(text)} is not the URL of {kind}")
    return url
