"""Start-up times in the API, on the page and as metrics: the newest revision first, and nothing invented."""

from __future__ import annotations

import json
from dataclasses import replace

from autoscaler.core.model import Missing
from autoscaler.core.start_phases import REMEDIES, StartedTask, StartPhase, start_times, with_started
from autoscaler.ports import Poll, StartReport
from autoscaler.telemetry.page.detail import now
from autoscaler.telemetry.starts import starts_of
from autoscaler.telemetry.views import decisions, services
from tests.telemetry.polls import NOON, decided, scaling_out, seen
from tests.telemetry.scraping import after, scraped

DENIED = Missing("ecs:DescribeTasks was denied; grant the task role ecs:DescribeTasks on the tasks", "denied")


def staged(
    many: int, placing_s: float = 9.0, pulling_s: float = 31.0, booting_s: float = 8.0, revision: str = "orders:7"
) -> tuple[StartedTask, ...]:
    """Return started tasks with these phases. A later revision started later."""
    created = NOON + float(revision.rpartition(":")[2])
    begun = created + placing_s
    ended = begun + pulling_s
    first = len(revision) * 1_000_000 + int(created - NOON) * 1_000
    return tuple(
        StartedTask(first + each, revision, created, ended + booting_s, begun, ended, read_after_s=20.0)
        for each in range(many)
    )


def report(*tasks: StartedTask, gap: Missing | None = None, dropped: int = 0) -> StartReport:
    return StartReport(tuple(map(start_times, reversed(with_started((), tasks)))), gap, dropped)


def poll(of: StartReport | None) -> Poll:
    return replace(scaling_out(), starts=of)


def metric(of: StartReport | None, name: str) -> dict[tuple[str, ...], float]:
    series = scraped(after(poll(of)))
    return {
        tuple(dict(labels)[key] for key in ("phase", "quantile") if key in dict(labels)): value
        for (found, labels), value in series.items()
        if found == name
    }


def test_the_medians_of_each_phase_are_metrics_of_the_newest_revision() -> None:
    both = report(*staged(3, 2.0, 3.0, 4.0, "orders:7"), *staged(4, revision="orders:800"))
    assert metric(both, "autoscaler_task_start_seconds") == {
        ("whole", "0.5"): 48.0, ("whole", "0.9"): 48.0, ("placing", "0.5"): 9.0, ("placing", "0.9"): 9.0,
        ("pulling", "0.5"): 31.0, ("pulling", "0.9"): 31.0, ("booting", "0.5"): 8.0, ("booting", "0.9"): 8.0,
    }  # fmt: skip


def test_a_phase_that_ecs_did_not_record_has_no_sample_and_is_not_zero() -> None:
    untimed = [task._replace(pull_started=None) for task in staged(3)]
    assert {phase for phase, _ in metric(report(*untimed), "autoscaler_task_start_seconds")} == {"whole", "booting"}
    for unknown in (None, StartReport(), report(gap=DENIED)):
        assert metric(unknown, "autoscaler_task_start_seconds") == {}


def test_tasks_that_were_left_out_are_counted_from_zero() -> None:
    assert metric(None, "autoscaler_task_starts_left_out_total") == {(): 0.0}
    assert metric(report(dropped=3), "autoscaler_task_starts_left_out_total") == {(): 3.0}


def test_the_api_and_the_page_have_the_same_times() -> None:
    of = poll(report(*staged(3), *staged(4, 170.0, 5.0, 5.0, "orders:800"), gap=DENIED, dropped=2))
    (status,) = after(of).store.statuses()
    shown = json.loads(json.dumps(starts_of(of.starts)))
    (service,) = services([status], 0.0)["services"]
    assert service["starts"] == decisions((), status)["decisions"][-1]["starts"] == now(status)["starts"] == shown
    newest, older = shown["revisions"]
    assert (newest["revision"], newest["longest"], older["revision"]) == ("orders:800", "placing", "orders:7")
    assert older["text"] == "median 48 s: 9 placing, 31 pulling, 8 booting; a smaller image would help most"
    assert older["remedy"] == REMEDIES[StartPhase.PULLING]
    assert older["phases"]["pulling"] == {"median_s": 31.0, "p90_s": 31.0, "starts": 3}
    assert (shown["gap"], shown["dropped"]) == ("ecs:DescribeTasks was denied", 2)
    assert shown["remedy"] == "grant the task role ecs:DescribeTasks on the tasks"


def test_fast_and_slow_starts_and_health_are_in_the_api() -> None:
    healthy = [task._replace(healthy=True) for task in staged(20, 1.0, 3.0, 4.0)]
    slow = staged(20, 80.0, 5.0, 5.0, "orders:7")
    mixed = [task._replace(task=task.task + 500) for task in slow]
    shown = starts_of(report(*healthy, *mixed))
    assert shown is not None
    (revision,) = shown["revisions"]
    assert revision["kinds"] == {"slow_ratio": 0.5, "fast_s": 8.0, "slow_s": 90.0}
    assert revision["longest"] == "placing", "what makes the slow starts slow"
    assert revision["health"]["text"] == "health checks: 20 of 40 tasks healthy, read 20 s after they ran (median)"


def test_before_the_first_read_nothing_is_shown() -> None:
    (status,) = after(decided(seen())).store.statuses()
    assert starts_of(None) is None
    assert now(status)["starts"] is None
