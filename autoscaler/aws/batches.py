"""Split lists for calls that accept a limited number of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Sequence[Item], most: int) -> Iterator[list[Item]]:
    """Yield the items in order, at most `most` at a time."""
    for start in range(0, len(items), most):
        yield list(items[start : start + most])
