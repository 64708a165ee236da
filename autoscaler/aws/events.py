"""What ECS says against starting tasks, from a service's own events: sentences for people, matched loosely.

The wording is no contract. So an event may only make us more careful, and one that cannot be read costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from autoscaler.aws.answers import Answer
from autoscaler.aws.faults import clean
from autoscaler.core.model import Instant, Trouble
from autoscaler.errors import Unreadable

FRESH_S = 6 * 3600.0 + 600.0
"""ECS repeats an event that still holds only after six hours; the rest is for its delay. Half-open."""

MOST_TEXT = 200
MOST_READ = 2000
"""Of one event. ECS writes a few hundred letters; ten million would stop everybody's ticks for a second."""


def trouble_in(service: Answer, now: Instant, instant: Callable[[float], Instant]) -> Trouble | None:
    """The newest event that says why tasks do not start, unless the service has reached a steady state since."""
    told = list(_events(service))
    steady_s = max((at_s for text, at_s in told if _STEADY.search(text)), default=float("-inf"))
    against = [(at_s, text) for text, at_s in told if _AGAINST.search(text) and at_s > steady_s]
    if not against:
        return None
    at_s, text = max(against)
    at = instant(at_s)
    return Trouble(clean(text, MOST_TEXT), at) if now - at < FRESH_S else None


def _events(service: Answer) -> Iterator[tuple[str, float]]:
    """Text, without the service's name, and wall time of each event that can be read."""
    events = service.body.get("events")
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict):
            one = Answer(service.call, event)
            try:
                yield _PREFIX.sub("", one.word("message")[:MOST_READ], count=1), one.moment("createdAt")
            except Unreadable:
                continue


_PREFIX = re.compile(r"\(service [^)]{0,300}\)|service \([^)]{0,300}\)")  # a name might hold any of the words below
_STEADY = re.compile(r"has reached a steady state", re.IGNORECASE)
_AGAINST = re.compile(
    r"unable to place"
    r"|unable to (?:consistently )?start tasks"
    r"|operations are being throttled"
    r"|(?:could not|failed to|unable to) launch"
    r"|tasks? failed to start"
    r"|\b(?:insufficient|not enough|no) capacity\b"
    r"|capacity\b[^.]{0,40}\b(?:unavailable|insufficient|exceeded|not available)",
    re.IGNORECASE,
)
