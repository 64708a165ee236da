"""Which forecast is listened to: each by its recent error at each horizon, all scored only on what they said before.

The weight of a forecast falls by e for every eighth that its error is above the best one's, so one clear winner is
followed alone and equals are averaged, which errs less than any of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Flags, Floats, Whole

ANCHORS: Final = (1, 2, 3, 5, 10, 15, 20)
"""Minutes ahead that are scored; what lies between two of them is weighted between them."""

HALF_LIVES: Final = np.array([60.0, 720.0])
"""Known minutes after which an error counts half: one that sees a change within the hour, one that has seen a day."""

SHARPNESS: Final = 8.0
SMALL: Final = 1e-3
"""Messages a minute that no one cares about: errors below are equal."""

_KEPT: Final = 0.5 ** (1.0 / HALF_LIVES)[:, None, None]
_CHUNK: Final = 240
"""Minutes summed up at once: a discount of 1/16 at most, which costs four bits of 53."""


class Errors:
    """Discounted means of errors, of some `columns` at some horizons, at both half-lives."""

    __slots__ = ("_counts", "_sums")

    def __init__(self, horizons: int, columns: int) -> None:
        self._sums = np.zeros((len(HALF_LIVES), horizons, columns))
        self._counts = np.zeros((len(HALF_LIVES), 1, 1))

    @property
    def nbytes(self) -> int:
        return self._sums.nbytes + self._counts.nbytes

    def means(self) -> Floats:
        """(half-lives, horizons, columns); zero before the first."""
        return self._sums / np.maximum(self._counts, 1e-9)

    def take(self, errors: Floats, known: Flags) -> Floats:
        """Errors (horizons, minutes, columns); returns (half-lives, horizons, minutes, columns), the means after each.

        An unknown minute changes nothing.
        """
        if len(known) == 1:
            if known[0]:
                self._sums *= _KEPT
                self._sums += errors[:, 0]
                self._counts *= _KEPT
                self._counts += 1.0
            return self.means()[:, :, None]
        before = self.means()[:, :, None]
        counted = errors[:, known]
        pieces = [self._run(counted[:, begin : begin + _CHUNK]) for begin in range(0, counted.shape[1], _CHUNK)]
        after: Floats = np.concatenate((before, *pieces), axis=2)[:, :, np.cumsum(known)]
        return after

    def _run(self, errors: Floats) -> Floats:
        """The means after each minute, all of them known."""
        decays = _KEPT ** np.arange(1, errors.shape[1] + 1)
        sums = np.cumsum(errors / decays[..., None], axis=2)
        sums += self._sums[:, :, None]
        sums *= decays[..., None]
        counts = (1.0 - decays) / (1.0 - _KEPT) + decays * self._counts
        self._sums[...], self._counts[...] = sums[:, :, -1], counts[..., -1:]
        sums /= counts[..., None]
        return sums


def shares(means: Floats) -> Floats:
    """Of the mean errors (half-lives, ..., forecasts): what each forecast is listened to; the shares add up to 1."""
    errors = means[0] + means[1] + SMALL
    heard: Floats = np.exp(SHARPNESS * (1.0 - errors / errors.min(axis=-1, keepdims=True)))
    heard /= heard.sum(axis=-1, keepdims=True)
    return heard


class Said:
    """What was said of minutes that have not come yet, at every anchor."""

    __slots__ = ("_anchors", "_said", "_starts")

    def __init__(self, anchors: Whole, starts: Whole, columns: int) -> None:
        """`starts`: of each anchor, how many minutes the ones before it are ahead in all. Both are shared."""
        self._anchors, self._starts = anchors, starts
        self._said = np.zeros((int(anchors.sum()), columns), np.float32)

    @property
    def nbytes(self) -> int:
        return self._said.nbytes

    def of(self, minutes: Whole, columns: slice, saying: Floats) -> Floats:
        """What was said of consecutive minutes, (anchors, minutes, columns), where `saying` is what is said at them."""
        early = minutes[: self._anchors[-1]]
        told: Floats = self._said[self._places(early), columns].astype(np.float64)
        if len(minutes) == 1:
            return told
        rows = np.arange(len(minutes)) - self._anchors[:, None]
        since: Floats = saying[np.arange(len(rows))[:, None], np.maximum(rows, 0)]
        since[:, : len(early)] = np.where((rows < 0)[:, : len(early), None], told, since[:, : len(early)])
        return since

    def remember(self, minutes: Whole, saying: Floats) -> None:
        """What is said at consecutive minutes, for when those have come that it is about."""
        if len(minutes) == 1:
            self._said[self._places(minutes)] = saying
            return
        for anchor, start, said in zip(self._anchors, self._starts, saying, strict=True):
            self._said[start + minutes[-anchor:] % anchor] = said[-anchor:]

    def _places(self, minutes: Whole) -> Whole:
        places: Whole = self._starts[:, None] + minutes % self._anchors[:, None]
        return places
