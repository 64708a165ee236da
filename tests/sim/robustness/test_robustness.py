"""The robustness page: what is measured, when a criterion is met, and what the page and the command write."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autoscaler.sim.scenarios import SCENARIOS
from bench.robustness.__main__ import main
from bench.robustness.criteria import CRITERIA, judged, start_up_fits
from bench.robustness.making import LATENCIES_S, RobustnessCell, RobustnessRun, cells, jobs, made
from bench.robustness.page import page


def cell(policy: str = "ours", **changed: Any) -> RobustnessCell:
    """Return a cell of the scenario poison at 60 s that meets every criterion."""
    fields = {
        "scenario": "poison",
        "latency_s": 60.0,
        "late": 0.0,
        "worst_late_s": 0.0,
        "cost_per_work": 1.5,
        "peak_tasks": 9,
        "limited_peak": 0,
        "noticed": True if policy == "ours" else None,
        "groundless": 0,
        "late_by_hour": (0,),
    }
    return RobustnessCell(**dict[str, Any]({"policy": policy} | fields | changed))


def failing(*of: RobustnessCell) -> list[int]:
    """Return the numbers of the criteria that are not met."""
    return [number for number, each in enumerate(judged(of)) if each.verdict == "not met"]


LATE, BATCH, EARLY, COST, GROUNDLESS, CHASE, SILENT = range(7)


def test_a_good_result_fails_no_criterion() -> None:
    assert failing(cell(), cell("keda")) == []
    assert [each.verdict for each in judged([])] == ["no case"] * len(CRITERIA)


@pytest.mark.parametrize(
    ("late", "best", "met"), [(0.005, 0.0, True), (0.006, 0.0, False), (0.02, 0.01, True), (0.021, 0.01, False)]
)
def test_late_is_compared_with_half_a_percent_and_twice_the_best_peer(late: float, best: float, met: bool) -> None:
    found = failing(cell(late=late), cell("keda", late=best), cell("wpa", late=0.5))
    assert (LATE not in found) is met


def test_a_start_up_that_does_not_fit_into_the_latency_excuses_lateness() -> None:
    assert [start_up_fits("slow-start", latency_s) for latency_s in LATENCIES_S] == [False, True, True]
    assert [start_up_fits("two-start-ups", latency_s) for latency_s in LATENCIES_S] == [False, True, True]
    assert [start_up_fits("poison", latency_s) for latency_s in (54.0, 55.0)] == [False, True]
    late = cell(scenario="slow-start", late=0.9)
    assert failing(late, cell("keda", scenario="slow-start")) == []


@pytest.mark.parametrize(("latency_s", "late", "met"), [(300.0, 0.2, True), (300.0, 0.21, False), (900.0, 0.01, False)])
def test_the_batch_has_its_own_limits(latency_s: float, late: float, met: bool) -> None:
    assert (BATCH not in failing(cell(scenario="long-batch", latency_s=latency_s, late=late))) is met


def test_deletion_on_receipt_has_its_own_limit() -> None:
    assert EARLY not in failing(cell(scenario="delete-on-receipt", late=0.01))
    assert EARLY in failing(cell(scenario="delete-on-receipt", late=0.011))


def test_only_a_peer_that_is_no_later_limits_the_cost() -> None:
    cheap = cell("keda", cost_per_work=0.9)
    assert COST in failing(cell(), cheap)
    assert COST in failing(cell(), cheap._replace(late=0.0005))
    assert COST not in failing(cell(), cheap._replace(late=0.0006))
    assert COST not in failing(cell(), cheap._replace(cost_per_work=1.0))


def test_a_groundless_scale_out_fails() -> None:
    assert failing(cell(groundless=1)) == [GROUNDLESS]


@pytest.mark.parametrize(("tasks", "met"), [(20, True), (21, False)])
def test_a_bottleneck_permits_twice_its_limit(tasks: int, met: bool) -> None:
    assert (CHASE not in failing(cell(scenario="bottleneck", limited_peak=tasks))) is met


def test_a_missed_target_requires_a_notice() -> None:
    assert SILENT in failing(cell(late=0.006, noticed=False))
    assert SILENT not in failing(cell(late=0.006))
    assert SILENT not in failing(cell(late=0.005, noticed=False))


def test_cells_are_means_of_shares_and_extremes_of_the_rest() -> None:
    first = RobustnessRun("poison", 60.0, "ours", 0, 0.1, 5.0, 2.0, 7, 0, noticed=True, groundless=0, late_by_hour=(3,))
    [mean] = cells([first, first._replace(seed=1, late=0.3, cost_per_work=4.0, peak_tasks=9, noticed=False)])
    assert (mean.late, mean.cost_per_work, mean.peak_tasks, mean.noticed) == (0.2, 3.0, 9, False)


def test_a_peer_without_a_latency_runs_once_and_is_measured_with_each() -> None:
    work = jobs(["rare"], LATENCIES_S, ["keda", "keda:latency"], [0])
    assert [len(job.latencies_s) for job in work] == [3, 1, 1, 1]
    found = list(made(work[:1], lambda _: None, 1))
    assert [run.latency_s for run in found] == list(LATENCIES_S)
    assert [run.late for run in found] == sorted((run.late for run in found), reverse=True)


def test_the_page_has_a_row_for_each_scenario_and_names_what_is_silent() -> None:
    silent = cell(scenario="rare", late=0.25, noticed=False, late_by_hour=(4, 0, 1_000))
    text = page([cell(), cell("keda", late=0.5), silent], 1, 61.0)
    assert "in 1 minute, with 1 seed" in text
    assert "| poison | 0 % | – | 1.50 | 9 | yes | 50.00 %, –, 1.50, 9 |" in text
    assert "| rare | 25.00 % | – | 1.50 | 9 | no | – |" in text
    assert "| rare | 60 s | 25.00 % | 4, 0, 1,000 |" in text
    assert f"| `rare` | {SCENARIOS['rare'].sentence} |" in text


def test_a_part_is_printed_and_a_page_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    part = ["--scenario", "rare", "--latency", "300", "--policy", "ours,keda", "--seeds", "1", "--jobs", "1"]
    assert main([*part, "--json", "r.json"]) == 0
    assert re.search(r"(?m)^\| rare \| 0 % ", capsys.readouterr().out)
    assert [run["policy"] for run in json.loads(Path("r.json").read_text())] == ["ours", "keda"]
    assert main([*part, "--out", "part.md"]) == 0
    assert "# Robustness" in Path("part.md").read_text()


@pytest.mark.parametrize(
    "options", [["--scenario", "poisn"], ["--latency", "soon"], ["--policy", "x"], ["--seeds", "0"]]
)
def test_invalid_options_exit_with_2(options: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
