"""The ten traces of the scorecard, and the sources made from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoscaler.sim.workload import SCORECARD, TraceError
from autoscaler.sim.workload.protocol import source

DAYS = {
    "wc98_flash": 10,
    "diurnal_heavy": 1,
    "weekday": 1,
    "bursty": 2,
    "near_idle": 1,
    "onoff_business": 1,
    "nasa": 12,
    "nab_elb": 3,
    "mooncake": 0,
    "lcg_grid": 1,
}


def test_the_scorecard_uses_one_day_of_each_trace_at_a_mean_of_twenty_tasks() -> None:
    assert {entry.name: entry.from_day for entry in SCORECARD} == DAYS
    assert {(entry.choice.days, entry.choice.mean_tasks) for entry in SCORECARD} == {(1, 20.0)}


@pytest.mark.parametrize("entry", SCORECARD, ids=lambda entry: entry.name)
def test_a_missing_file_is_named_in_the_error(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(TraceError, match=entry.file):
        source(entry, tmp_path)


@pytest.mark.parametrize("entry", SCORECARD, ids=lambda entry: entry.name)
def test_each_trace_is_rescaled_with_its_own_service_times(tmp_path: Path, entry: Any) -> None:
    jobs = entry.service_scale is not None
    header, value = ("t_seconds,service_seconds", 400) if jobs else ("t_seconds,arrivals", 6)
    lines = [f"{at},{value}" for at in range(0, (entry.from_day + 1) * 86_400, 60)]
    (tmp_path / entry.file).write_text("\n".join([header, *lines]))
    drawn = source(entry, tmp_path)
    assert drawn.load().mean_tasks == pytest.approx(20)
    assert drawn.mean_service_s == (4.0 if jobs else 5.0)
    assert drawn.draw(1).history.size == entry.from_day * 1440
