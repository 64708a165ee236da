"""Read lines of bytes in bounded memory: a log may be larger than the memory, and a line may have no end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, NamedTuple

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
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)[:40]!r} occurs twice in one object")
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
