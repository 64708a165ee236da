"""Detect problems with starting tasks in the service events of ECS: sentences for people, matched loosely.

The wording is not part of the ECS API. Therefore an event can only prevent a scale-out, and an unreadable event is
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.faults import clean
from autoscaler.core.model import Instant, Trouble
from autoscaler.errors import Unreadable

FRESH_S = 6 * 3600.0 + 600.0
"""Seconds for which an event is valid: ECS repeats an event that still applies only after six hours, plus its delay.
Half-open.
"""

MOST_TEXT = 200
MOST_READ = 2000
"""Maximum number of characters that are read of one event. ECS writes a few hundred; ten million would block all polls
for a second.
"""


def trouble_in(service: ResponsePart, now: Instant, instant: Callable[[float], Instant]) -> Trouble | None:
    """Return the newest event about tasks that do not start, unless the service has reached a steady state since."""
    events = list(_events(service))
    steady_s = max((at_s for text, at_s in events if _STEADY.search(text)), default=float("-inf"))
    problems = [(at_s, text) for text, at_s in events if _PROBLEM.search(text) and at_s > steady_s]
    if not problems:
        return None
    at_s, text = max(problems)
    at = instant(at_s)
    return Trouble(clean(text, MOST_TEXT), at) if now - at < FRESH_S else None


def _events(service: ResponsePart) -> Iterator[tuple[str, float]]:
    """Yield text, without the service's name, and wall-clock time of each readable event."""
    events = service.body.get("events")
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict):
            one = ResponsePart(service.call, event)
            try:
                yield _PREFIX.sub("", one.word("message")[:MOST_READ], count=1), one.moment("createdAt")
            except Unreadable:
                continue


_PREFIX = re.compile(r"\(service [^)]{0,300}\)|service \([^)]{0,300}\)")  # a name may contain any of the words below
_STEADY = re.compile(r"has reached a steady state", re.IGNORECASE)
_PROBLEM = re.compile(
    r"unable to place"
    r"|unable to (?:consistently )?start tasks"
    r"|operations are being throttled"
    r"|(?:could not|failed to|unable to) launch"
    r"|tasks? failed to start"
    r"|\b(?:insufficient|not enough|no) capacity\b"
    r"|capacity\b[^.]{0,40}\b(?:unavailable|insufficient|exceeded|not available)",
    re.IGNORECASE,
)
