"""Compare the look-ahead with the last value on real loads: `python -m tests.core.forecast.skill --traces FOLDER`.

Of each trace of a week or more, all days except the last three are the history. Every later minute is forecast from the
minutes before it, and the error is divided by that of the newest count. The counts of a five-minute trace are spread
evenly over its minutes; forecasts are made at the end of each interval and scored by the sum of an interval, 15 minutes
ahead only. `--skip DAYS` scores three days that are DAYS earlier: use these to choose a method, and the last ones to
confirm it.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from autoscaler.core.forecast import Forecaster, Outlook

DAY = 1440
SCORED_DAYS = 3
HORIZONS = (2, 15)
LIMITS = {2: 0.65, 15: 0.60}
WORST_LIMIT = 1.05
EPOCH_MINUTE = 1440 * 7 * 2800
"""An arbitrary minute: traces have no dates."""


class SkillTrace(NamedTuple):
    name: str
    step: int
    """Minutes in an interval."""
    counts: list[float | None]
    """One count per interval; None: missing."""

    @property
    def days(self) -> float:
        return len(self.counts) * self.step / DAY

    @property
    def minutes(self) -> list[float | None]:
        return [None if count is None else count / self.step for count in self.counts for _ in range(self.step)]


class Scored(NamedTuple):
    ratios: dict[int, float]
    """Mean absolute error divided by that of the last value, by horizon in minutes."""
    useful: float
    """The share of forecasts at which the look-ahead was useful."""
    covered: dict[int, float]
    """The share of counts at or below the upper bound of 0.9, by horizon."""
    recall: dict[int, float]
    """The share of bursts that were forecast as bursts, by horizon."""
    false_alarms: dict[int, float]
    """The share of forecast bursts without a burst, by horizon."""
    methods: str
    microseconds: float


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def read(path: Path) -> SkillTrace | None:
    """Return the trace. None: not a trace of counts per minute or per multiple of a minute."""
    with path.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    if len(rows) < 2 or "arrivals" not in rows[0]:
        return None
    times = [int(float(row["t_seconds"])) for row in rows]
    step_s = times[1] - times[0]
    if step_s < 60 or step_s % 60:
        return None
    counts: list[float | None] = [None] * ((times[-1] - times[0]) // step_s + 1)
    for at, row in zip(times, rows, strict=True):
        counts[(at - times[0]) // step_s] = float(row["arrivals"])
    return SkillTrace(path.stem, step_s // 60, counts)


def outlooks(trace: SkillTrace, first: int, last: int) -> Iterator[tuple[int, Outlook, float]]:
    """Yield for each interval in [first, last): its number, the outlook after it, and the CPU seconds per minute."""
    forecaster, minutes = Forecaster(), trace.minutes
    forecaster.see_all(EPOCH_MINUTE, minutes[: first * trace.step])
    for interval in range(first, last):
        began = time.process_time()
        for minute in range(interval * trace.step, (interval + 1) * trace.step):
            count = minutes[minute]
            forecaster.see(EPOCH_MINUTE + minute, math.nan if count is None else count)
        outlook = forecaster.outlook()
        assert outlook is not None, "no outlook after days of history"
        yield interval, outlook, (time.process_time() - began) / trace.step


def scored(trace: SkillTrace, skip_days: int) -> Scored:
    last = len(trace.counts) - skip_days * DAY // trace.step
    first = last - SCORED_DAYS * DAY // trace.step
    forecasts = list(outlooks(trace, first, last))
    horizons = [horizon for horizon in (*HORIZONS, 3) if horizon % trace.step == 0]
    pairs = {horizon: list(_pairs(trace, forecasts, horizon)) for horizon in horizons}
    burst = 3.0 * fmean(count for count in trace.counts[:first] if count is not None)
    methods = sorted(
        {(sum(o.method == name for _, o, _ in forecasts), name) for name in {o.method for _, o, _ in forecasts}}
    )
    return Scored(
        ratios={h: _ratio(pairs[h]) for h in HORIZONS if h in pairs},
        useful=fmean(outlook.useful for _, outlook, _ in forecasts),
        covered={h: fmean(actual <= upper for _, actual, _, upper in pairs[h]) for h in pairs},
        recall={h: _share([e > burst for e, actual, _, _ in pairs[h] if actual > burst]) for h in pairs},
        false_alarms={h: _share([actual <= burst for e, actual, _, _ in pairs[h] if e > burst]) for h in pairs},
        methods=" ".join(f"{name} {times / len(forecasts):.0%}" for times, name in reversed(methods)),
        microseconds=fmean(seconds for *_, seconds in forecasts) * 1e6,
    )


def _pairs(
    trace: SkillTrace, forecasts: Sequence[tuple[int, Outlook, float]], horizon: int
) -> Iterator[tuple[float, float, float, float]]:
    """Yield the expected count, the actual count, the last value and the upper bound of 0.9 of the interval that ends
    `horizon` minutes later.
    """
    for interval, outlook, _ in forecasts:
        now, then = trace.counts[interval], interval + horizon // trace.step
        actual = trace.counts[then] if then < len(trace.counts) else None
        if now is None or actual is None:
            continue
        expected = sum(outlook.expected[horizon - trace.step : horizon])
        yield expected, actual, now, outlook.upper(horizon, 0.9) * trace.step


def _ratio(pairs: Sequence[tuple[float, float, float, float]]) -> float:
    return sum(abs(e - actual) for e, actual, _, _ in pairs) / sum(abs(now - actual) for _, actual, now, _ in pairs)


def _share(hits: Sequence[bool]) -> float:
    return fmean(hits) if hits else math.nan


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(fmean(math.log(value) for value in values))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--traces", type=Path, required=True, help="folder of t_seconds,arrivals files")
    arguments.add_argument("--skip", type=int, default=0, help="number of days at the end to leave out")
    options = arguments.parse_args()
    columns = f"{'2 min':>7} {'15 min':>7} {'useful':>7} {'<=q.9 2':>8} {'<=q.9 15':>9}"
    _print(f"{'trace':36} {columns}  bursts hit, false at 2 and 3 min    us  methods at 2 min")
    all_ratios: dict[int, list[float]] = {horizon: [] for horizon in HORIZONS}
    for path in sorted(options.traces.glob("*.csv")):
        trace = read(path)
        if trace is None or trace.days < 7:
            continue
        found = scored(trace, options.skip)
        for horizon, ratio in found.ratios.items():
            all_ratios[horizon].append(ratio)
        _print(_line(trace.name, found))
    means = {horizon: _geometric_mean(ratios) for horizon, ratios in all_ratios.items()}
    _print(f"{'geometric mean':36} {means[2]:7.3f} {means[15]:7.3f}")
    worst = max(max(ratios) for ratios in all_ratios.values())
    met = all(means[horizon] <= limit for horizon, limit in LIMITS.items()) and worst <= WORST_LIMIT
    _print(f"{'worst of all':36} {worst:7.3f}; the limits {LIMITS} and {WORST_LIMIT} are {'met' if met else 'NOT met'}")
    raise SystemExit(not met)


def _line(name: str, found: Scored) -> str:
    ratios = " ".join(f"{found.ratios.get(horizon, math.nan):7.3f}" for horizon in HORIZONS)
    covered = f"{found.covered.get(2, math.nan):8.3f} {found.covered[15]:9.3f}"
    bursts = "  ".join(
        f"{found.recall.get(h, math.nan):7.0%} {found.false_alarms.get(h, math.nan):6.0%}" for h in (2, 3)
    )
    return f"{name:36} {ratios} {found.useful:7.0%} {covered}  {bursts}  {found.microseconds:6.0f}  {found.methods}"


if __name__ == "__main__":
    main()
