"""Lines of bytes from anywhere, in bounded memory: a log may be larger than the machine, and a line without an end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, NamedTuple

MOST_BYTES = 64 * 2**20
"""A longer line is not read: a situation with a week of ten-second history is a fiftieth of it."""


class Line(NamedTuple):
    """One line, from 1. `content` is None where it was too long to be read; `end` is the offset after it, in bytes."""

    number: int
    content: bytes | None
    end: int


def lines(stream: IO[bytes], most: int = MOST_BYTES) -> Iterator[Line]:
    """Every line as soon as it is there; one whose end is not within `most` bytes comes without its content."""
    number = end = 0
    while chunk := stream.readline(most):
        size, whole = len(chunk), chunk
        while len(chunk) == most and not chunk.endswith(b"\n"):
            chunk, whole = stream.readline(most), b""
            size += len(chunk)
        number, end = number + 1, end + size
        yield Line(number, whole or None, end)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of two equal keys one would be lost in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)[:40]!r} is there twice in one object")
    return found


def parsed(content: bytes) -> object:
    """The JSON that the line is. Raises ValueError, in words for its writer, where it is none."""
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {content[error.start]:#04x} at {error.start}") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deep") from None
