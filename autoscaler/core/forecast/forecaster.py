"""One queue's look-ahead: takes minutes, scores what was said of them, says what comes next.

What is seen one minute at a time and what is seen at once take the same way, in blocks of minutes; so a daemon that
was started now knows what one knows that ran for two weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf, sqrt
from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Flags, Floats, Singles, Whole
from autoscaler.core.forecast.autoregression import FEWEST, Autoregression
from autoscaler.core.forecast.choosing import ANCHORS, SMALL, Errors, Said, shares
from autoscaler.core.forecast.headroom import LEAST, Headroom
from autoscaler.core.forecast.history import DAY, HELD, SPAN, History
from autoscaler.core.forecast.lags import FARTHEST, LONGEST, PLACE, View, view
from autoscaler.core.forecast.outlook import Outlook
from autoscaler.core.forecast.profile import sharp_days, smooth_days, week

METHODS: Final = (
    "last_value",
    "recent_mean",
    "autoregression",
    "smooth_profile",
    "profile",
    "week_profile",
    "week_ago",
)
YOUNG: Final = 60
"""Minutes that must be known before anything is said."""

BETTER: Final = 0.97
"""The look-ahead is useful from this skill on, at any horizon that is scored."""

MOST: Final = 1e15
"""Messages a minute that are believed; all SQS queues of the world bring less."""

_LAST = METHODS.index("last_value")
_LAST_ALONE = np.eye(len(METHODS))[_LAST]
_MIX = len(METHODS)
_FITS_ON_FIRST_DAY = 4


class Forecaster:
    """One queue's look-ahead. Mutable on purpose: preallocated, at most 18 KiB of arrays in all."""

    __slots__ = (
        "_anchors",
        "_between",
        "_errors",
        "_every",
        "_headroom",
        "_history",
        "_lane",
        "_leading",
        "_mix_errors",
        "_regression",
        "_roots",
        "_said",
        "_skills",
        "_starts",
        "horizon",
    )

    def __init__(self, horizon: int = FARTHEST) -> None:
        """Speaks of 1 to `horizon` minutes ahead, at most `FARTHEST`."""
        if not 1 <= horizon <= FARTHEST:
            raise ValueError(f"a look-ahead of {horizon} minutes is not in 1..{FARTHEST}")
        self.horizon = horizon
        self._every, self._anchors, self._starts, self._between = _lanes(horizon)
        self._lane = int(np.searchsorted(self._anchors, min(2, horizon)))
        self._forget()

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that are its own."""
        parts = (self._history, self._regression, self._errors, self._mix_errors, self._said, self._headroom)
        return self._roots.nbytes + self._skills.nbytes + sum(part.nbytes for part in parts)

    def see(self, minute: int, messages: float) -> None:
        """Messages of one minute since the epoch; not later than the newest: ignored; no count: unknown."""
        if 0.0 <= messages < inf and (self._history.began is None or minute > self._history.newest):
            self._take(minute, np.array([sqrt(min(messages, MOST))]), np.ones(1, bool))

    def see_all(self, first_minute: int, messages: Sequence[float | None]) -> None:
        """Consecutive minutes, as if each were seen by itself; None is unknown."""
        counts = np.array([np.nan if count is None else count for count in messages], float)
        known = np.isfinite(counts) & (counts >= 0.0)
        if self._history.began is not None:
            known &= np.arange(len(counts)) > self._history.newest - first_minute
        roots = np.sqrt(np.minimum(np.where(known, counts, 0.0), MOST))
        places = np.flatnonzero(known)
        for stretch in np.split(places, np.flatnonzero(np.diff(places) > SPAN) + 1):
            if len(stretch):
                part = slice(stretch[0], stretch[-1] + 1)
                self._take(first_minute + int(stretch[0]), roots[part], known[part])

    def outlook(self, *, bounded: bool = True) -> Outlook | None:
        """What comes after the newest minute that was known; None: too little is known yet. With its upper bounds,
        which take as long to work out as all the rest, where these are asked for.
        """
        if self._history.age < YOUNG:
            return None
        useful = bool(self._skills.min() < BETTER)
        roots = self._roots if useful else np.full(self.horizon, self._newest_root())
        return Outlook(
            minute=self._history.newest,
            expected=tuple((roots * roots).tolist()),
            method=METHODS[self._leading] if useful else METHODS[_LAST],
            skill=float(self._skills[self._lane]),
            useful=useful,
            above=self._above() if bounded else None,
        )

    def _above(self) -> Singles:
        spreads = np.maximum(self._mix_errors.means()[1, :, 1:], LEAST)
        above: Singles = (self._between @ (self._headroom.above() * spreads)).astype(np.float32)
        return above

    def _forget(self) -> None:
        anchors = len(self._anchors)
        self._history = History()
        self._regression = Autoregression(self.horizon)
        self._errors = Errors(anchors, len(METHODS))
        self._mix_errors = Errors(anchors, 2)
        self._said = Said(self._anchors, self._starts, len(METHODS) + 1)
        self._headroom = Headroom(anchors)
        self._roots = np.zeros(self.horizon)
        self._skills = np.ones(anchors)
        self._leading = _LAST

    def _choose(self, heard: Floats, coming: Floats) -> None:
        """What is expected from now on, each method being listened to so much at each anchor: last value alone where
        all together err more than it. Skills: at each anchor, their recent error by that of last value.
        """
        mixed, last = self._mix_errors.means()[..., 0], self._errors.means()[..., _LAST]
        heard[mixed.sum(axis=0) > last.sum(axis=0)] = _LAST_ALONE
        self._leading = int(heard[self._lane].argmax())
        self._skills = (mixed[1] + SMALL) / (last[1] + SMALL)
        self._roots = np.einsum("hm,hm->h", self._between @ heard, coming)

    def _take(self, first: int, roots: Floats, known: Flags) -> None:
        """Minutes whose first and last are known, all later than the newest."""
        if self._history.began is None or first - self._history.newest > SPAN:
            self._forget()
            self._history.begin(first, float(roots[0]))
            first, roots, known = first + 1, roots[1:], known[1:]
        gap = first - self._history.newest - 1
        if gap or not known.all():
            self._take_filled(np.append(np.zeros(gap), roots), np.append(np.zeros(gap, bool), known))
            return
        end = self._history.newest + len(roots)
        for begin in range(0, len(roots), LONGEST):
            self._advance(roots[begin : begin + LONGEST], known[begin : begin + LONGEST], end)

    def _take_filled(self, roots: Floats, known: Flags) -> None:
        """Minutes from the newest on: an unknown one stands at the last known value, in long gaps at yesterday's."""
        latest = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
        held = np.where(latest < 0, self._newest_root(), roots[latest])
        long = np.arange(len(known)) - latest > HELD
        end = self._history.newest + len(known)
        for begin in range(0, len(known), LONGEST):
            block = slice(begin, begin + LONGEST)
            yesterday = self._history.coded(self._history.newest + 1 - DAY + np.arange(len(known[block])))
            self._advance(np.where(long[block], yesterday, held[block]), known[block], end)

    def _newest_root(self) -> float:
        return float(self._history.recent(np.array([self._history.newest]))[0])

    def _advance(self, roots: Floats, known: Flags, end: int) -> None:
        """The minutes after the newest, at most `LONGEST`; `end` is the last one of all that come at once."""
        minutes = self._history.newest + 1 + np.arange(len(roots))
        now = view(self._history, int(minutes[0]), roots)
        coming, saying = self._say(now, minutes, roots, end)
        known = known & (minutes >= self._history.start + FARTHEST)
        told = self._said.of(minutes, slice(0, _MIX), saying)
        heard = shares(self._errors.take(np.abs(told * told - (roots * roots)[:, None]), known))
        mixed = _single(np.einsum("hrm,hrm->hr", heard, saying))[..., None]
        self._score(self._said.of(minutes, slice(_MIX, None), mixed)[..., 0], roots, known)
        self._said.remember(minutes, np.concatenate((saying, mixed), axis=2))
        self._choose(heard[:, -1].copy(), coming)

    def _score(self, told: Floats, roots: Floats, known: Flags) -> None:
        """What all together said of minutes, (anchors, minutes), against what came."""
        before = self._mix_errors.means()[1, :, None, 1]
        errors = np.stack((np.abs(told * told - roots * roots), np.abs(told - roots)), axis=2)
        after = self._mix_errors.take(errors, known)[1, ..., 1]
        spreads = np.maximum(np.concatenate((before, after[:, :-1]), axis=1), LEAST)
        self._headroom.take((roots - told) / spreads, known)

    def _say(self, now: View, minutes: Whole, roots: Floats, end: int) -> tuple[Floats, Floats]:
        """What each method expects, in roots: (horizons, methods) at the last minute, (anchors, minutes, methods).

        The history grows by these minutes meanwhile, and what is due is learned between.
        """
        due = self._due(int(minutes[0]), int(minutes[-1]), end)
        starts = sorted({0, *due})
        pieces = []
        for start, stop in zip(starts, [*starts[1:], len(minutes)], strict=True):
            self._history.append(roots[start : start + 1])
            if start in due:
                self._regression.fit(self._history, due[start])
            if now.rows > 1:
                pieces.append(self._expected(now, self._anchors, start, stop))
            self._history.append(roots[start + 1 : stop])
        coming = self._expected(now, self._every, now.rows - 1, now.rows)
        saying = np.concatenate(pieces, axis=1) if pieces else coming[self._anchors - 1]
        return coming[:, 0], saying

    def _expected(self, now: View, ahead: Whole, start: int, stop: int) -> Floats:
        """(horizons, rows from start to stop, methods), in the order of `METHODS`."""
        seen = now.seen(ahead, start, stop)
        own = (seen[..., PLACE["0 ago"]], seen[..., PLACE["mean of 5"]], self._regression.expects(seen, ahead))
        others = (smooth_days(seen), sharp_days(seen), week(seen), seen[..., PLACE["week ago"]])
        expected = np.empty((*seen.shape[:2], len(METHODS)), np.float32)
        for method, roots in enumerate((*own, *others)):
            expected[..., method] = roots
        return expected.astype(np.float64)

    def _due(self, first: int, last: int, end: int) -> dict[int, int]:
        """By the minute's number: the horizon to learn anew there, each once a day, on the first day more often.

        At start a horizon that is not scored is learned only where it is not learned again soon after.
        """
        often = DAY // (_FITS_ON_FIRST_DAY * self.horizon)
        due = {}
        for minute in range(-(-first // often) * often, last + 1, often):
            age = minute - self._history.start
            every = often if age < DAY else often * _FITS_ON_FIRST_DAY
            horizon = minute // every % self.horizon + 1
            needed = horizon in self._anchors or minute + 2 * DAY > end
            if minute % every == 0 and age >= FEWEST and needed:
                due[minute - first] = horizon
        return due


def _single(roots: Floats) -> Floats:
    """As they will be remembered: scores are of the same numbers whether they were, or came in one block."""
    return roots.astype(np.float32).astype(np.float64)


@lru_cache(maxsize=FARTHEST)
def _lanes(horizon: int) -> tuple[Whole, Whole, Whole, Floats]:
    """What all queues share: the minutes ahead, the anchors among them, where each anchor's begin where all are kept
    in one line, and (minutes ahead, anchors): by what share each anchor speaks for a minute ahead.
    """
    ahead = np.arange(1, horizon + 1)
    anchors = np.array([anchor for anchor in ANCHORS if anchor <= horizon])
    between = np.stack([np.interp(ahead, anchors, row) for row in np.eye(len(anchors))], axis=1)
    return ahead, anchors, np.cumsum(anchors) - anchors, between
