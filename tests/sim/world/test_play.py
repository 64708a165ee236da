"""A run from beginning to end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from autoscaler.sim.model import Breakdown, Outcome, Restart, StartUp, Victims, WorldSettings
from autoscaler.sim.play import OVERTIME_S, play
from tests.sim.world.made import Restless, Script, played, poisson, settings, workload


def everything(seed: int) -> Outcome:
    """A run in which chance has its hand everywhere."""
    world = WorldSettings(
        victims=Victims.RANDOM,
        stop_timeout_s=3.0,
        duplicate_ratio=0.05,
        count_error_ratio=0.2,
        faults=(Breakdown(300.0, 400.0),),
    )
    return play(poisson(7, 0.5, 2000.0), world, seed, Restless(3, 8))


def test_the_same_seed_makes_the_same_run_bit_for_bit() -> None:
    one, other = everything(5), everything(5)
    assert one.received_s.tobytes() == other.received_s.tobytes()
    assert one.lives == other.lives
    assert (one.lost_work_s, one.redelivered, one.ended_s) == (other.lost_work_s, other.redelivered, other.ended_s)
    assert (one.desired, one.running) == (other.desired, other.running)
    assert one.lives != everything(6).lives


def test_a_workload_is_not_touched_by_being_played() -> None:
    load = poisson(7, 0.5, 500.0)
    before = load.arrivals_s.tobytes(), load.service_s.tobytes()
    play(load, settings(), 1, Script())
    assert (load.arrivals_s.tobytes(), load.service_s.tobytes()) == before


def test_the_scaler_ticks_at_every_multiple_of_its_interval_from_0_on() -> None:
    script = Script(interval_s=0.1)
    play(workload([], 1.0, 30.0), settings(), 1, script)
    assert script.ticks == [0.1 * number for number in range(300)]


def test_it_goes_on_until_the_last_message_is_deleted_and_ends_at_that_instant() -> None:
    script = Script()
    outcome = play(workload([590.0], 33.3), settings(), 1, script)
    assert outcome.ended_s == 590.0 + 33.3
    assert script.ticks[-1] == 620.0
    assert [life.stopped_s for life in outcome.lives] == [outcome.ended_s]


def test_it_ends_with_the_days_where_all_is_done_before() -> None:
    for load in (workload([10.0], 5.0), workload([], 1.0)):
        outcome = played(load)
        assert (outcome.ended_s, outcome.lives[0].stopped_s) == (600.0, 600.0)


def test_it_gives_up_a_day_after_the_end() -> None:
    outcome = played(workload([100.0, 200.0], 1.0), {0.0: 0, 150.0: 1, 160.0: 0}, tasks_at_start=0)
    stuck = played(workload([100.0, 200.0], 1.0), {0.0: 0, 140.0: 1, 170.0: 0}, tasks_at_start=0)
    for each in (outcome, stuck):
        assert each.ended_s == 600.0 + OVERTIME_S
        assert np.isnan(each.received_s[-1])
    assert stuck.received_s[0] == 150.0
    script = Script({0.0: 0}, interval_s=1000.0)
    assert play(workload([1500.0], 1.0, 2500.0), settings(), 1, script).ended_s == 2500.0 + OVERTIME_S
    assert script.ticks[-1] == 88_000.0  # of 88,900


def test_a_dead_letter_ends_the_run_too() -> None:
    changed = {"max_receives": 1, "visibility_timeout_s": 53.0, "faults": (Breakdown(0.0, 1000.0),)}
    outcome = played(workload([590.0], 20.0), **dict[str, Any](changed))
    assert (outcome.ended_s, outcome.dead_letters) == (663.0, 1)


def test_a_copy_that_is_killed_after_all_else_is_done_ends_the_run_at_its_kill() -> None:
    changed = {"duplicate_ratio": 1.0, "victims": Victims.RANDOM, "stop_timeout_s": 5.0}
    outcome = played(workload([590.0], 20.0), {620.0: 0}, **dict[str, Any](changed))
    assert (outcome.ended_s, outcome.lost_work_s) == (625.0, 15.0)


def test_what_would_have_been_launched_after_the_end_was_not() -> None:
    outcome = played(workload([590.0], 33.3), {600.0: 5, 620.0: 9}, start_up=StartUp(30.0, 30.0, 30.0))
    assert [life.launched_s for life in outcome.lives] == [0.0] + [600.0] * 4 + [620.0] * 4
    assert {life.stopped_s for life in outcome.lives} == {outcome.ended_s}
    assert {life.up_s for life in outcome.lives[1:]} == {float("inf")}


def test_a_restart_comes_before_the_next_tick() -> None:
    script = Script()
    play(workload([], 1.0), settings(faults=(Restart(15.0), Restart(30.0))), 1, script)
    assert script.restarts == [2, 3]  # after so many ticks


def test_what_is_told_is_kept_with_its_instant() -> None:
    script = Script().looking(lambda world: world.tell(f"at {world.now:g}"))
    outcome = play(workload([], 1.0, 25.0), settings(), 1, script)
    assert outcome.told == ((0.0, "at 0"), (10.0, "at 10"), (20.0, "at 20"))


def test_progress_rises_to_the_whole_and_is_told_about_a_hundred_times() -> None:
    told: list[float] = []
    play(workload([9990.0], 300.0, 10_000.0), settings(), 1, Script(), told.append)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert 90 <= len(told) <= 102
    assert max(after - before for before, after in pairwise(told)) <= 0.011


def test_a_negative_count_is_a_bug_of_the_scaler() -> None:
    with pytest.raises(ValueError, match="-1 tasks"):
        played(workload([], 1.0), {0.0: -1})


def test_outcomes_of_a_day_without_messages_are_of_the_same_shape() -> None:
    outcome = played(workload([], 1.0))
    assert outcome.received_s.shape == (0,)
    assert (outcome.redelivered, outcome.dead_letters, outcome.lost_work_s) == (0, 0, 0.0)
