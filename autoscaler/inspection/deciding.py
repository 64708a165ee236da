"""Compute the decision for a recorded situation: the output of `decide` for one line, and the decision that `replay`
compares with a journal.

Invariant: every input line has exactly one output line. The output for a line that cannot be read has `name` and
`error` only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.errors import ConfigError
from autoscaler.situation import decision_of, decode

# Read lines of bytes in bounded memory: a log may be larger than the memory, and a line may have no end.

MOST_BYTES = 64 * 2**20
"""Maximum bytes of a line that is read. A situation with a week of ten-second history has a fiftieth of it."""


class JournalLine(NamedTuple):
    """One line. `number` counts from 1. `content` None: the line is too long. `end`: byte offset after the line."""

    number: int
    content: bytes | None
    end: int


def lines(stream: IO[bytes], most: int = MOST_BYTES) -> Iterator[JournalLine]:
    """Yield each line as soon as it is complete. A line of more than `most` bytes is yielded without its content."""
    number = end = 0
    while chunk := stream.readline(most):
        size, whole = len(chunk), chunk
        while len(chunk) == most and not chunk.endswith(b"\n"):
            chunk, whole = stream.readline(most), b""
            size += len(chunk)
        number, end = number + 1, end + size
        yield JournalLine(number, whole or None, end)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object. Raises ValueError for a repeated key, which `json` would silently drop."""
    found = dict(pairs)
    if len(found) < len(pairs):
        [(repeated, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"{repeated[:40]!r} occurs twice in one object")
    return found


def parsed(content: bytes) -> object:
    """Return the JSON value of the line. Raises ValueError with a text for the author of the line."""
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise ValueError(f"the line is not UTF-8: byte {content[error.start]:#04x} at {error.start}") from None
    except ValueError as error:
        raise ValueError(f"the line is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


class UnreadableSituation(ValueError):
    """The situation is invalid. The message lists every problem."""


def decision_on(situation: object) -> dict[str, Any]:
    """Return the decision on a situation, as `decide` prints it. Raises `UnreadableSituation` with every problem."""
    try:
        policy, memory, seen = decode(situation)
    except ConfigError as error:
        raise UnreadableSituation("; ".join(map(str, error.problems))) from None
    except RecursionError:
        raise UnreadableSituation("the JSON is nested too deeply") from None
    decision = decide(policy, memory, seen)
    return decision_of(decision, sentence(policy, decision, seen))


def answer(line: JournalLine) -> dict[str, Any]:
    """Return the decision on the line's situation, or `{"name", "error"}`. `name` None: no name could be read."""
    situation: object = None
    try:
        situation = _situation(line)
        return decision_on(situation)
    except ValueError as error:
        return {"name": _name(situation), "error": str(error)}


def printed(content: dict[str, Any]) -> bytes:
    """Return one line of JSON in ASCII: no name in it can end the line, move the cursor or fail to encode."""
    return json.dumps(content).encode("ascii") + b"\n"


def _situation(line: JournalLine) -> object:
    if line.content is None:
        raise ValueError(f"line too long: the maximum is {MOST_BYTES:,} bytes")
    return parsed(line.content)


def _name(situation: object) -> str | None:
    name = situation.get("name") if isinstance(situation, dict) else None
    return name if isinstance(name, str) else None
