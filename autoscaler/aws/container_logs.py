"""The last lines of a container's log, as they are shown: bounded, printable, and with secrets masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from autoscaler.aws.answers import ResponsePart
from autoscaler.core.figures import shortened
from autoscaler.diagnosis.evidence import MOST_LINE, MOST_LINES, LogLine
from autoscaler.diagnosis.masking import masked

MOST_READ = 4_000
"""Characters of a line in which secrets are searched. A line may have 1 MB, and `MOST_LINE` characters are shown: a
secret that begins in them is recognized, although its end is not shown.
"""

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:?]{0,40}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)?|.)?")
"""A terminal's escape sequence: colors, and the title of the window."""


def lines_in(events: Iterable[ResponsePart]) -> tuple[LogLine, ...]:
    """Return the newest `MOST_LINES` lines of the events, oldest first. Secrets are also found over several lines."""
    newest = list(_raw(events))[-MOST_LINES:]
    if not newest:
        return ()
    texts = masked("\n".join(text for _, text in newest)).split("\n")
    return tuple(LogLine(at, shown(text)) for (at, _), text in zip(newest, texts, strict=True))


def _raw(events: Iterable[ResponsePart]) -> Iterator[tuple[float, str]]:
    """Yield the time and the text of each line. An event may have several; empty ones are left out."""
    for event in list(events)[-MOST_LINES:]:
        at = _at(event)
        message = event.body.get("message")
        lines = message.splitlines() if isinstance(message, str) else []
        for line in lines[-MOST_LINES:]:
            text = _ESCAPE.sub("", line[:MOST_READ])
            if text.strip():
                yield at, "".join(letter if letter != "\n" and letter.isprintable() else " " for letter in text)


def shown(text: str) -> str:
    """Return the beginning of a line, without space at its end."""
    return shortened(text.rstrip(), MOST_LINE)


def _at(event: ResponsePart) -> float:
    """Return the time of an event, in seconds since the epoch; AWS gives milliseconds. 0: not readable."""
    found = event.body.get("timestamp")
    return found / 1000.0 if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 10**14 else 0.0
