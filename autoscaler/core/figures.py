"""Numbers for people, rounded to a useful precision. Values that a program reads back are written elsewhere, exactly.

Invariant: at most three decimals, no exponent such as 1e-05, and never 0 for a value that is not 0.
"""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import NamedTuple

_LEAST = 0.0005
"""A smaller number would be rounded to 0."""

_MOST = 1e15
"""A larger number would be a row of mostly meaningless digits."""


def number(value: float) -> str:
    """Format an integer in full and any other number with three significant digits: `1,234`, `66.7`, `0.25`, `less than
    0.001`.
    """
    size = abs(value)
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if size >= _MOST:
        power = floor(log10(size))
        return f"{value / 10**power:.3g} x 10^{power}"
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    if size < _LEAST:
        return "less than 0.001" if value > 0 else "more than -0.001"
    decimals = 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")


def seconds(duration_s: float) -> str:
    """Format a duration in seconds: `60 s`, `66.7 s`."""
    return f"{number(duration_s)} s"


def span(duration_s: float) -> str:
    """Format a duration in the unit in which a person would give it: `90 s`, `62 min`, `3.2 h`, `2.5 days`.

    From two units on in the larger one: 119 s, 2 min, 119 min, 2 h, 47.9 h, 2 days.
    """
    for unit, unit_s, most_s in (("s", 1.0, 120.0), ("min", 60.0, 7200.0)):
        if round(duration_s / unit_s) * unit_s < most_s:
            return f"{number(round(duration_s / unit_s))} {unit}"
    hours = duration_s / 3600.0
    return f"{number(hours)} h" if hours < 48 else f"{number(hours / 24)} days"


def shortened(text: str, most: int) -> str:
    """Return the text with at most `most` characters; the last one of a shortened text is an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def several(count: float, one: str, more: str | None = None) -> str:
    """Format a count with its noun: `1 task`, `2 tasks`, `0 tasks`. `more`: the plural, if it is not formed with an
    `s`.
    """
    shown = number(count)
    return f"{shown} {one if shown == '1' else more or f'{one}s'}"


def are(count: float, one: str, more: str | None = None) -> str:
    """Format a count with its noun and verb: `1 task is`, `2 tasks are`."""
    return f"{several(count, one, more)} {'is' if number(count) == '1' else 'are'}"


def protecting(tasks: int) -> str:
    """Format how many tasks protect themselves: `1 task protects itself`, `2 tasks protect themselves`."""
    return f"{several(tasks, 'task')} {'protects itself' if tasks == 1 else 'protect themselves'}"


class Several(NamedTuple):
    """A count with its noun that is formatted only when it is read."""

    quantity: float
    one: str

    def __str__(self) -> str:
        return several(self.quantity, self.one)


def sentence(text: str) -> str:
    """Return the text with a full stop, unless it ends with a mark that ends a sentence, such as `did you mean X?`."""
    return text if text.endswith((".", "?", "!")) else f"{text}."
