"""Names beside the dots of a picture, such that none lies on another, on a dot or beyond the edge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

DOT = 7.0
"""Half of what a dot keeps free around its middle."""

CHARACTER, ABOVE, BELOW = 6.8, 10.0, 4.0
"""A letter's width, and what a line of text takes above and below its baseline: 12 px, on the wide side."""

AWAY = (0.0, 14.0, 28.0, 42.0, 56.0, 70.0, 84.0)
"""How far up or down of its dot a name may stand."""


class Box(NamedTuple):
    """What is between two corners. Boxes that only touch do not overlap."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    def within(self, other: Box) -> bool:
        upright = other.top <= self.top and self.bottom <= other.bottom
        return upright and other.left <= self.left and self.right <= other.right


class Label(NamedTuple):
    """Where a name begins, or ends where it is on the left of its dot, on its baseline. `away`: so far from its dot
    that a line should lead there.
    """

    x: float
    y: float
    on_left: bool
    away: bool
    box: Box


def placed(dots: Sequence[tuple[float, float]], names: Sequence[str], edge: Box) -> list[Label]:
    """A place for each dot's name; earlier ones choose first. Where no place is free, the one that covers least."""
    taken = [Box(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots]
    labels = []
    for dot, name in zip(dots, names, strict=True):
        places = [place for place in _places(*dot, CHARACTER * len(name)) if place.box.within(edge)]
        best = min(places or list(_places(*dot, CHARACTER * len(name))), key=lambda place: _covered(place.box, taken))
        taken.append(best.box)
        labels.append(best)
    return labels


def _places(x: float, y: float, width: float) -> Iterator[Label]:
    """The nearest first: right, left, and then ever further up and down."""
    for away in AWAY:
        for baseline in dict.fromkeys((y + 4 - away, y + 4 + away)):
            for on_left in (False, True):
                start = x - DOT - 2 if on_left else x + DOT + 2
                left = start - width if on_left else start
                box = Box(left, baseline - ABOVE, left + width, baseline + BELOW)
                yield Label(start, baseline, on_left, away > 14, box)


def _covered(box: Box, taken: Sequence[Box]) -> int:
    return sum(box.overlaps(other) for other in taken)
