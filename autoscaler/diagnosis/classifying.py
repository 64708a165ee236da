"""Find the cause that a text of ECS describes.

AWS changes its texts, so key words are matched, not sentences: without regard to case, kind of apostrophe or spaces,
and each word also with an ending (`address` matches `addresses`).
"""

from __future__ import annotations

import re
from functools import cache

from autoscaler.diagnosis.table import UNKNOWN, Failure, failures

MOST_READ = 4_000
"""Characters of a text that are read. ECS writes at most 1,024 in a reason, and a few hundred in an event."""

_SPACE = re.compile(r"\s+")
_CALLER = re.compile(r"arn:[a-z-]{1,20}:sts:\S{1,300}")  # who made a call: its `assumed-role` is no cause
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'})


def classify(text: str) -> Failure:
    """Return the first row whose words are all in the text; `UNKNOWN` if there is none."""
    plain = _SPACE.sub(" ", _CALLER.sub("", text[:MOST_READ]).translate(_QUOTES)).lower()
    return next((row for row in failures() if _describes(row, plain)), UNKNOWN)


def _describes(row: Failure, plain: str) -> bool:
    if row.unless and _any_of(row.unless).search(plain):
        return False
    return all(_any_of(group).search(plain) for group in row.words)


@cache
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of these words, each at the beginning of a word of the text."""
    return re.compile("|".join(rf"(?<![a-z0-9]){re.escape(word)}" for word in words))
