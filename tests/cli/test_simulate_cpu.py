"""`autoscaler simulate --cpu-target` and `--cpu-scenario`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from autoscaler.cli import main


def simulate(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["simulate", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_scenario_gives_a_row_for_each_policy() -> None:
    code, out, _ = simulate("--cpu-scenario", "constant")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:5]] == [
        "ours",
        "target-tracking-cpu",
        "target-tracking-cpu-20s",
    ]
    assert "target 60 %" in out


def test_json_has_the_figures(tmp_path: Path) -> None:
    place = tmp_path / "cpu.json"
    code, out, err = simulate(
        "--cpu-scenario", "step,constant", "--policy", "ours", "--seeds", "2", "--json-out", str(place)
    )
    assert code == 0
    assert "wrote" in err
    assert "above target" in out
    first, second = json.loads(place.read_text())["scenarios"]
    assert (first["scenario"], second["scenario"], first["target_percent"]) == ("step", "constant", 60.0)
    assert [each["seed"] for each in first["results"]] == [0, 1]
    assert first["results"][0].keys() >= {"above_percent", "cost_per_ideal", "reversals_per_day", "writes_per_day"}


def test_the_load_of_a_trace_follows_the_target(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("t_seconds,arrivals\n" + "".join(f"{60 * at},{60 + at % 7}\n" for at in range(180)))
    options = ("--trace", str(trace), "--mean-tasks", "6", "--policy", "ours", "--json", "-")
    peaks = []
    for target in ("60", "30"):
        code, out, _ = simulate("--cpu-target", target, *options)
        assert code == 0
        peaks.append(json.loads(out)["results"][0]["peak_tasks"])
    assert peaks[1] > 1.6 * peaks[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cpu-scenario", "stp"), "did you mean step"),
        (("--cpu-target", "60", "--prefetch", "2"), "--prefetch: not for a service that follows its CPU"),
        (("--cpu-scenario", "step", "--mean-tasks", "3"), "--cpu-scenario and --mean-tasks"),
        (("--cpu-scenario", "step", "--policy", "keda"), "not a policy for CPU"),
        (("--cpu-scenario", "step", "--min-tasks", "9", "--max-tasks", "8"), "--min-tasks 9 is above"),
        (("--cpu-target", "60", "--trace", "none.csv"), "none.csv"),
    ],
)
def test_wrong_options_end_with_code_2_and_the_remedy(arguments: tuple[str, ...], message: str) -> None:
    code, _, err = simulate(*arguments)
    assert code == 2
    assert message in err
