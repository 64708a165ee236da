"""Tuning: which settings are tried, which is better, and what another promise would cost, in plain words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autoscaler.sim.tuning import MOST_TRIALS, Trial, Tried, advice, combinations, table
from tests.about import about
from tests.sim.report.made import scored

PROMISED_S = 60.0


def tried(trial: Trial, late: float, cost: float, p95_s: float = 20.0) -> Tried:
    return Tried(trial, late, p95_s, cost)


AS_IT_IS = tried(Trial(PROMISED_S), 0.002, 2.0)


def promise(latency_s: float, late: float, cost: float) -> Tried:
    return tried(Trial(latency_s), late, cost)


def setting(late: float, cost: float, fields: str = "tolerance=0.2") -> Tried:
    return tried(Trial(PROMISED_S, fields), late, cost)


def told(*others: Tried) -> list[str]:
    return list(advice([AS_IT_IS, *others], PROMISED_S))


def test_every_combination_is_tried_and_the_settings_as_they_are_first() -> None:
    made = combinations(["acceptable_latency=30s|2m", "tolerance = 0 | 0.2 "], PROMISED_S)
    assert made == (
        Trial(60.0),
        Trial(30.0, "tolerance=0"),
        Trial(30.0, "tolerance=0.2"),
        Trial(120.0, "tolerance=0"),
        Trial(120.0, "tolerance=0.2"),
    )
    assert made[2].policy == "ours:tolerance=0.2"


def test_fields_are_combined_with_one_another() -> None:
    assert [trial.policy for trial in combinations(["a=1|2", "b.c=3"], PROMISED_S)] == [
        "ours",
        "ours:a=1/b.c=3",
        "ours:a=2/b.c=3",
    ]


def test_nothing_is_tried_twice() -> None:
    assert combinations(["acceptable_latency=60s|1m|60s"], PROMISED_S) == (Trial(60.0),)


@pytest.mark.parametrize(
    ("sweeps", "told"),
    [
        (["nonsense"], "'nonsense' is no sweep: write FIELD=A|B|C"),
        (["=1|2"], "no sweep"),
        (["tolerance="], "no sweep"),
        (["tolerance=|"], "no sweep"),
        (["tolerance=1", "tolerance=2"], "swept twice: give all its values at once"),
        (["acceptable_latency=soon"], "'soon' is not a duration"),
        (["acceptable_latency=30"], "has no unit"),
        ([f"tolerance={'|'.join(map(str, range(MOST_TRIALS + 1)))}"], "201 combinations are more than 200"),
        ([f"{name}={'|'.join(map(str, range(50)))}" for name in "abcdefgh"], "sweep fewer values at once"),
    ],
)
def test_what_is_no_sweep_is_refused_with_the_remedy(sweeps: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("|", r"\|")):
        combinations(sweeps, PROMISED_S)


def test_as_many_as_are_allowed_are_tried() -> None:
    assert len(combinations([f"tolerance={'|'.join(map(str, range(MOST_TRIALS)))}"], PROMISED_S)) == MOST_TRIALS + 1


@pytest.mark.parametrize(
    ("trial", "label"),
    [
        (Trial(60.0), "as it is"),
        (Trial(30.0), "acceptable_latency=30s"),
        (Trial(60.0, "a=1/b=2"), "a=1, b=2"),
        (Trial(90.5, "a=1"), "acceptable_latency=90.5s, a=1"),
    ],
)
def test_a_trial_is_called_by_what_is_other_in_it(trial: Any, label: str) -> None:
    assert trial.label(PROMISED_S) == label


def test_a_trial_comes_to_its_mean_over_the_seeds() -> None:
    runs = [
        scored("ours", seed=0, late_fraction=0.1, wait_p95_s=10.0, cost_per_work=1.0),
        scored("ours", seed=1, late_fraction=0.3, wait_p95_s=30.0, cost_per_work=2.0),
    ]
    assert Tried.of(Trial(60.0), runs) == Tried(Trial(60.0), about(0.2), 20.0, 1.5)


def test_the_advice_begins_with_how_it_is() -> None:
    assert told() == ["as it is: 0.20 % late, 2.00 x the cost of the work alone"]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (promise(90, 0.0, 1.64), "30 s more latency would cost 18 % less"),
        (promise(30, 0.004, 2.5), "30 s less latency would cost 25 % more"),
        (promise(300, 0.0, 2.01), "240 s more latency would cost the same"),
        (promise(90, 0.005, 1.0), "30 s more latency would cost 50 % less"),
        (promise(30, 0.0051, 3.0), "30 s less latency would cost 50 % more; it would not be kept: 0.51 % late"),
    ],
)
def test_another_promise_is_told_by_its_price_and_whether_it_would_be_kept(other: Any, sentence: str) -> None:
    assert told(other)[1:] == [sentence]


def test_promises_are_told_from_the_shortest_on() -> None:
    sentences = told(promise(300, 0.0, 1.0), promise(30, 0.0, 3.0), promise(90, 0.0, 1.5))
    assert [sentence.split(" latency")[0] for sentence in sentences[1:]] == ["30 s less", "30 s more", "240 s more"]


def test_the_cheapest_of_what_is_no_later_is_recommended() -> None:
    sentences = told(setting(0.002, 1.9, "a=1"), setting(0.002, 1.5, "a=2/b=3"), setting(0.2, 1.0, "a=3"))
    assert sentences[1:] == ["a=2, b=3 would cost 25 % less, and be no later: 0.20 % late"]


@pytest.mark.parametrize(
    ("late", "cost", "better"),
    [
        (0.002, 1.97, True),
        (0.002, 1.99, False),  # half a percent is nothing
        (0.0024, 1.5, True),
        (0.0026, 1.5, False),  # later by more than five in ten thousand
        (0.0, 2.5, False),
    ],
)
def test_better_is_clearly_cheaper_and_no_later(late: float, cost: float, better: bool) -> None:
    assert ("tolerance=0.2 would cost" in told(setting(late, cost))[1]) == better


def test_where_nothing_is_better_that_is_said_and_only_where_settings_were_tried() -> None:
    assert told(setting(0.0, 3.0))[1:] == [
        "nothing that was tried is cheaper and no later than the settings as they are"
    ]
    assert not [line for line in told(promise(90, 0.0, 3.0)) if "nothing" in line]


def test_settings_at_another_promise_are_no_advice_for_this_one() -> None:
    assert told(tried(Trial(300.0, "a=1"), 0.0, 1.0))[1:] == [
        "nothing that was tried is cheaper and no later than the settings as they are"
    ]


def test_without_work_nothing_is_advised() -> None:
    nothing = tried(Trial(PROMISED_S), 0.0, math.nan)
    assert list(advice([nothing, tried(Trial(30.0), 0.0, math.nan)], PROMISED_S)) == [
        "no work comes: no settings are better than others"
    ]
    assert "nan" in list(table([nothing], PROMISED_S))[1]


def test_the_table_is_aligned_and_marks_what_no_other_of_its_promise_beats() -> None:
    lines = list(
        table(
            [
                AS_IT_IS,
                setting(0.002, 1.5, "a=1"),
                setting(0.001, 2.5, "a=2"),
                setting(0.003, 1.6, "a=3"),
                promise(300, 0.0, 1.0),
            ],
            PROMISED_S,
        )
    )
    marked = {line.split("  ")[0].strip(): line.endswith(" *") for line in lines[1:-1]}
    assert marked == {"as it is": False, "a=1": True, "a=2": True, "a=3": False, "acceptable_latency=300s": True}
    assert len({len(line.removesuffix(" *")) for line in lines[1:-1]}) == 1
    assert lines[0].split() == ["late", "%", "p95", "wait", "s", "cost", "/", "work"]
    assert lines[1].split()[-3:] == ["0.20", "20.0", "2.00"]
    assert "no other of the same promise" in lines[-1]


def test_two_that_are_equal_do_not_beat_each_other_and_marks_that_say_nothing_are_left_out() -> None:
    lines = list(table([AS_IT_IS, setting(0.002, 2.0), promise(300, 0.0, 1.0)], PROMISED_S))
    assert not [line for line in lines if "*" in line]
