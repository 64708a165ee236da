"""Durations with units: `90s`, `5m`, `1h30m`, `500ms`. A number without a unit is refused.

Invariant: `seconds(shown(x)) == x`, to the last bit, for every duration x.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from autoscaler.config.quoting import WrongValue, quote

_NUMBER = r"(\d+(?:\.\d+)?)"
PATTERN = rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?"
_DURATION = re.compile(PATTERN, re.ASCII)
_BARE = re.compile(_NUMBER, re.ASCII)
_SECONDS_IN_EACH = (Fraction(3600), Fraction(60), Fraction(1), Fraction(1, 1000))
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
        raise WrongValue(f"{quote(value)} is not a duration: write it as '90s', '5m', '1h30m' or '500ms'")
    given = zip(parts.groups(), _SECONDS_IN_EACH, strict=True)
    return _bounded(sum((Fraction(number) * unit for number, unit in given if number), Fraction(0)))


def _bounded(total: Fraction) -> float:
    if total > LONGEST_S:
        raise WrongValue("a duration must not be longer than a year (8760h)")
    return float(total)


def _without_unit(number: str) -> str:
    return f"{quote(number)} has no unit: add one, as in '{number[:20]}s' or '{number[:20]}m'"


def shown(duration_s: float) -> str:
    """Return the duration in the notation of the settings, in seconds: `90s`, `0.5s`."""
    digits = format(Decimal(repr(duration_s + 0.0)), "f")
    return f"{digits.removesuffix('.0')}s"
