"""`simulate --scenario`: results per scenario, options of the world, and errors with a remedy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autoscaler.cli import main
from autoscaler.cli.kinds import ScenarioList
from autoscaler.cli.worlds import world_of
from autoscaler.sim.chance import StartUp
from autoscaler.sim.experiment import Experiment
from autoscaler.sim.model import Contention, Slow, SpotLoss, WorldSettings
from autoscaler.sim.scenarios import ALL, SCENARIOS
from autoscaler.sim.world.faults import FORMS


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def simulate(*options: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *options], catch_exceptions=False)


def test_the_table_and_the_page_name_the_scenario() -> None:
    result = simulate("--scenario", "rare", "--policy", "ours,static:1", "--report", "r.html")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("rare: ")
    assert "scenario: ten messages an hour for a day" in result.stdout
    assert "scenario: <b>ten messages an hour for a day</b>" in Path("r.html").read_text()
    assert "at risk" in result.stdout


def test_several_scenarios_have_a_table_and_a_page_each() -> None:
    result = simulate(
        "--scenario", "rare,long-batch", "--policy", "static:1", "--report", "r.html", "--json-out", "r.json"
    )
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path().iterdir()} == {"r.json", "r-rare.html", "r-long-batch.html"}
    found = json.loads(Path("r.json").read_text())["scenarios"]
    assert [each["scenario"] for each in found] == ["rare", "long-batch"]
    assert found[0]["sentence"] == SCENARIOS["rare"].sentence
    assert [len(each["results"]) for each in found] == [1, 1]


def test_the_json_has_the_facts_of_a_run() -> None:
    result = simulate("--scenario", "rare", "--policy", "ours,static:1", "--json", "-", "--acceptable-latency", "60s")
    [found] = json.loads(result.stdout)["scenarios"]
    ours, static = found["results"]
    assert ours["peak_tasks"] >= 1
    assert len(ours["late_by_hour"]) == 24
    assert ours["at_risk_s"] is not None
    assert static["at_risk_s"] is None
    assert found["acceptable_latency_s"] == 60


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scenario", "poisn"], "did you mean poison?"),
        (["--scenario", ","], "no scenario is given"),
        (["--scenario", "rare", "--days", "2"], "--scenario and --days: a scenario has its own load"),
        (["--scenario", "rare", "--trace", "a.csv", "--service-time", "constant:1"], "--trace, --service-time"),
        (["--scenario", "rare", "--min-tasks", "5", "--max-tasks", "3"], "--min-tasks 5 is above --max-tasks 3"),
        (["--poison-percent", "5"], "--poison-percent requires --max-receives"),
        (["--fault", "slow:1h"], "not one of: slow:START:END:FACTOR"),
        (["--fault", "slow:2h:1h:3"], "END must be after START"),
        (["--fault", "contention:1h:2h:0"], "LIMIT must be a whole number from 1"),
        (["--fault", "spot-loss:1h:120"], "PERCENT must be a number from 0 to 100"),
        (["--fault", "slow:1:2h:3"], "'1' has no unit"),
    ],
)
def test_invalid_options_exit_with_2(options: list[str], words: str) -> None:
    result = simulate(*options)
    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr


def recorded(monkeypatch: pytest.MonkeyPatch, *options: str) -> Experiment:
    """Return the experiment that the options give, without running it."""
    seen: list[Experiment] = []

    def record(experiment: Experiment, *_: Any) -> list[Any]:
        seen.append(experiment)
        raise ChildProcessError("recorded")

    monkeypatch.setattr("autoscaler.sim.experiment.runs", record)
    assert simulate(*options, "--policy", "static:1").exit_code == 1
    return seen[0]


def test_without_options_the_world_is_that_of_the_scorecard(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = recorded(monkeypatch)
    assert experiment.world == WorldSettings()
    assert experiment.known_concurrency is None


def test_options_of_the_world_change_a_scenario_and_leave_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    world = recorded(monkeypatch, "--scenario", "poison", "--max-receives", "3", "--fault", "slow:1h:2h:3").world
    assert world == replace(SCENARIOS["poison"].world, max_receives=3, faults=(Slow(3600.0, 7200.0, 3.0),))


def test_every_option_of_the_world_has_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    options = (
        "--start-up constant:30 --victims random --task-concurrency 4 --configured-concurrency 1 --prefetch 2 "
        "--delete-on-receipt --poison-percent 10 --max-receives 4 --visibility-timeout 60s --duplicate-percent 5 "
        "--stop-timeout 20s --count-error-percent 15 --count-lag 30s --metrics-late 2m --launches-per-minute 125 "
        "--groups 9 --receive-batch 5 --fault contention:1h:2h:10 --fault spot-loss:3h:50"
    )
    experiment = recorded(monkeypatch, *options.split())
    default = WorldSettings()
    world = experiment.world
    assert experiment.known_concurrency == 1
    assert world.faults == (Contention(3600.0, 7200.0, 10), SpotLoss(10_800.0, 0.5))
    assert world.start_up == StartUp(30.0, 30.0, 30.0)
    unchanged = {name for name in WorldSettings.__slots__ if getattr(world, name) == getattr(default, name)}
    assert unchanged == {"launch_burst", "launch_per_s", "least_billed_s", "crash_after_s", "tasks_at_start"}


def test_help_names_every_scenario_and_fault() -> None:
    shown = " ".join(simulate("--help").output.split())
    missing = [name for name in SCENARIOS if name not in shown]
    assert missing + [form.form(name) for name, form in FORMS.items() if form.form(name) not in shown] == []


def test_the_shell_completes_the_last_name() -> None:
    context: Any = None
    items = ScenarioList().shell_complete(context, context, "rare,slow")
    assert {item.value for item in items} == {f"rare,{name}" for name in SCENARIOS if name.startswith("slow")}
    assert ALL in [item.value for item in ScenarioList().shell_complete(context, context, "a")]


def test_a_world_without_chosen_options_stays() -> None:
    base = SCENARIOS["poison"].world
    assert world_of({}, (), base) == base
