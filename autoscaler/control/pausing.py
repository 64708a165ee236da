"""Pausing by the service's own tag `autoscaler:paused`: `all`, `in`, `out` or a number, and perhaps an end.

The end is a UTC time: `in until 2026-11-23T18:00Z`. From then on it is as if the tag were not there.

While a tag stands, it replaces the setting `paused`, whichever of the two restrains more: whoever sets a tag looks at
the service now. A tag that nobody can read does not mean "not paused": the pause that the tag last meant goes on until
its own end, and where there is none (also after a restart) everything is paused. Who wrote it wanted some pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf

from autoscaler.core.model import Missing
from autoscaler.core.policy import Pause

TAG = "autoscaler:paused"

MOST_TASKS = 2**31 - 1
"""The largest count that ECS can take."""


@dataclass(frozen=True, slots=True)
class TagPause:
    """What a tag asks for: a direction or a count to stand at, until a wall time (infinite: until it is removed)."""

    paused: Pause | int
    until: float = inf


def read_tag(text: str) -> TagPause | Missing:
    """What the tag's text asks for; Missing with how to write it. Case and extra spaces do not matter."""
    words = text.lower().split()
    paused = _paused(words[0]) if words else None
    if paused is None:
        return _unreadable(text, "begins with none of `all`, `in`, `out` or a number of tasks")
    if len(words) == 1:
        return TagPause(paused)
    until = _instant(" ".join(words[2:])) if words[1] == "until" else None
    return _unreadable(text, "does not go on with `until` and a time") if until is None else TagPause(paused, until)


def _paused(word: str) -> Pause | int | None:
    if word.isascii() and word.isdigit():
        return int(word) if len(word) <= len(str(MOST_TASKS)) and int(word) <= MOST_TASKS else None
    return Pause(word) if word in set(Pause) else None


def _instant(text: str) -> float | None:
    """The time in seconds since the epoch. One without a zone is UTC."""
    try:
        time = datetime.fromisoformat(text.upper())
        return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp()
    except (ValueError, OverflowError):
        return None


def _unreadable(text: str, wrong: str) -> Missing:
    return Missing(
        f"the tag {TAG} is {text[:80]!r}, which {wrong}: write `all`, `in`, `out` or a number of tasks, and after it, "
        "if you like, ` until 2026-11-23T18:00Z`"
    )


class TagWatch:
    """Reads one service's tag, tick after tick, and knows what it last meant."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._read: TagPause | Missing | None = None
        self._held: TagPause | None = None

    def look(self, text: str | None, wall: float) -> tuple[Pause | int | None, Missing | None]:
        """What the tag pauses at `wall` (None: nothing), and what is wrong with it (None: nothing)."""
        if text != self._text:
            self._text, self._read = text, None if text is None else read_tag(text)
        if isinstance(self._read, Missing):
            held = _standing(self._held, wall)
            return (Pause.ALL if held is None else held), self._read
        self._held = self._read
        return _standing(self._held, wall), None


def _standing(pause: TagPause | None, wall: float) -> Pause | int | None:
    return None if pause is None or wall >= pause.until else pause.paused
