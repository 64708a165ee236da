"""The last 24 hours of one service for the page, in compact arrays: each of the last 360 polls, then minutes for six
hours, then five minutes.

Bounded: 360 polls, 360 minutes and 288 slots of five minutes, each with eight 4-byte numbers, are 35 KB per service.
They are allocated at the first poll. A value that was not read is NaN, never zero.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from itertools import pairwise
from math import ceil, floor, isnan, nan
from typing import NamedTuple

from autoscaler.ports import Poll
from autoscaler.telemetry.account import counts_of

DAY_S = 86_400

POLLS = 360
"""An hour of polls every 10 s. The demo polls more often, an idle service less often."""

MINUTE_S, MINUTES = 60, 360
"""Six hours."""

COARSE_S, COARSE = 300, 288
"""24 hours."""

GAP_S, MOST_PERIODS = 180.0, 3
"""A sample is valid until the next one, at most for three poll intervals and at least for three minutes. A longer time
is a gap.
"""

SET_BACK_S = 120
"""If the clock moves back by at most this number of seconds, samples go to the newest poll; if by more, the history is
cleared.
"""


@dataclass(frozen=True, slots=True)
class PastSample:
    """The values of one poll: messages, tasks, seconds. NaN: unknown."""

    waiting: float = nan
    in_flight: float = nan
    desired: float = nan
    running: float = nan
    demand: float = nan
    oldest_s: float = nan
    received: float = nan
    late: float = nan


NAMES = tuple(field.name for field in fields(PastSample))
_WIDE = len(NAMES)


def sample_of(poll: Poll, oldest_s: float | None) -> PastSample:
    """Return the values of the poll. `oldest_s`: age of the oldest message in seconds (None: unknown)."""
    seen = poll.observation
    if seen is None:
        return PastSample()
    counts = counts_of(seen)
    demand = None if poll.decision is None else poll.decision.demand
    known = seen.knowledge
    return PastSample(
        waiting=float(sum(one.visible for one in counts)) if counts else nan,
        in_flight=float(sum(one.in_flight for one in counts)) if counts else nan,
        desired=float(seen.fleet.desired),
        running=float(seen.fleet.running),
        demand=nan if demand is None else float(demand),
        oldest_s=nan if oldest_s is None else oldest_s,
        received=nan if known is None else known.received,
        late=nan if known is None else known.late,
    )


def _newest(old: float, new: float) -> float:
    return old if isnan(new) else new


def _highest(old: float, new: float) -> float:
    return new if isnan(old) or new > old else old


def _sum(old: float, new: float) -> float:
    return _newest(old, new) if isnan(old) or isnan(new) else old + new


_MERGED: Mapping[str, Callable[[float, float], float]] = {
    "waiting": _highest,
    "in_flight": _highest,
    "desired": _newest,
    "running": _newest,
    "demand": _highest,
    "oldest_s": _highest,
    "received": _sum,
    "late": _sum,
}
"""How the values of several polls in one slot are merged: the maximum, the newest (task counts), or the sum."""

_MERGES = tuple(_MERGED[name] for name in NAMES)
_BLANK = array("f", [nan]) * _WIDE


_HELD = tuple(merged is not _sum for merged in _MERGES)
"""Values that stay valid until the next poll. Sums do not: they are of one poll."""


class _Point(NamedTuple):
    """The values from `at` on, in seconds since the epoch."""

    at: float
    values: Sequence[float]


class _Ring:
    """Rows of eight values. Row n is stored at n mod `size`; rows that were skipped are blank."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.newest = -1
        self.values = _BLANK * size

    def merge(self, row: int, sample: Sequence[float], held: array[float]) -> None:
        """Merge the sample into the row, which is the newest one or a later one. Skipped rows get the values `held`."""
        is_next = row > self.newest
        for skipped in range(max(self.newest + 1, row - self.size + 1), row):
            self._put(skipped, held)
        self.newest = row
        pairs = zip(_MERGES, self.row(row), sample, strict=True)
        self._put(row, array("f", sample if is_next else [merged(old, new) for merged, old, new in pairs]))

    def _put(self, row: int, values: array[float]) -> None:
        first = row % self.size * _WIDE
        self.values[first : first + _WIDE] = values

    def row(self, row: int) -> array[float]:
        first = row % self.size * _WIDE
        return self.values[first : first + _WIDE]

    @property
    def oldest(self) -> int:
        """The first row that is stored."""
        return max(0, self.newest - self.size + 1)

    def column(self, name: str, first: int) -> array[float]:
        """Return the values of one name, from the row `first` to the newest one."""
        line, split = self.values[NAMES.index(name) :: _WIDE], self.newest % self.size + 1
        ordered = line[split:] + line[:split]
        return ordered[self.size - 1 - (self.newest - first) :]


