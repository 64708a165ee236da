"""Place names next to the dots of a chart without overlaps with names, with dots or with the edge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

DOT = 7.0
"""Half the side of the square around a dot that stays free."""

CHARACTER, ABOVE, BELOW = 6.8, 10.0, 4.0
"""Width of a letter, and height of a line above and below its baseline, at a font size of 12 px, rounded up."""

OFFSETS = (0.0, 14.0, 28.0, 42.0, 56.0, 70.0, 84.0)
"""Vertical distances between a dot and its name."""


class Box(NamedTuple):
    """A rectangle. Boxes that only touch do not overlap."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)

    def within(self, other: Box) -> bool:
        upright = other.top <= self.top and self.bottom <= other.bottom
        return upright and other.left <= self.left and self.right <= other.right


class Label(NamedTuple):
    """Position of a name on its baseline: its start, or its end if it is left of its dot. `away`: it is so far from its
    dot that it needs a line to it.
    """

    x: float
    y: float
    on_left: bool
    away: bool
    box: Box


def placed(dots: Sequence[tuple[float, float]], names: Sequence[str], edge: Box) -> list[Label]:
    """Return a label for each dot, in order. If no position is free, the one with the fewest overlaps is used."""
    taken = [Box(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots]
    labels = []
    for dot, name in zip(dots, names, strict=True):
        places = [place for place in _places(*dot, CHARACTER * len(name)) if place.box.within(edge)]
        best = min(places or list(_places(*dot, CHARACTER * len(name))), key=lambda place: _covered(place.box, taken))
        taken.append(best.box)
        labels.append(best)
    return labels


def _places(x: float, y: float, width: float) -> Iterator[Label]:
    """Yield positions, the nearest first: right, left, then further up and down."""
    for away in OFFSETS:
        for baseline in dict.fromkeys((y + 4 - away, y + 4 + away)):
            for on_left in (False, True):
                start = x - DOT - 2 if on_left else x + DOT + 2
                left = start - width if on_left else start
                box = Box(left, baseline - ABOVE, left + width, baseline + BELOW)
                yield Label(start, baseline, on_left, away > 14, box)


def _covered(box: Box, taken: Sequence[Box]) -> int:
    return sum(box.overlaps(other) for other in taken)
