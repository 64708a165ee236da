"""A wrong value is shown to the one who wrote it: short, on one line, and never where it may be a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST = 40
"""How many characters of a wrong value are shown."""

_SECRET = re.compile(
    r"(?:AKIA|ASIA)[A-Z0-9]{12,}"  # an access key's name
    r"|://[^/\s]*@"  # a URL with a password in it
)
_TOKEN = re.compile(r"[A-Za-z0-9/+=]+")
_LEAST_TOKEN = 32
_OF_A_TOKEN = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
"""A run of so many such characters with all three kinds among them may be a random token."""

LARGEST_SHOWN = 10**LONGEST


class WrongValue(ValueError):
    """What the operator wrote cannot be meant; the text says so to them. Pydantic gathers these."""


def quote(value: object) -> str:
    """The value as a message may show it: a text in quotes, a table or a list by its kind alone."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = _text_of(value)
    if looks_secret(text):
        return "a value that looks like a secret (not shown)"
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return repr(short) if isinstance(value, str) else short


def _text_of(value: object) -> str:
    if isinstance(value, int) and abs(value) >= LARGEST_SHOWN:
        return f"a number of over {LONGEST} digits"  # Python itself refuses to write thousands of digits
    return str(value)


def looks_secret(text: str) -> bool:
    return _SECRET.search(text) is not None or any(_may_be_a_token(run) for run in _TOKEN.findall(text))


def _may_be_a_token(run: str) -> bool:
    return len(run) >= _LEAST_TOKEN and all(kind.search(run) for kind in _OF_A_TOKEN)


def printable(text: str) -> str:
    """The text on one line, whatever it holds: a variable's name may hold anything but `=`."""
    return text if text and text.isprintable() else ascii(text)