class StatusHistory:
    """Three rings: of polls, of minutes and of five minutes. Slot n begins n steps after the epoch (half-open)."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._begun: float | None = None
        self._at, self._valid_s, self._held = 0.0, GAP_S, _BLANK
        self._times = array("d", [0.0]) * POLLS
        self._polls, self._minutes, self._coarse = _Ring(POLLS), _Ring(MINUTES), _Ring(COARSE)
        self._sums: dict[float, tuple[int, float, float]] = {}

    def note(self, wall: float, sample: PastSample, interval_s: float = 0.0) -> None:
        """Store the sample of `wall`, in seconds since the epoch. `interval_s`: the time until the next poll."""
        if self._begun is not None and not self._at - SET_BACK_S <= wall < self._at + DAY_S:
            self._clear()
        elapsed_s = wall - self._at
        if self._begun is None:
            self._begun, self._held = wall, _BLANK
        elif elapsed_s > self._valid_s:
            self._held = _BLANK
            self._note_poll(self._at + self._valid_s, _BLANK, is_next=True)
        values = [getattr(sample, name) for name in NAMES]
        self._at = max(self._at, wall)
        self._note_poll(self._at, values, is_next=elapsed_s > 0)
        for ring, step_s in ((self._minutes, MINUTE_S), (self._coarse, COARSE_S)):
            ring.merge(floor(self._at / step_s), values, self._held)
        self._held = array("f", [value if held else nan for value, held in zip(values, _HELD, strict=True)])
        self._valid_s = max(GAP_S, MOST_PERIODS * interval_s)

    def _note_poll(self, at: float, values: Sequence[float], *, is_next: bool) -> None:
        poll = self._polls.newest + is_next
        self._times[poll % POLLS] = at
        self._polls.merge(poll, values, _BLANK)

    def copied(self) -> StatusHistory:
        """Return a copy, which is not written to."""
        return deepcopy(self)

    @property
    def first_at(self) -> float | None:
        """The time of the first sample, at most 24 hours before the newest one (None: there is none)."""
        return None if self._begun is None else max(self._begun, self._at - DAY_S)

    def series(self, since: float | None = None) -> dict[str, list[float | None]]:
        """Return the values as columns, oldest first, of the samples after `since` (None: all).

        `at`: seconds since the epoch, of a poll or of the start of a slot. A value of None is unknown; a row without
        any value is the start of a gap.
        """
        points = [one for one in self._points(since) if since is None or one.at > since]
        columns = zip(*(one.values for one in points), strict=True) if points else [()] * _WIDE
        values = {name: [_rounded(value) for value in line] for name, line in zip(NAMES, columns, strict=True)}
        return {"at": [round(one.at, 1) for one in points], **values}

    def _points(self, since: float | None) -> list[_Point]:
        """Return polls as far as they are stored, minutes before them, and five minutes before these. A slot is used
        only if all its polls are before the next finer part. With `since` and a poll before it, slots are not needed.
        """
        if self._begun is None:
            return []
        ring, first_at = self._polls, self._at - DAY_S
        polls = [_Point(self._times[row % POLLS], ring.row(row)) for row in range(ring.oldest, ring.newest + 1)]
        if ring.oldest == 0 or (since is not None and polls[0].at <= since):
            return [one for one in polls if one.at > first_at]
        fine_at = _rounded_up(polls[0].at, MINUTE_S)
        minutes_at = _rounded_up(self._minutes.oldest * MINUTE_S, COARSE_S)
        if fine_at <= minutes_at:
            fine_at = minutes_at = _rounded_up(polls[0].at, COARSE_S)
        return [
            *_slots(self._coarse, COARSE_S, first_at, minutes_at),
            *_slots(self._minutes, MINUTE_S, minutes_at, fine_at),
            *(one for one in polls if one.at >= fine_at),
        ]

    def in_time(self, seconds: float) -> tuple[float, float]:
        """Return the number of messages received in the last `seconds`, and the number of late ones among them.

        Counted in minutes up to six hours, and in five minutes up to 24; the newest, unfinished one is included. The
        sums of finished slots are cached: between two slots a call costs a lookup.
        """
        if self._begun is None:
            return 0.0, 0.0
        ring, step_s = self._slotted(seconds)
        known = self._sums.get(seconds)
        if known is None or known[0] != ring.newest:
            first = max(ring.oldest, ring.newest + 1 - ceil(seconds / step_s))
            received, late = (_total(ring.column(name, first)[:-1]) for name in ("received", "late"))
            known = ring.newest, received, late
            if len(self._sums) >= MOST_SUMS:
                self._sums.clear()
            self._sums[seconds] = known
        newest = ring.row(ring.newest)
        received, late = (_total([newest[NAMES.index(name)]]) for name in ("received", "late"))
        return known[1] + received, known[2] + late

    def outline(self, name: str, seconds: float, points: int) -> list[float | None]:
        """Return the values of one name in the last `seconds` as this number of points, evenly spaced, oldest first.

        The value of a point is the maximum (of task counts: the newest value) of its part; None is unknown. Parts begin
        at multiples of their length, so that the points stay the same until a new part begins: only the last one, which
        is unfinished, changes.
        """
        if self._begun is None:
            return [None] * points
        ring, step_s = self._slotted(seconds)
        part_s = seconds / points
        last = floor(ring.newest * step_s / part_s)
        line, oldest = ring.column(name, ring.oldest).tolist(), ring.oldest
        edges = [part * part_s / step_s for part in range(last - points + 1, last + 2)]
        return [
            _merged(name, line[max(0, floor(low) - oldest) : max(0, ceil(high) - oldest)])
            for low, high in pairwise(edges)
        ]

    def _slotted(self, seconds: float) -> tuple[_Ring, int]:
        """Return the finer ring that stores this number of seconds, and its step."""
        return (self._minutes, MINUTE_S) if seconds <= MINUTE_S * MINUTES else (self._coarse, COARSE_S)


MOST_SUMS = 4
"""Different periods whose sums are cached."""


def _slots(ring: _Ring, step_s: int, first_at: float, until_at: float) -> Iterator[_Point]:
    """Yield the slots from `first_at` to before `until_at`. Of several blank ones the first is yielded, and none before
    the first value.
    """
    is_blank = True
    for slot in range(max(ring.oldest, ceil(first_at / step_s)), min(ring.newest + 1, ceil(until_at / step_s))):
        values = ring.row(slot)
        was_blank, is_blank = is_blank, all(map(isnan, values))
        if not (was_blank and is_blank):
            yield _Point(slot * step_s, values)


def _rounded_up(at: float, step_s: int) -> int:
    return ceil(at / step_s) * step_s


def _merged(name: str, values: Sequence[float]) -> float | None:
    """Return the values as one, as `_MERGED` merges them, rounded (None: all are unknown)."""
    total = sum(values)
    if total != total:  # noqa: PLR0124 - NaN: one value is unknown. A filter for every part would take twice as long
        values = [value for value in values if not isnan(value)]
        total = sum(values)
    if not values:
        return None
    merged = _MERGED[name]
    return round(max(values) if merged is _highest else values[-1] if merged is _newest else total, 2)


def _total(values: Sequence[float]) -> float:
    return sum(one for one in values if not isnan(one))


def _rounded(value: float) -> float | None:
    return None if isnan(value) else round(value, 2)
