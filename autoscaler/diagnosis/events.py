"""Which service events of ECS report a problem: sentences for people, matched loosely. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from autoscaler.diagnosis.classifying import classify, without_names
from autoscaler.diagnosis.reports import ServiceEvent
from autoscaler.diagnosis.table import FailureClass

FRESH_S = 6 * 3600.0 + 600.0
"""Seconds for which an event is valid: ECS repeats an event that still applies only after six hours, plus its delay.
Half-open.
"""


def newest_problem(events: Sequence[ServiceEvent], now: float) -> ServiceEvent | None:
    """Return the newest event about a problem since the last steady state. `events`: newest first."""
    steady_at = max((one.at for one in events if STEADY.search(one.text)), default=-math.inf)
    recent = [one for one in events if one.at > steady_at and now - one.at < FRESH_S]
    return next((one for one in recent if _is_trouble(one.text)), None)


def _is_trouble(text: str) -> bool:
    return is_problem(text) or class_of_event(text) in _PROBLEMS


def class_of_event(text: str) -> FailureClass:
    """Return the class of an event, as the daemon reads it. Without a word of a refusal, the usual work of the
    scheduler is normal, and so is an event about room or time ("attached the volume within 12 s"). Names do not count.
    """
    kind = classify(text).kind
    if kind in PREVENTS_STARTS and not is_problem(text):
        return FailureClass.NORMAL
    plain = without_names(text)
    is_routine = STEADY.search(plain) or (_ROUTINE.search(plain) and not REFUSAL.search(plain))
    return FailureClass.NORMAL if is_routine else kind


_PROBLEMS = frozenset(FailureClass) - {FailureClass.NORMAL, FailureClass.UNKNOWN}

_ROUTINE = re.compile(
    r"has (?:started|stopped) \d+|registered \d+|has begun draining|deployment completed", re.IGNORECASE
)


@lru_cache(maxsize=2_000)  # ECS repeats its 100 newest events in each answer
def is_problem(text: str) -> bool:
    """Whether the event says that tasks do not start. A stop that is expected, or of the program itself, does not.
    Names in the event do not count.
    """
    plain = without_names(text)
    if _PROBLEM.search(plain):
        return True
    return bool(REFUSAL.search(plain)) and classify(text).kind in PREVENTS_STARTS


PREVENTS_STARTS = frozenset({FailureClass.CAPACITY, FailureClass.QUOTA, FailureClass.WAIT})
"""One event of these classes is enough. An event of another class must also say that no task started: a right that is
missing can concern one task of many.
"""


STEADY = re.compile(r"has reached a steady state", re.IGNORECASE)
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
REFUSAL = re.compile(
    r"\b(?:not|no|none|cannot|can't|couldn't|unable|without|fail(?:ed|s|ure)?|rejected|refused|denied|throttled"
    r"|exceed(?:s|ed)?|reached|above|(?:run|ran|running) out|used up|exhausted|unavailable|insufficient|shortage"
    r"|timeout|timed out|error|maximum|already|resource:\w+)\b",
    re.IGNORECASE,
)
"""Words of a refusal. "attached the volume within 12 s" has words of a slow volume, and reports a success."""


# Availability Zone rebalancing: ECS starts tasks in a zone with few, and then stops tasks in a zone with many. The
# texts are matched loosely, as the others.

REBALANCING_S = 900.0
"""Seconds after an event of a rebalancing in which it counts as in progress: the tasks that it starts must be healthy
before it stops others. An event of its end, or of a steady state, ends it sooner. Half-open.
"""

_REBALANCING = re.compile(r"rebalanc|\baz[ -]balance|availability zone balance", re.IGNORECASE)
_BALANCED = re.compile(
    r"\bis (?:az|availability zone)[ -]balanced|rebalancing[_ ](?:(?:has |was |is )?(?:been )?)"
    r"(?:stopped|complete|completed|finished|ended)",
    re.IGNORECASE,
)


def rebalancing_since(events: Iterable[ServiceEvent]) -> float | None:
    """Return the time of the newest event of a rebalancing in progress (None: none is in progress). `events`: those of
    the last `REBALANCING_S`, newest first.
    """
    moved: float | None = None
    for one in events:
        if STEADY.search(one.text) or _BALANCED.search(one.text):
            return None if moved is None or moved <= one.at else moved
        if moved is None and _REBALANCING.search(one.text) and _REBALANCING.search(without_names(one.text)):
            moved = one.at
    return moved
