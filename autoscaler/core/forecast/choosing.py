"""Weights of the forecasts: by their recent errors at each horizon, scored only on predictions made in advance.

The weight of a forecast falls by a factor of e for each 12.5 % by which its error exceeds the smallest error. A clearly
best forecast is used alone. Equally good forecasts are averaged, which gives a smaller error than each of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.history import Flags, Floats, Whole

ANCHORS: Final = (1, 2, 3, 5, 10, 15, 20)
"""The minutes ahead that are scored; weights between two of them are interpolated."""

HALF_LIVES: Final = np.array([60.0, 720.0])
"""Known minutes after which an error counts half: one value reacts to a change within the hour, one covers a day."""

SHARPNESS: Final = 8.0
SMALL: Final = 1e-3
"""Messages per minute. Smaller errors are treated as equal."""

_DECAYS: Final = 0.5 ** (1.0 / HALF_LIVES)[:, None, None]
_CHUNK: Final = 240
"""The minutes that are summed at once: a discount of at most 1/16, which costs four bits of 53."""


class Errors:
    """Discounted means of errors, for `columns` forecasts at several horizons, at both half-lives."""

    __slots__ = ("_counts", "_sums")

    def __init__(self, horizons: int, columns: int) -> None:
        self._sums = np.zeros((len(HALF_LIVES), horizons, columns))
        self._counts = np.zeros((len(HALF_LIVES), 1, 1))

    @property
    def nbytes(self) -> int:
        return self._sums.nbytes + self._counts.nbytes

    def means(self) -> Floats:
        """(half-lives, horizons, columns); zero before the first error."""
        return self._sums / np.maximum(self._counts, 1.0)

    def mean_of(self, column: int) -> Floats:
        """The means of one forecast: (half-lives, horizons)."""
        mean: Floats = self.means()[..., column]
        return mean

    def take(self, errors: Floats, known: Flags) -> Floats:
        """Add errors (horizons, minutes, columns). Return the means after each: (half-lives, horizons, minutes,
        columns).

        An unknown minute changes nothing.
        """
        if len(known) == 1:
            if known.all():
                self._sums *= _DECAYS
                self._sums += errors[:, 0]
                self._counts *= _DECAYS
                self._counts += 1.0
            return self.means()[:, :, None]
        before = self.means()[:, :, None]
        counted = errors[:, known]
        pieces = [self._run(counted[:, begin : begin + _CHUNK]) for begin in range(0, counted.shape[1], _CHUNK)]
        after: Floats = np.concatenate((before, *pieces), axis=2)[:, :, np.cumsum(known)]
        return after

    def _run(self, errors: Floats) -> Floats:
        """Return the means after each minute; all minutes are known."""
        decays = _DECAYS ** np.arange(1, errors.shape[1] + 1)
        sums = np.cumsum(errors / decays[..., None], axis=2)
        sums += self._sums[:, :, None]
        sums *= decays[..., None]
        counts = (1.0 - decays) / (1.0 - _DECAYS) + decays * self._counts
        self._sums[...], self._counts[...] = sums[:, :, -1], counts[..., -1:]
        sums /= counts[..., None]
        return sums


def shares(means: Floats) -> Floats:
    """Return the weight of each forecast from the mean errors (half-lives, ..., forecasts); the weights add up to 1."""
    errors = means[0] + means[1] + SMALL
    weights: Floats = np.exp(-SHARPNESS * errors / errors.min(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


class Predictions:
    """The predictions for minutes that have not come yet, at every anchor."""

    __slots__ = ("_anchors", "_starts", "_stored")

    def __init__(self, anchors: Whole, starts: Whole, columns: int) -> None:
        """`starts`: for each anchor, the sum of the anchors before it. Both arrays are shared."""
        self._anchors, self._starts = anchors, starts
        self._stored = np.zeros((int(anchors.sum()), columns), np.float32)

    @property
    def nbytes(self) -> int:
        return self._stored.nbytes

    def of(self, minutes: Whole, columns: slice, made: Floats) -> Floats:
        """Return the earlier predictions for consecutive minutes, (anchors, minutes, columns). `made`: the predictions
        made at these minutes.
        """
        early = minutes[: self._anchors[-1]]
        earlier: Floats = self._stored[self._positions(early), columns].astype(np.float64)
        if len(minutes) == 1:
            return earlier
        rows = np.arange(len(minutes)) - self._anchors[:, None]
        since: Floats = made[np.arange(len(rows))[:, None], np.maximum(rows, 0)]
        since[:, : len(early)] = np.where((rows < 0)[:, : len(early), None], earlier, since[:, : len(early)])
        return since

    def remember(self, minutes: Whole, made: Floats) -> None:
        """Store the predictions made at consecutive minutes until the predicted minutes have come."""
        newest = np.arange(len(minutes)) >= len(minutes) - self._anchors[:, None]
        self._stored[self._positions(minutes)[newest]] = made[newest]

    def _positions(self, minutes: Whole) -> Whole:
        positions: Whole = self._starts[:, None] + minutes % self._anchors[:, None]
        return positions
