"""Back-off per throttle category and Region: what AWS throttles together rests together.

After a throttle nobody calls the category for a random time below a bound that doubles with each throttle in a row
("full jitter"), so that a fleet of callers does not come back at once. One success ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.errors import Throttled
from autoscaler.ports import Category

FIRST_REST_S = 2.0
LONGEST_REST_S = 60.0
LEAST_REST_RATIO = 0.25
"""A rest is drawn from a quarter of its bound upwards: full jitter from zero would often be no rest at all."""


@dataclass(slots=True)
class _Rest:
    until: float = 0.0
    throttles: int = 0


class Backoff:
    """A `Pacer`. `draw` gives random numbers in [0, 1)."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[], float]) -> None:
        self._clock = clock
        self._draw = draw
        self._rests: dict[tuple[Category, str], _Rest] = {}

    def admit(self, category: Category, region: str) -> None:
        rest = self._rests.get((category, region))
        if rest is None or self._clock() >= rest.until:
            return
        left_s = rest.until - self._clock()
        raise Throttled(
            f"AWS throttled {category} in {region}: calls of this kind rest for {left_s:.1f} s more. The account's "
            "callers share the rate: look for others who call it, or ask AWS for a higher quota"
        )

    def throttled(self, category: Category, region: str) -> None:
        rest = self._rests.setdefault((category, region), _Rest())
        if self._clock() < rest.until:
            return  # a call that was already under way when the rest began: the same throttling, not a new one
        rest.throttles += 1
        bound_s = min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(rest.throttles - 1, 10))
        rest.until = self._clock() + bound_s * (LEAST_REST_RATIO + (1 - LEAST_REST_RATIO) * self._draw())

    def succeeded(self, category: Category, region: str) -> None:
        if self._rests.get((category, region), _Rest()).until <= self._clock():
            self._rests.pop((category, region), None)
