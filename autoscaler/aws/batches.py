"""AWS lets a call name so many things and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Thing = TypeVar("Thing")


def batches(things: Sequence[Thing], most: int) -> Iterator[list[Thing]]:
    """The things in order, at most so many at a time."""
    for start in range(0, len(things), most):
        yield list(things[start : start + most])
