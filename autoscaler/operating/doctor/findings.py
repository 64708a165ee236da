"""What a look finds: how bad it is, of what, in a sentence, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NoCredentials, Throttled, Unavailable

FINDINGS, REFUSED, UNREACHABLE = 1, 3, 4
"""The exit codes of a look; 0 is for none of these."""

CODES = {
    Denied.kind: REFUSED,
    NoCredentials.kind: REFUSED,
    ClockSkewed.kind: REFUSED,
    Unavailable.kind: UNREACHABLE,
    Throttled.kind: UNREACHABLE,
}

DAEMON = "daemon"
"""What concerns no single service."""

ASK_AGAIN = "look again; if it stays so, check AWS_ENDPOINT_URL and the Region: AWS documents another answer"


class Level(IntEnum):
    """good: as it should be. note: worth knowing. unknown: could not be found out. finding: to be mended."""

    GOOD = 0
    NOTE = 1
    UNKNOWN = 2
    FINDING = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `subject` is a service's key, or `daemon`; `what` names the thing.

    `remedy` is empty only where there is nothing to do. `kind`: why AWS kept something from us that the daemon cannot
    do without (None: it did not).
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
    """What could not be read. `needed`: the daemon cannot do without it."""
    return bad(subject, what, *halves(gap), gap.kind if needed else None)


def halves(gap: Missing | AutoscalerError) -> tuple[str, str]:
    """What happened, and what to do: our errors end in `; ` and the remedy."""
    sentence = gap.reason if isinstance(gap, Missing) else str(gap)
    text, semicolon, remedy = sentence.rpartition("; ")
    return (text, remedy) if semicolon else (sentence, ASK_AGAIN)


def code_of(findings: Iterable[Finding]) -> int:
    """4 where AWS did not answer, 3 where it refused something that is needed or there are no credentials to ask with,
    1 for any other finding, else 0.
    """
    codes = {CODES.get(one.kind or "", FINDINGS) for one in findings if one.level is Level.FINDING}
    return max(codes, default=0)
