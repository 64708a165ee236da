"""Strict access to AWS responses: a field that is absent or has the wrong type never becomes a default.

Every method returns a value of the documented type or raises `Unreadable`, for any response.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from autoscaler.aws.calls import Call
from autoscaler.aws.faults import clean, where_of
from autoscaler.errors import Unreadable

MOST_TASKS = 2**31 - 1
"""ECS counts have 32 bits."""


@dataclass(frozen=True, slots=True)
class ResponsePart:
    """The response to `call`, or a part of it."""

    call: Call
    body: Mapping[str, object]

    def about(self, subject: str) -> ResponsePart:
        """The same part with another subject: for errors about one member of a batch."""
        return ResponsePart(self.call._replace(subject=subject), self.body)

    def has(self, name: str) -> bool:
        """Whether the field is present and not null."""
        return self.body.get(name) is not None

    def word(self, name: str) -> str:
        """A text that is not empty."""
        match self.body.get(name):
            case str(found) if found:
                return found
            case found:
                raise self.unreadable(name, "a text", found)

    def word_or(self, name: str, absent: str) -> str:
        """A text; `absent` if AWS omits the field, which is allowed for some fields."""
        return self.word(name) if self.has(name) else absent

    def count(self, name: str) -> int:
        """A whole number from 0 to `MOST_TASKS`."""
        match self.body.get(name):
            case bool() as found:
                raise self.unreadable(name, "a count", found)
            case int(found) if 0 <= found <= MOST_TASKS:
                return found
            case found:
                raise self.unreadable(name, "a count", found)

    def moment(self, name: str) -> float:
        """A timestamp, in seconds since the epoch."""
        match self.body.get(name):
            case datetime() as found:
                return found.timestamp()
            case found:
                raise self.unreadable(name, "a timestamp", found)

    def values(self, name: str) -> tuple[object, ...]:
        """A list, possibly empty."""
        match self.body.get(name):
            case list() as found:
                return tuple(found)
            case found:
                raise self.unreadable(name, "a list", found)

    def words(self, name: str) -> tuple[str, ...]:
        """A list of texts, possibly empty."""
        found = tuple(one for one in self.values(name) if isinstance(one, str))
        if len(found) != len(self.values(name)):
            raise self.unreadable(name, "a list of texts", self.body.get(name))
        return found

    def flag(self, name: str) -> bool:
        """True or false; the field must be present."""
        match self.body.get(name):
            case bool(found):
                return found
            case found:
                raise self.unreadable(name, "true or false", found)

    def flag_if_any(self, name: str) -> bool:
        """The same; false if AWS omits the field."""
        return self.has(name) and self.flag(name)

    def part(self, name: str) -> ResponsePart:
        """A structure."""
        return self._part(name, self.body.get(name))

    def parts(self, name: str) -> tuple[ResponsePart, ...]:
        """A list of structures, possibly empty."""
        return tuple(self._part(name, found) for found in self.values(name))

    def parts_if_any(self, name: str) -> tuple[ResponsePart, ...]:
        """The same; empty if AWS omits the list, as it does with `failures`."""
        return self.parts(name) if self.has(name) else ()

    def _part(self, name: str, found: object) -> ResponsePart:
        match found:
            case dict():
                return ResponsePart(self.call, found)
            case _:
                raise self.unreadable(name, "a structure", found)

    def unreadable(self, name: str, expected: str, found: object) -> Unreadable:
        """Return the error for an unexpected field. It quotes at most a short part of the value."""
        seen = "nothing" if found is None else _shown(found)
        where, api = where_of(self.call), self.call.api.name
        return Unreadable(f"{where}: {api} returned {seen} for {name}, expected {expected}")


def _shown(found: object) -> str:
    """A short form of a plain value; of any other value only its type."""
    return clean(repr(found), 40) if isinstance(found, str | int | float) else f"a {type(found).__name__}"
