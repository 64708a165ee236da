"""The ten traces of the scorecard: the chosen day of each, and the rescaling. The data belong to their publishers.

Count files use a fixed distribution of service times. The one job file has its own service times, divided by 100: grid
jobs of two hours become jobs of about a minute, as on Fargate. Its arrivals do not change: divided too, its four days
would take less than an hour, and there would be no second day.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoscaler.sim.chance import DurationDistribution
from autoscaler.sim.workload.choosing import Choice
from autoscaler.sim.workload.drawing import Counted, RecordedJobs, by_count, by_job, read_counts, read_jobs
from autoscaler.sim.workload.trace import Progress, silent

MEAN_TASKS = 20.0

SERVICE = DurationDistribution("lognormal", 5.0, 1.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One day of a trace; days count from 0. `service_scale` None: a count file. Otherwise: a job file whose service
    times are multiplied by it.
    """

    name: str
    file: str
    from_day: int
    service_scale: float | None = None

    @property
    def choice(self) -> Choice:
        return Choice(self.from_day, 1, MEAN_TASKS)


SCORECARD = (
    Entry("wc98_flash", "wc98_flash_1min_18d.csv", 10),
    Entry("diurnal_heavy", "azfn2019_diurnal_heavy_1min_14d.csv", 1),
    Entry("weekday", "azfn2019_weekday_1min_14d.csv", 1),
    Entry("bursty", "azfn2019_bursty_1min_14d.csv", 2),
    Entry("near_idle", "azfn2019_near_idle_1min_14d.csv", 1),
    Entry("onoff_business", "azfn2019_onoff_business_1min_14d.csv", 1),
    Entry("nasa", "nasa_http_1min_58d.csv", 12),
    Entry("nab_elb", "nab_elb_5min_14d.csv", 3),
    Entry("mooncake", "mooncake_conv_1s_1h.csv", 0),
    Entry("lcg_grid", "lcg_grid_jobs_4d.csv", 1, service_scale=0.01),
)


def source(entry: Entry, folder: Path, on_progress: Progress = silent) -> Counted | RecordedJobs:
    """Return the source of the entry from its file in `folder`. Raise `TraceError` if it is missing or invalid."""
    path = folder / entry.file
    if entry.service_scale is None:
        return by_count(read_counts(path, on_progress), entry.choice, SERVICE)
    return by_job(read_jobs(path, on_progress), entry.choice, entry.service_scale)
