"""A run of a scaler in the simulated world, from begin to end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from autoscaler.sim.model import Breakdown, Restart, SimulationOutcome, StartUp, Victims, WorldSettings
from autoscaler.sim.play import OVERTIME_S, play
from tests.sim.world.made import RandomScaler, ScriptedScaler, played, poisson, settings, workload


def random_run(seed: int) -> SimulationOutcome:
    """Return a run in which every random effect occurs."""
    world = WorldSettings(
        victims=Victims.RANDOM,
        stop_timeout_s=3.0,
        duplicate_ratio=0.05,
        count_error_ratio=0.2,
        faults=(Breakdown(300.0, 400.0),),
    )
    return play(poisson(7, 0.5, 2000.0), world, seed, RandomScaler(3, 8))


def test_the_same_seed_gives_the_same_run_to_the_bit() -> None:
    one, other = random_run(5), random_run(5)
    assert one.received_s.tobytes() == other.received_s.tobytes()
    assert one.lives == other.lives
    assert (one.lost_work_s, one.redelivered, one.ended_s) == (other.lost_work_s, other.redelivered, other.ended_s)
    assert (one.desired, one.running) == (other.desired, other.running)
    assert one.lives != random_run(6).lives


def test_a_run_does_not_change_its_workload() -> None:
    load = poisson(7, 0.5, 500.0)
    before = load.arrivals_s.tobytes(), load.service_s.tobytes()
    play(load, settings(), 1, ScriptedScaler())
    assert (load.arrivals_s.tobytes(), load.service_s.tobytes()) == before


def test_the_scaler_polls_at_every_multiple_of_its_interval_from_0_on() -> None:
    script = ScriptedScaler(interval_s=0.1)
    play(workload([], 1.0, 30.0), settings(), 1, script)
    assert script.polls == [0.1 * number for number in range(300)]


def test_a_run_ends_when_the_last_message_is_deleted() -> None:
    script = ScriptedScaler()
    outcome = play(workload([590.0], 33.3), settings(), 1, script)
    assert outcome.ended_s == 590.0 + 33.3
    assert script.polls[-1] == 620.0
    assert [life.stopped_s for life in outcome.lives] == [outcome.ended_s]


def test_a_run_does_not_end_before_its_load() -> None:
    for load in (workload([10.0], 5.0), workload([], 1.0)):
        outcome = played(load)
        assert (outcome.ended_s, outcome.lives[0].stopped_s) == (600.0, 600.0)


def test_a_run_ends_one_day_after_its_load_if_messages_remain() -> None:
    outcome = played(workload([100.0, 200.0], 1.0), {0.0: 0, 150.0: 1, 160.0: 0}, tasks_at_start=0)
    stuck = played(workload([100.0, 200.0], 1.0), {0.0: 0, 140.0: 1, 170.0: 0}, tasks_at_start=0)
    for each in (outcome, stuck):
        assert each.ended_s == 600.0 + OVERTIME_S
        assert np.isnan(each.received_s[-1])
    assert stuck.received_s[0] == 150.0
    script = ScriptedScaler({0.0: 0}, interval_s=1000.0)
    assert play(workload([1500.0], 1.0, 2500.0), settings(), 1, script).ended_s == 2500.0 + OVERTIME_S
    assert script.polls[-1] == 88_000.0  # the run ends at 88,900


def test_a_run_ends_when_the_last_message_becomes_a_dead_letter() -> None:
    changed = {"max_receives": 1, "visibility_timeout_s": 53.0, "faults": (Breakdown(0.0, 1000.0),)}
    outcome = played(workload([590.0], 20.0), **dict[str, Any](changed))
    assert (outcome.ended_s, outcome.dead_letters) == (663.0, 1)


def test_a_run_ends_with_the_kill_of_a_copy_if_nothing_else_remains() -> None:
    changed = {"duplicate_ratio": 1.0, "victims": Victims.RANDOM, "stop_timeout_s": 5.0}
    outcome = played(workload([590.0], 20.0), {620.0: 0}, **dict[str, Any](changed))
    assert (outcome.ended_s, outcome.lost_work_s) == (625.0, 15.0)


def test_tasks_that_are_starting_at_the_end_of_a_run_never_come_up() -> None:
    outcome = played(workload([590.0], 33.3), {600.0: 5, 620.0: 9}, start_up=StartUp(30.0, 30.0, 30.0))
    assert [life.launched_s for life in outcome.lives] == [0.0] + [600.0] * 4 + [620.0] * 4
    assert {life.stopped_s for life in outcome.lives} == {outcome.ended_s}
    assert {life.up_s for life in outcome.lives[1:]} == {float("inf")}


def test_a_restart_takes_effect_before_the_next_poll() -> None:
    script = ScriptedScaler()
    play(workload([], 1.0), settings(faults=(Restart(15.0), Restart(30.0))), 1, script)
    assert script.restarts == [2, 3]  # number of polls before each restart


def test_logged_reasons_are_stored_with_their_instants() -> None:
    script = ScriptedScaler().recording(lambda world: world.log(f"at {world.now:g}"))
    outcome = play(workload([], 1.0, 25.0), settings(), 1, script)
    assert outcome.reasons == ((0.0, "at 0"), (10.0, "at 10"), (20.0, "at 20"))


def test_progress_rises_to_one_and_is_reported_about_a_hundred_times() -> None:
    shares: list[float] = []
    play(workload([9990.0], 300.0, 10_000.0), settings(), 1, ScriptedScaler(), shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert 90 <= len(shares) <= 102
    assert max(after - before for before, after in pairwise(shares)) <= 0.011


def test_a_negative_count_raises_a_value_error() -> None:
    with pytest.raises(ValueError, match="-1 tasks"):
        played(workload([], 1.0), {0.0: -1})


def test_the_outcome_of_a_load_without_messages_is_empty() -> None:
    outcome = played(workload([], 1.0))
    assert outcome.received_s.shape == (0,)
    assert (outcome.redelivered, outcome.dead_letters, outcome.lost_work_s) == (0, 0, 0.0)
