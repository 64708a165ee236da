"""Quote wrong values in messages: short, on one line, and not at all if the value may be a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

from autoscaler.core.figures import shortened
from autoscaler.diagnosis.masking import masked

LONGEST = 40
"""Maximum characters of a wrong value in a message."""

_TOKEN = re.compile(r"[A-Za-z0-9/+=]+")
_LEAST_TOKEN = 32
_OF_A_TOKEN = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
"""A run of at least `_LEAST_TOKEN` characters that contains all three kinds may be a random token."""

LARGEST_SHOWN = 10**LONGEST


class WrongValue(ValueError):
    """A value that is not valid; the text is a message for the operator. Pydantic collects these errors."""


def quote(value: object) -> str:
    """Return the value for a message: a text in quotes, a table or a list only by its kind."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = _text_of(value)
    if may_be_secret(text):
        return "a value that may be a secret (not shown)"
    short = shortened(text, LONGEST)
    return repr(short) if isinstance(value, str) else short


def _text_of(value: object) -> str:
    if isinstance(value, int) and abs(value) >= LARGEST_SHOWN:
        return f"a number of over {LONGEST} digits"  # Python refuses to convert thousands of digits
    return str(value)


def may_be_secret(text: str) -> bool:
    return masked(text) != text or any(_may_be_a_token(run) for run in _TOKEN.findall(text))


def _may_be_a_token(run: str) -> bool:
    return len(run) >= _LEAST_TOKEN and all(kind.search(run) for kind in _OF_A_TOKEN)


def printable(text: str) -> str:
    """Return the text on one line, escaped if necessary: a variable's name may contain any character but `=`."""
    return text if text and text.isprintable() else ascii(text)
