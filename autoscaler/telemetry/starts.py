"""Where the start-up time of a service's tasks goes, as JSON: for the API, `explain`, `doctor` and the page."""

from __future__ import annotations

from typing import Any

from autoscaler.core.advice import split
from autoscaler.core.start_phases import REMEDIES, Quantiles, StartTimes
from autoscaler.ports import StartReport


def starts_of(report: StartReport | None) -> dict[str, Any] | None:
    """Return the start-up times of each revision, the newest first (None: nothing was read yet). `gap`, `remedy`: why
    the last read failed, and what to do (None: it did not). `dropped`: the tasks whose times cannot be used.
    """
    if report is None:
        return None
    gap = None if report.gap is None else split(report.gap.reason)
    return {
        "revisions": [_revision(times) for times in report.times],
        "dropped": report.dropped,
        "gap": None if gap is None else gap.cause,
        "remedy": None if gap is None else gap.remedy,
    }


def _revision(times: StartTimes) -> dict[str, Any]:
    """`text`: the medians in words, with the advice. `longest`: the phase that takes the most time, and `remedy` what
    makes it shorter (None: there is nothing to advise). `kinds`: fast and slow starts (None: one kind).
    """
    longest, modes, health = times.longest, times.modes, times.health
    return {
        "revision": times.revision,
        "text": times.sentence,
        "whole": _quantiles(times.whole),
        "phases": {str(phase): _quantiles(each) for phase, each in times.phases},
        "longest": None if longest is None else str(longest),
        "remedy": None if longest is None else REMEDIES[longest],
        "kinds": None
        if modes is None
        else {
            "slow_ratio": round(modes.slow_share, 3),
            "fast_s": round(modes.fast_s, 1),
            "slow_s": round(modes.slow_s, 1),
        },
        "health": None if health is None else health._asdict() | {"text": health.sentence},
    }


def _quantiles(times: Quantiles) -> dict[str, float]:
    return {"median_s": round(times.median_s, 1), "p90_s": round(times.p90_s, 1), "starts": times.tasks}
