"""The cost per month and the saving: the same figures in the terminal, on the page and in the JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from autoscaler.cli.delivering import Result, deliver
from autoscaler.pricing import NoPrice, configured
from autoscaler.sim.report.comparison import Saving, Study, measures, saving
from autoscaler.sim.report.html import page
from autoscaler.sim.report.table import lines
from autoscaler.sim.score import RunFacts, ScoredRun
from tests.sim.report.made import judged, scored, study

PRICE = configured(0.1)


def costing(policy: str, hours: float, late: float = 0.0, seed: int = 1) -> ScoredRun:
    return replace(scored(policy, seed=seed, late_fraction=late), facts=RunFacts(task_hours=hours))


def of(*runs: ScoredRun, price: object = PRICE) -> Study:
    """Return a study of a tenth of an hour: a month is 7,200 times as long."""
    made = judged(*runs)
    return replace(made, workload=replace(made.workload, length_s=360.0), price=price)  # type: ignore[arg-type]


def saved(made: Study) -> Saving:
    found = saving(made)
    assert found is not None
    return found


def test_the_saving_is_the_difference_of_the_billed_task_hours_per_month_times_the_price() -> None:
    found = saved(of(costing("ours", 1.0, 0.001), costing("target-tracking", 1.5, 0.2)))
    assert found.task_hours == pytest.approx(0.5 * 7200)
    assert found.dollars == pytest.approx(0.5 * 7200 * 0.1)
    assert found.sentence == (
        "You would save 3,600 task-hours ($360) a month compared with target-tracking (0.10 % late instead of 20.00 %)."
    )


def test_a_higher_cost_is_stated_as_plainly_as_a_saving() -> None:
    found = saved(of(costing("ours", 1.5), costing("keda", 1.0, 0.3)))
    assert found.dollars == pytest.approx(-360)
    assert found.sentence == (
        "You would spend 3,600 task-hours ($360) a month more than with keda (0 % late instead of 30.00 %)."
    )


def test_a_difference_below_half_a_percent_is_no_saving() -> None:
    assert saved(of(costing("ours", 0.996), costing("keda", 1.0))).sentence.startswith("The cost is the same as with")
    assert saved(of(costing("ours", 0.994), costing("keda", 1.0))).sentence.startswith("You would save 43.2 task-hours")


def test_it_is_stated_against_target_tracking_else_against_the_first_peer() -> None:
    keda, usual = costing("keda", 2.0), costing("target-tracking", 3.0)
    limit = costing("clairvoyant", 0.5)
    assert saved(of(costing("ours", 1.0), limit, keda, usual)).against == "target-tracking"
    assert saved(of(costing("ours", 1.0), limit, keda)).against == "keda"
    assert saving(of(costing("ours", 1.0), limit)) is None
    assert saving(of(keda, usual)) is None


def test_several_seeds_are_compared_over_those_that_both_have() -> None:
    runs = [costing("ours", 1.0, seed=1), costing("ours", 2.0, seed=2), costing("keda", 1.4, seed=1)]
    assert saved(of(*runs)).task_hours == pytest.approx(0.4 * 7200)


def test_without_a_price_there_are_task_hours_and_the_reason() -> None:
    made = of(costing("ours", 1.0), costing("keda", 2.0), price=NoPrice("no list price", "pass --task-price"))
    assert saved(made).dollars is None
    assert "You would save 7,200 task-hours a month compared with keda" in saved(made).sentence
    text = "\n".join(line.plain for line in lines(made))
    assert "no dollars: no list price; pass --task-price" in text
    assert "task-hours" in text.splitlines()[3]


def test_without_any_price_option_nothing_changes() -> None:
    made = of(costing("ours", 1.0), costing("keda", 2.0), price=None)
    assert "task-hour" not in "\n".join(line.plain for line in lines(made))
    assert 'class="money"' not in page(made)


def test_terminal_page_and_json_have_the_same_saving(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = study(hours=6, mean_tasks=3)
    runs = tuple(replace(run, facts=replace(run.facts, task_hours=7.0 + index)) for index, run in enumerate(plain.runs))
    made = replace(plain, runs=runs, price=PRICE)
    deliver([Result(made)], tmp_path / "r.json", tmp_path / "r.html")
    document = json.loads((tmp_path / "r.json").read_text())
    sentence = saved(made).sentence
    assert sentence.startswith("You would save ")
    assert document["saving"]["sentence"] == sentence
    assert sentence in capsys.readouterr().out
    assert sentence in unescape((tmp_path / "r.html").read_text())
    own, other = (
        next(one["dollars_per_month"] for one in document["results"] if one["policy"] == name)
        for name in ("ours", "target-tracking")
    )
    assert document["saving"]["dollars_per_month"] == pytest.approx(other - own)
    assert document["task_price"]["dollars_per_task_hour"] == 0.1


def test_the_column_of_the_table_has_the_dollars_of_a_month() -> None:
    made = of(costing("ours", 1.0), costing("target-tracking", 0.01))
    column = next(each for each in measures(made) if each.title == "$ / month")
    assert [column.text(column.of(run)) for run in made.runs] == ["720", "7"]
    cheap = of(costing("ours", 0.01), costing("target-tracking", 0.1))
    column = next(each for each in measures(cheap) if each.title == "$ / month")
    assert [column.text(column.of(run)) for run in cheap.runs] == ["7.20", "72.00"]
