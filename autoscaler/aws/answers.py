"""AWS's answers, taken at their word and no further: a field that is absent or of another kind is never a default.

Every method either returns what its name promises or raises `Unreadable`, whatever the answer holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from autoscaler.aws.apis import Call
from autoscaler.aws.faults import clean
from autoscaler.errors import Unreadable

MOST_TASKS = 2**31 - 1
"""ECS counts in 32 bits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to `call`, or a part of it."""

    call: Call
    body: Mapping[str, object]

    def about(self, subject: str) -> Answer:
        """The same, of a question about several: as it is told to who asked about that one."""
        return Answer(self.call._replace(subject=subject), self.body)

    def has(self, name: str) -> bool:
        """The field is there and not null."""
        return self.body.get(name) is not None

    def word(self, name: str) -> str:
        """A text that is not empty."""
        match self.body.get(name):
            case str(found) if found:
                return found
            case found:
                raise self.unreadable(name, "a text", found)

    def word_or(self, name: str, absent: str) -> str:
        """A text; `absent` where AWS leaves the field out, as it may for some fields."""
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
        """True or false, and said so."""
        match self.body.get(name):
            case bool(found):
                return found
            case found:
                raise self.unreadable(name, "true or false", found)

    def flag_if_any(self, name: str) -> bool:
        """The same; false where AWS leaves it out."""
        return self.has(name) and self.flag(name)

    def part(self, name: str) -> Answer:
        """A structure."""
        return self._part(name, self.body.get(name))

    def parts(self, name: str) -> tuple[Answer, ...]:
        """A list of structures, possibly empty."""
        return tuple(self._part(name, found) for found in self.values(name))

    def parts_if_any(self, name: str) -> tuple[Answer, ...]:
        """The same; none where AWS leaves the list out, as it does with `failures`."""
        return self.parts(name) if self.has(name) else ()

    def _part(self, name: str, found: object) -> Answer:
        match found:
            case dict():
                return Answer(self.call, found)
            case _:
                raise self.unreadable(name, "a structure", found)

    def unreadable(self, name: str, wanted: str, found: object) -> Unreadable:
        """The error that says so, without quoting more than a little of what was found."""
        seen = "nothing" if found is None else _shown(found)
        where, api = clean(self.call.where), self.call.api.name
        return Unreadable(f"{where}: {api} answered with {seen} where {name}, {wanted}, should be")


def _shown(found: object) -> str:
    """A little of a plain value; of anything larger only what it is."""
    return clean(repr(found), 40) if isinstance(found, str | int | float) else f"a {type(found).__name__}"
