"""The sensitivity table: the days of each trace, and the rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.errors import ConfigError
from autoscaler.sim.workload.protocol import Entry
from bench.scorecard.sensitivity import VARIATIONS, SensitivityCell, Variation, main, measured, page
from tests.sim.report.made import GOOD

TWO_DAYS = Entry("short", "short.csv", 0)


def trace(folder: Path, days: int) -> None:
    """Write a trace with a message every five minutes."""
    rows = "".join(f"{at},1\n" for at in range(0, days * 86_400, 300))
    (folder / "short.csv").write_text(f"t_seconds,arrivals\n{rows}", encoding="utf-8")


def test_the_names_of_the_variations_are_unique() -> None:
    assert len({each.name for each in VARIATIONS}) == len(VARIATIONS)


@pytest.mark.parametrize("days", [1, 2])
def test_a_trace_that_ends_before_the_later_day_uses_its_last_day(tmp_path: Path, days: int) -> None:
    trace(tmp_path, days)
    later = Variation("later", (300.0,), mean_tasks=0.05, later_days=5)
    [cell] = measured(tmp_path, [later], [TWO_DAYS], lambda _: None)
    assert cell[:3] == ("later", "short", 300.0)
    assert cell.score.cost_per_oracle >= 0.99


def test_a_row_is_the_mean_of_its_traces_and_names_the_worst_trace() -> None:
    cells = [
        SensitivityCell("as is", "calm", 60.0, replace(GOOD, late_fraction=0.0, cost_per_work=1.0)),
        SensitivityCell("as is", "wild", 60.0, replace(GOOD, late_fraction=0.02, cost_per_work=4.0)),
    ]
    [row] = [line for line in page(cells, 60.0).splitlines() if line.startswith("| as is")]
    assert row.startswith("| as is | 60 s | 1.000% | 2.00% (wild) | 2.00 | ")


def test_an_unknown_variation_or_missing_trace_is_named_in_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--traces", str(tmp_path), "--only", "start-up 21 s"])
    assert "'start-up 21 s' is not one of" in capsys.readouterr().err
    assert main(["--traces", str(tmp_path), "--only", "start-up 20 s", "--out", str(tmp_path / "page.md")]) == 2
    assert "TRACES=FOLDER" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        measured(tmp_path, VARIATIONS[:1], [TWO_DAYS], lambda _: None)
