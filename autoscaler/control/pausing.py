"""Pauses by the ECS service's tag `autoscaler:paused`: `all`, `in`, `out` or a task count, with an optional end.

The end is a UTC time: `in until 2026-11-23T18:00Z`. From that time on the tag has no effect.

A tag replaces the setting `paused`, even if the setting is stricter: an operator who sets a tag knows the present
situation. An invalid tag does not mean "not paused". The last valid pause stays in force until its own end; without one
(also after a restart) everything is paused, because the tag's author intended a pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf

from autoscaler.core.model import Missing
from autoscaler.core.policy import Pause

TAG = "autoscaler:paused"

MOST_TASKS = 2**31 - 1
"""The largest count that ECS accepts."""


@dataclass(frozen=True, slots=True)
class TagPause:
    """A paused direction or a fixed count, until a wall time (infinite: until the tag is removed)."""

    paused: Pause | int
    until: float = inf


def read_tag(text: str) -> TagPause | Missing:
    """Return the pause of the tag's text, or Missing with the valid syntax. Case and extra spaces are ignored."""
    words = text.lower().split()
    paused = _paused(words[0]) if words else None
    if paused is None:
        return _unreadable(text, "does not begin with `all`, `in`, `out` or a task count")
    if len(words) == 1:
        return TagPause(paused)
    until = _time(" ".join(words[2:])) if words[1] == "until" else None
    return _unreadable(text, "does not continue with `until` and a time") if until is None else TagPause(paused, until)


def _paused(word: str) -> Pause | int | None:
    if word.isascii() and word.isdigit():
        return int(word) if len(word) <= len(str(MOST_TASKS)) and int(word) <= MOST_TASKS else None
    return Pause(word) if word in set(Pause) else None


def _time(text: str) -> float | None:
    """Return the time in seconds since the epoch. A time without a zone is UTC."""
    try:
        time = datetime.fromisoformat(text.upper())
        return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp()
    except (ValueError, OverflowError):
        return None


def _unreadable(text: str, wrong: str) -> Missing:
    return Missing(
        f"the tag {TAG} is {text[:80]!r}, which {wrong}: write `all`, `in`, `out` or a task count, and optionally "
        "` until 2026-11-23T18:00Z`"
    )


class TagWatch:
    """Reads one service's tag at each poll and stores its last valid pause."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._read: TagPause | Missing | None = None
        self._last: TagPause | None = None

    def check(self, text: str | None, wall: float) -> tuple[Pause | int | None, Missing | None]:
        """Return what the tag pauses at `wall` (None: nothing), and what is wrong with it (None: nothing)."""
        if text != self._text:
            self._text, self._read = text, None if text is None else read_tag(text)
        if isinstance(self._read, Missing):
            last = _in_force(self._last, wall)
            return (Pause.ALL if last is None else last), self._read
        self._last = self._read
        return _in_force(self._last, wall), None


def _in_force(pause: TagPause | None, wall: float) -> Pause | int | None:
    return None if pause is None or wall >= pause.until else pause.paused
