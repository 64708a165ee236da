"""Find the cause that a text of ECS describes.

AWS changes its texts, so key words are matched, not sentences: without regard to case, kind of apostrophe or spaces,
and each word also with an ending (`address` matches `addresses`).
"""

from __future__ import annotations

import re

from autoscaler.diagnosis.table import UNKNOWN, Failure, failures

MOST_READ = 4_000
"""Characters of a text that are read. ECS writes at most 1,024 in a reason, and a few hundred in an event."""

_SPACE = re.compile(r"\s+")
_NAME = r"['\"]?(?!oom-kill|(?:out-of|health|non|scale|service)-)(?=[\w./]{0,300}[-_/])[\w./-]{1,300}"
"""A name of two or more words, as `memory-service` or `/ecs/image-pull`, but no property (`container OOM-killed`)."""
_NAMED = ("service", "cluster", "container", "role", "repository", "group", "secret", "family", "provider")
_NAMES = re.compile(
    r"arn:[a-z-]{1,20}:[a-z0-9-]{1,40}:\S{1,300}"  # also who made a call: its `assumed-role` is no cause
    r"|(?<=\(target-group )[^)]{1,300}|(?<=\(elb )[^)]{1,300}|(?<=\(task )[^)]{1,300}|(?<=\(service )[^)]{1,300}"
    r"|(?<=\(deployment )[^)]{1,300}|(?<=\(instance )[^)]{1,300}"
    r"|(?<=\.amazonaws\.com/)[^\s:]{1,300}"  # a repository
    r"|(?<=\bqueue )[^\s.,:;]{1,300}|" + "|".join(rf"(?<=\b{noun} ){_NAME}" for noun in _NAMED),
    re.IGNORECASE,
)
"""Names that people chose: a service `quota-watch` in the ARN of its target group says nothing about a quota."""
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'})


def classify(text: str) -> Failure:
    """Return the first row whose words are all in the text; `UNKNOWN` if there is none."""
    plain = _SPACE.sub(" ", without_names(text[:MOST_READ]).translate(_QUOTES)).lower().strip()
    if plain in _CODES:
        plain += ":"
    precise = plain.replace(EITHER, "")
    found = _first(precise)
    return found if precise == plain or found not in (UNKNOWN, _first("resourceinitializationerror")) else _first(plain)


EITHER = "unable to pull secrets or registry auth: "
"""ECS begins with this whether a secret, a parameter or the registry is the cause; what follows says which one."""

_CODES = frozenset({"agent"})
"""Codes that are also words of other texts."""


def _first(plain: str) -> Failure:
    return next((row for row in failures() if _describes(row, plain)), UNKNOWN)


def without_names(text: str) -> str:
    """Return the text without the names that people chose."""
    return _NAMES.sub("", text)


def _describes(row: Failure, plain: str) -> bool:
    if any(_has(plain, word) for word in row.unless):
        return False
    return all(any(_has(plain, word) for word in group) for group in row.words)


def _has(plain: str, word: str) -> bool:
    """Whether the text has the word, at the beginning of a word."""
    at = plain.find(word)
    while at > 0 and plain[at - 1].isalnum():
        at = plain.find(word, at + 1)
    return at >= 0
