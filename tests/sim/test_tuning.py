"""Tuning: the settings that are tried, the better ones, and the cost of another latency target."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.pricing import NoPrice, configured
from autoscaler.sim.monthly import MonthlyCost
from autoscaler.sim.tuning import MOST_TRIALS, Trial, Tried, advice, combinations, table
from tests.about import about
from tests.sim.report.made import scored

TARGET_S = 60.0


def tried(trial: Trial, late: float, cost: float, p95_s: float = 20.0) -> Tried:
    return Tried(trial, late, p95_s, cost)


CURRENT = tried(Trial(TARGET_S), 0.002, 2.0)


def with_latency(latency_s: float, late: float, cost: float) -> Tried:
    return tried(Trial(latency_s), late, cost)


def with_setting(late: float, cost: float, fields: str = "tolerance=0.2") -> Tried:
    return tried(Trial(TARGET_S, fields), late, cost)


def advised(*others: Tried) -> list[str]:
    return list(advice([CURRENT, *others], TARGET_S))


def test_every_combination_is_tried_and_the_current_settings_first() -> None:
    made = combinations(["acceptable_latency=30s|2m", "tolerance = 0 | 0.2 "], TARGET_S)
    assert made == (
        Trial(60.0),
        Trial(30.0, "tolerance=0"),
        Trial(30.0, "tolerance=0.2"),
        Trial(120.0, "tolerance=0"),
        Trial(120.0, "tolerance=0.2"),
    )
    assert made[2].policy == "ours:tolerance=0.2"


def test_fields_are_combined_with_one_another() -> None:
    assert [trial.policy for trial in combinations(["a=1|2", "b.c=3"], TARGET_S)] == [
        "ours",
        "ours:a=1/b.c=3",
        "ours:a=2/b.c=3",
    ]


def test_nothing_is_tried_twice() -> None:
    assert combinations(["acceptable_latency=60s|1m|60s"], TARGET_S) == (Trial(60.0),)


@pytest.mark.parametrize(
    ("sweeps", "error"),
    [
        (["nonsense"], "'nonsense' is not FIELD=A|B|C"),
        (["=1|2"], "is not FIELD=A|B|C"),
        (["tolerance="], "is not FIELD=A|B|C"),
        (["tolerance=|"], "is not FIELD=A|B|C"),
        (["tolerance=1", "tolerance=2"], "a field occurs twice. Pass all its values in one option"),
        (["acceptable_latency=soon"], "'soon' is not a duration"),
        (["acceptable_latency=30"], "has no unit"),
        ([f"tolerance={'|'.join(map(str, range(MOST_TRIALS + 1)))}"], "there are 201 combinations; the maximum is 200"),
        ([f"{name}={'|'.join(map(str, range(50)))}" for name in "abcdefgh"], "Use fewer values"),
    ],
)
def test_an_invalid_sweep_is_refused_with_the_remedy(sweeps: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error.replace("|", r"\|")):
        combinations(sweeps, TARGET_S)


def test_the_maximum_number_of_combinations_is_accepted() -> None:
    assert len(combinations([f"tolerance={'|'.join(map(str, range(MOST_TRIALS)))}"], TARGET_S)) == MOST_TRIALS + 1


@pytest.mark.parametrize(
    ("trial", "label"),
    [
        (Trial(60.0), "current settings"),
        (Trial(30.0), "acceptable_latency=30s"),
        (Trial(60.0, "a=1/b=2"), "a=1, b=2"),
        (Trial(90.5, "a=1"), "acceptable_latency=90.5s, a=1"),
    ],
)
def test_the_label_of_a_trial_lists_its_differences(trial: Any, label: str) -> None:
    assert trial.label(TARGET_S) == label


def test_the_result_of_a_trial_is_the_mean_over_its_seeds() -> None:
    runs = [
        scored("ours", seed=0, late_fraction=0.1, wait_p95_s=10.0, cost_per_work=1.0),
        scored("ours", seed=1, late_fraction=0.3, wait_p95_s=30.0, cost_per_work=2.0),
    ]
    assert Tried.of(Trial(60.0), runs) == Tried(Trial(60.0), about(0.2), 20.0, 1.5)


def test_the_advice_begins_with_the_current_settings() -> None:
    assert advised() == ["current settings: 0.20 % late, 2.00 x the cost of the work alone"]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (with_latency(90, 0.0, 1.64), "a latency target that is 30 s longer costs 18 % less"),
        (with_latency(30, 0.004, 2.5), "a latency target that is 30 s shorter costs 25 % more"),
        (with_latency(300, 0.0, 2.01), "a latency target that is 240 s longer costs the same"),
        (with_latency(90, 0.005, 1.0), "a latency target that is 30 s longer costs 50 % less"),
        (
            with_latency(30, 0.0051, 3.0),
            "a latency target that is 30 s shorter costs 50 % more; this target is missed: 0.51 % late",
        ),
    ],
)
def test_another_latency_target_is_reported_with_its_cost_and_whether_it_would_be_missed(
    other: Any, sentence: str
) -> None:
    assert advised(other)[1:] == [sentence]


def test_other_latency_targets_are_reported_in_ascending_order() -> None:
    sentences = advised(with_latency(300, 0.0, 1.0), with_latency(30, 0.0, 3.0), with_latency(90, 0.0, 1.5))
    assert [sentence.partition(" costs")[0].partition(" is ")[2] for sentence in sentences[1:]] == [
        "30 s shorter",
        "30 s longer",
        "240 s longer",
    ]


def test_the_cheapest_settings_without_more_late_messages_are_recommended() -> None:
    sentences = advised(
        with_setting(0.002, 1.9, "a=1"), with_setting(0.002, 1.5, "a=2/b=3"), with_setting(0.2, 1.0, "a=3")
    )
    assert sentences[1:] == ["a=2, b=3 costs 25 % less, with no more late messages: 0.20 % late"]


@pytest.mark.parametrize(
    ("late", "cost", "better"),
    [
        (0.002, 1.97, True),
        (0.002, 1.99, False),  # a difference of half a percent is not clear
        (0.0024, 1.5, True),
        (0.0026, 1.5, False),  # more late messages, by over 0.05 percentage points
        (0.0, 2.5, False),
    ],
)
def test_better_settings_are_clearly_cheaper_without_more_late_messages(late: float, cost: float, better: bool) -> None:
    assert ("tolerance=0.2 costs" in advised(with_setting(late, cost))[1]) == better


def test_the_advice_says_that_no_combination_is_better_only_if_settings_were_tried() -> None:
    assert advised(with_setting(0.0, 3.0))[1:] == [
        "no combination is cheaper than the current settings with no more late messages"
    ]
    assert not [line for line in advised(with_latency(90, 0.0, 3.0)) if "no combination" in line]


def test_settings_at_another_latency_target_are_not_recommended_for_the_current_one() -> None:
    assert advised(tried(Trial(300.0, "a=1"), 0.0, 1.0))[1:] == [
        "no combination is cheaper than the current settings with no more late messages"
    ]


def test_a_load_without_messages_gives_no_advice() -> None:
    nothing = tried(Trial(TARGET_S), 0.0, math.nan)
    assert list(advice([nothing, tried(Trial(30.0), 0.0, math.nan)], TARGET_S)) == [
        "the load has no messages: all settings are equal"
    ]
    assert "nan" in list(table([nothing], TARGET_S))[1]


def test_the_table_is_aligned_and_marks_trials_that_no_other_at_the_same_latency_target_beats() -> None:
    lines = list(
        table(
            [
                CURRENT,
                with_setting(0.002, 1.5, "a=1"),
                with_setting(0.001, 2.5, "a=2"),
                with_setting(0.003, 1.6, "a=3"),
                with_latency(300, 0.0, 1.0),
            ],
            TARGET_S,
        )
    )
    marked = {line.split("  ")[0].strip(): line.endswith(" *") for line in lines[1:-1]}
    unmarked = {"current settings": False, "a=3": False}
    assert marked == unmarked | {"a=1": True, "a=2": True, "acceptable_latency=300s": True}
    assert len({len(line.removesuffix(" *")) for line in lines[1:-1]}) == 1
    assert lines[0].split() == ["late", "%", "p95", "wait", "s", "cost", "/", "work"]
    assert lines[1].split()[-3:] == ["0.20", "20.0", "2.00"]
    assert "no other combination with the same latency target" in lines[-1]


def test_equal_trials_do_not_beat_each_other_and_without_a_beaten_trial_there_are_no_marks() -> None:
    lines = list(table([CURRENT, with_setting(0.002, 2.0), with_latency(300, 0.0, 1.0)], TARGET_S))
    assert not [line for line in lines if "*" in line]


def test_with_a_price_the_table_and_the_advice_have_the_dollars_of_a_month() -> None:
    monthly = MonthlyCost(3600.0, configured(0.01))
    base = replace(CURRENT, task_hours=2.0)
    longer = replace(with_latency(120.0, 0.002, 1.0), task_hours=1.0)
    assert [line.split()[-1] for line in table([base, longer], TARGET_S, monthly)] == ["month", "14.40", "7.20"]
    found = list(advice([base, longer], TARGET_S, monthly))
    assert found[0].endswith("2.00 x the cost of the work alone, 1,440 task-hours ($14.40) a month")
    assert found[1] == ("a latency target that is 60 s longer costs 50 % less (720 task-hours ($7.20) a month)")
    unknown = MonthlyCost(3600.0, NoPrice("no list price"))
    assert "$" not in "\n".join([*table([base, longer], TARGET_S, unknown), *advice([base, longer], TARGET_S, unknown)])
