"""`python -m tests.core.forecast.skill --traces FOLDER`: how much better than last value look-ahead is, on real loads.

Of each trace with a week or more, all days but the last three are fed as history; then every minute is forecast from
the minutes before it, and its error is held against that of the newest count. Traces of five minutes are spread
evenly over their minutes, spoken of only where an interval is over, and scored by the sum of an interval, 15 minutes
ahead only. `--skip DAYS` scores three days that are so much earlier: look there while choosing, at the last ones to
confirm.
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
BARS = {2: 0.65, 15: 0.60}
NEVER_ABOVE = 1.05
EPOCH_MINUTE = 1440 * 7 * 2800
"""Any minute will do: traces know no date."""


class Trace(NamedTuple):
    name: str
    step: int
    """Minutes in an interval."""
    counts: list[float | None]
    """By interval."""

    @property
    def days(self) -> float:
        return len(self.counts) * self.step / DAY

    @property
    def minutes(self) -> list[float | None]:
        return [None if count is None else count / self.step for count in self.counts for _ in range(self.step)]


class Scored(NamedTuple):
    ratios: dict[int, float]
    """Mean absolute error by that of last value, by horizon in minutes."""
    useful: float
    """The share of minutes at which the look-ahead was on."""
    covered: dict[int, float]
    """The share of minutes that came at or below the upper bound of 0.9, by horizon."""
    recall: dict[int, float]
    """The share of burst minutes that were forecast as bursts, by horizon."""
    false_alarms: dict[int, float]
    """The share of forecast bursts at which none came."""
    methods: str
    microseconds: float


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def read(path: Path) -> Trace | None:
    """None where it is no trace of counts per minute or a multiple of one."""
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
    return Trace(path.stem, step_s // 60, counts)


def outlooks(trace: Trace, first: int, last: int) -> Iterator[tuple[int, Outlook, float]]:
    """After each interval of first..last: its number, what is said then, and the seconds that a minute took."""
    forecaster, minutes = Forecaster(), trace.minutes
    forecaster.see_all(EPOCH_MINUTE, minutes[: first * trace.step])
    for interval in range(first, last):
        began = time.process_time()
        for minute in range(interval * trace.step, (interval + 1) * trace.step):
            count = minutes[minute]
            forecaster.see(EPOCH_MINUTE + minute, math.nan if count is None else count)
        outlook = forecaster.outlook()
        assert outlook is not None, "days of history, and nothing to say"
        yield interval, outlook, (time.process_time() - began) / trace.step


def scored(trace: Trace, skip_days: int) -> Scored:
    last = len(trace.counts) - skip_days * DAY // trace.step
    first = last - SCORED_DAYS * DAY // trace.step
    said = list(outlooks(trace, first, last))
    horizons = [horizon for horizon in (*HORIZONS, 3) if horizon % trace.step == 0]
    pairs = {horizon: list(_pairs(trace, said, horizon)) for horizon in horizons}
    burst = 3.0 * fmean(count for count in trace.counts[:first] if count is not None)
    methods = sorted({(sum(o.method == name for _, o, _ in said), name) for name in {o.method for _, o, _ in said}})
    return Scored(
        ratios={h: _ratio(pairs[h]) for h in HORIZONS if h in pairs},
        useful=fmean(outlook.useful for _, outlook, _ in said),
        covered={h: fmean(came <= upper for _, came, _, upper in pairs[h]) for h in pairs},
        recall={h: _share([e > burst for e, came, _, _ in pairs[h] if came > burst]) for h in pairs},
        false_alarms={h: _share([came <= burst for e, came, _, _ in pairs[h] if e > burst]) for h in pairs},
        methods=" ".join(f"{name} {times / len(said):.0%}" for times, name in reversed(methods)),
        microseconds=fmean(seconds for *_, seconds in said) * 1e6,
    )


def _pairs(
    trace: Trace, said: Sequence[tuple[int, Outlook, float]], horizon: int
) -> Iterator[tuple[float, float, float, float]]:
    """Expected, came, last value, and the upper bound of 0.9 of the interval that ends `horizon` minutes after."""
    for interval, outlook, _ in said:
        now, then = trace.counts[interval], interval + horizon // trace.step
        came = trace.counts[then] if then < len(trace.counts) else None
        if now is None or came is None:
            continue
        expected = sum(outlook.expected[horizon - trace.step : horizon])
        yield expected, came, now, outlook.upper(horizon, 0.9) * trace.step


def _ratio(pairs: Sequence[tuple[float, float, float, float]]) -> float:
    return sum(abs(e - came) for e, came, _, _ in pairs) / sum(abs(now - came) for _, came, now, _ in pairs)


def _share(hits: Sequence[bool]) -> float:
    return fmean(hits) if hits else math.nan


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(fmean(math.log(value) for value in values))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--traces", type=Path, required=True, help="folder of t_seconds,arrivals files")
    arguments.add_argument("--skip", type=int, default=0, help="days at the end that are not looked at")
    chosen = arguments.parse_args()
    columns = f"{'2 min':>7} {'15 min':>7} {'useful':>7} {'<=q.9 2':>8} {'<=q.9 15':>9}"
    _tell(f"{'trace':36} {columns}  bursts hit, false at 2 and 3 min    us  methods at 2 min")
    all_ratios: dict[int, list[float]] = {horizon: [] for horizon in HORIZONS}
    for path in sorted(chosen.traces.glob("*.csv")):
        trace = read(path)
        if trace is None or trace.days < 7:
            continue
        found = scored(trace, chosen.skip)
        for horizon, ratio in found.ratios.items():
            all_ratios[horizon].append(ratio)
        _tell(_line(trace.name, found))
    means = {horizon: _geometric_mean(ratios) for horizon, ratios in all_ratios.items()}
    _tell(f"{'geometric mean':36} {means[2]:7.3f} {means[15]:7.3f}")
    worst = max(max(ratios) for ratios in all_ratios.values())
    kept = all(means[horizon] <= bar for horizon, bar in BARS.items()) and worst <= NEVER_ABOVE
    _tell(f"{'worst of all':36} {worst:7.3f}; the bars {BARS} and {NEVER_ABOVE} are {'met' if kept else 'NOT met'}")
    raise SystemExit(not kept)


def _line(name: str, found: Scored) -> str:
    ratios = " ".join(f"{found.ratios.get(horizon, math.nan):7.3f}" for horizon in HORIZONS)
    covered = f"{found.covered.get(2, math.nan):8.3f} {found.covered[15]:9.3f}"
    bursts = "  ".join(
        f"{found.recall.get(h, math.nan):7.0%} {found.false_alarms.get(h, math.nan):6.0%}" for h in (2, 3)
    )
    return f"{name:36} {ratios} {found.useful:7.0%} {covered}  {bursts}  {found.microseconds:6.0f}  {found.methods}"


if __name__ == "__main__":
    main()
