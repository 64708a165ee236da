"""The findings of checks: level, subject, text and remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NoCredentials, Throttled, Unavailable

FINDINGS, REFUSED, UNREACHABLE = 1, 3, 4
"""The exit codes of `doctor`; 0 without a finding."""

CODES = {
    Denied.kind: REFUSED,
    NoCredentials.kind: REFUSED,
    ClockSkewed.kind: REFUSED,
    Unavailable.kind: UNREACHABLE,
    Throttled.kind: UNREACHABLE,
}

DAEMON = "daemon"
"""The subject of findings that concern no single service."""

DEFAULT_REMEDY = (
    "try again. If the error persists, check AWS_ENDPOINT_URL and the Region: the response differs from the AWS "
    "documentation"
)


class Level(IntEnum):
    """good: no problem. note: for information. unknown: could not be checked. finding: must be fixed."""

    GOOD = 0
    NOTE = 1
    UNKNOWN = 2
    FINDING = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. `subject` is a service's key, or `daemon`; `what` is the name of the check.

    `remedy` is empty only if no action is needed. `kind`: the error kind of a failed read that the daemon requires
    (None: no such error).
    """

    level: Level
    subject: str
    what: str
    text: str
    remedy: str = ""
    kind: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.level.word,
            "subject": self.subject,
            "what": self.what,
            "text": self.text,
            "remedy": self.remedy or None,
        }


def good(subject: str, what: str, text: str) -> Finding:
    return Finding(Level.GOOD, subject, what, text)


def note(subject: str, what: str, text: str, remedy: str) -> Finding:
    return Finding(Level.NOTE, subject, what, text, remedy)


def bad(subject: str, what: str, text: str, remedy: str, kind: str | None = None) -> Finding:
    return Finding(Level.FINDING, subject, what, text, remedy, kind)


def unread(subject: str, what: str, gap: Missing | AutoscalerError, *, needed: bool = True) -> Finding:
    """Return the finding of a failed read. `needed`: the daemon requires it."""
    return bad(subject, what, *text_and_remedy(gap), gap.kind if needed else None)


def text_and_remedy(gap: Missing | AutoscalerError) -> tuple[str, str]:
    """Split an error into text and remedy."""
    return split(gap.reason if isinstance(gap, Missing) else str(gap))


def split(sentence: str, default: str = DEFAULT_REMEDY) -> tuple[str, str]:
    """Split a sentence into text and remedy: the sentences of this project end with `; ` and the remedy. `default`: the
    remedy of a sentence without one.
    """
    text, semicolon, remedy = sentence.rpartition("; ")
    return (text, remedy) if semicolon else (sentence, default)


def code_of(findings: Iterable[Finding]) -> int:
    """Return the exit code: 4 if AWS was unreachable, 3 if it denied a required call or there are no credentials, 1 for
    any other finding, else 0.
    """
    codes = {CODES.get(one.kind or "", FINDINGS) for one in findings if one.level is Level.FINDING}
    return max(codes, default=0)
