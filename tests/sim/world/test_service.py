"""ECS: whom it launches when, and whom it stops."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from autoscaler.sim.chance import StartUp, stream
from autoscaler.sim.model import CrashLoop, Life, Rollout, Shortage, Tasks, Victims
from autoscaler.sim.play import play
from autoscaler.sim.world.launching import BLOCK
from autoscaler.sim.world.service import RETRY_S
from tests.sim.world.made import BOTH, Script, played, poisson, settings, workload

NOTHING = workload([], 1.0)


def test_the_kth_launch_takes_the_kth_start_up_time_whatever_it_is_for() -> None:
    load, most = workload([], 1.0, 3000.0), BLOCK + 40
    drawn = StartUp().sample(stream(9, "start-up"), 2 * most).tolist()
    steady = play(load, settings(start_up=StartUp()), 9, Script({0.0: most + 1}))
    in_steps = play(load, settings(start_up=StartUp()), 9, Script({0.0: 5, 200.0: 0, 400.0: most}))
    for outcome in (steady, in_steps):
        launched = [life for life in outcome.lives[1:] if life.up_s < math.inf]
        assert [life.up_s - life.launched_s for life in launched] == pytest.approx(drawn[: len(launched)])
        assert len(launched) > BLOCK


def test_launches_come_out_of_a_bucket_that_is_full_at_first() -> None:
    outcome = played(NOTHING, {30.0: 131}, tasks_at_start=0, launch_burst=100, launch_per_s=2.0)
    launched = [life.launched_s for life in outcome.lives]
    assert launched[:100] == [30.0] * 100
    assert launched[100:] == pytest.approx([30.0 + k / 2 for k in range(1, 32)])


def test_the_bucket_fills_up_again_but_never_above_its_burst() -> None:
    outcome = played(NOTHING, {0.0: 12, 200.0: 40}, tasks_at_start=0, launch_burst=10, launch_per_s=0.5)
    launched = [life.launched_s for life in outcome.lives]
    assert launched[:12] == pytest.approx([0.0] * 10 + [2.0, 4.0])
    assert launched[12:23] == pytest.approx([200.0] * 10 + [202.0])


def test_tasks_that_wait_for_a_token_are_neither_running_nor_pending() -> None:
    script = Script({0.0: 30}).looking(lambda seen: seen.tasks())
    play(NOTHING, settings(tasks_at_start=0, launch_burst=10, launch_per_s=0.1), 1, script)
    assert script.seen[0] == Tasks(0, 0, 0)
    assert script.seen[1] == Tasks(30, 10, 1)  # up after 10 s; one token in 10 s


def test_a_task_is_pending_until_it_is_up() -> None:
    script = Script({0.0: 3}, interval_s=5.0).looking(lambda seen: seen.tasks())
    outcome = play(NOTHING, settings(), 1, script)
    assert script.seen[:4] == [Tasks(1, 1, 0), Tasks(3, 1, 2), Tasks(3, 3, 0), Tasks(3, 3, 0)]
    assert outcome.desired == ((0.0, 3),)
    assert outcome.running == ((0.0, 1), (10.0, 3))


def test_tasks_of_the_start_are_up_at_0_and_draw_no_start_up_time() -> None:
    outcome = played(NOTHING, tasks_at_start=2)
    assert outcome.lives == (Life(0.0, 0.0, 600.0), Life(0.0, 0.0, 600.0))


def test_a_scale_in_stops_tasks_that_are_not_up_first_and_the_newest_of_them() -> None:
    outcome = played(NOTHING, {0.0: 4, 20.0: 7, 30.0: 5}, start_up=StartUp(100.0, 100.0, 100.0))
    assert [life.stopped_s for life in outcome.lives] == [600.0] * 5 + [30.0, 30.0]
    assert [life.up_s for life in outcome.lives[5:]] == [math.inf, math.inf]


def test_a_task_that_is_not_up_never_takes_a_message_with_it() -> None:
    load = workload([1.0, 25.0, 26.0, 27.0], 2.0)
    outcome = played(load, {0.0: 4, 5.0: 0, 20.0: 1}, tasks_at_start=1, start_up=StartUp(30.0, 30.0, 30.0))
    assert outcome.received_s.tolist() == [1.0, 50.0, 52.0, 54.0]


def test_idle_victims_are_those_that_were_idle_for_longest() -> None:
    # Four tasks: 0 is busy until 100; 1 became idle at 32, 2 at 45 and 3 at 25. Ids follow the order of launch.
    load = workload([20.0, 21.0, 22.0, 23.0], [80.0, 11.0, 23.0, 2.0])
    outcome = played(load, {50.0: 2}, tasks_at_start=4)
    assert [life.stopped_s for life in outcome.lives] == [600.0, 50.0, 600.0, 50.0]


def test_where_victims_must_be_idle_the_busy_ones_go_as_they_become_so() -> None:
    load = workload([1.0, 2.0, 3.0], [40.0, 20.0, 71.5])
    script = Script({10.0: 0}).looking(lambda seen: seen.tasks())
    outcome = play(load, settings(tasks_at_start=3), 1, script)
    assert script.seen[2] == Tasks(0, 3, 0)
    assert [life.stopped_s for life in outcome.lives] == [45.0, 25.0, 75.0]
    assert all(life.stopped_s % RETRY_S == 0 for life in outcome.lives)
    assert outcome.redelivered == 0


def test_a_task_with_work_in_any_slot_or_in_its_buffer_is_not_idle() -> None:
    load = workload([1.0, 2.0, 3.0], [8.0, 38.0, 5.0])
    assert played(load, {10.0: 0}, task_concurrency=2).lives[0].stopped_s == 40.0
    assert played(load, {10.0: 0}, prefetch=2).lives[0].stopped_s == 55.0


def test_no_victim_is_looked_for_any_more_once_the_count_is_raised_again() -> None:
    load = workload([1.0, 2.0], [40.0, 50.0])
    outcome = played(load, {10.0: 0, 30.0: 2}, tasks_at_start=2)
    assert outcome.lives == (Life(0.0, 0.0, 600.0), Life(0.0, 0.0, 600.0))


def test_random_victims_are_any() -> None:
    load = workload([1.0, 2.0], 300.0, 100.0)
    stopped = set()
    for seed in range(40):
        script = Script({10.0: 3})
        outcome = play(load, settings(tasks_at_start=4, victims=Victims.RANDOM), seed, script)
        stopped.add(min(range(4), key=lambda task: outcome.lives[task].stopped_s))
    assert stopped == {0, 1, 2, 3}


def test_a_task_that_is_told_to_stop_finishes_what_it_can_and_is_killed_at_its_timeout() -> None:
    load = workload([1.0, 2.0], [38.0, 38.5])
    outcome = played(load, {10.0: 0, 20.0: 1}, tasks_at_start=2, victims=Victims.RANDOM, stop_timeout_s=30.0)
    assert [life.stopped_s for life in outcome.lives[:2]] == [39.0, 40.0]
    assert outcome.lost_work_s == 38.0
    assert outcome.running[:3] == ((0.0, 2), (10.0, 0), (30.0, 1))  # ECS counts none that is stopping


def test_an_idle_task_stops_at_once_whoever_chooses() -> None:
    for victims in BOTH:
        outcome = played(NOTHING, {10.0: 0}, victims=victims)
        assert outcome.lives == (Life(0.0, 0.0, 10.0),)


def test_busy_tasks_are_protected_where_victims_are_idle_ones_only() -> None:
    load = workload([1.0, 2.0], 50.0)
    for victims, protected in ((Victims.IDLE, [0, 2, 2, 2, 2, 2, 0]), (Victims.RANDOM, [0] * 7)):
        script = Script({0.0: 5}).looking(lambda seen: seen.protected())
        play(load, settings(tasks_at_start=3, victims=victims), 1, script)
        assert script.seen[:7] == protected


def test_a_deployment_replaces_every_task_and_takes_an_old_one_away_only_when_a_new_one_is_up() -> None:
    script = Script({0.0: 4}).looking(lambda seen: seen.tasks())
    outcome = play(NOTHING, settings(faults=(Rollout(100.0),), start_up=StartUp(30.0, 50.0)), 1, script)
    old, new = outcome.lives[:4], outcome.lives[4:]
    assert len(new) == 4
    assert [life.launched_s for life in new] == [100.0] * 4
    assert sorted(life.stopped_s for life in old) == sorted(life.up_s for life in new)
    assert {life.stopped_s for life in new} == {600.0}
    deployed_s = max(life.up_s for life in new)
    for at, seen in zip(script.ticks, script.seen, strict=True):
        assert seen.deployment_s == (100.0 if 100.0 <= at < deployed_s else None)
    assert [count for at, count in outcome.running if at > 60.0] == []  # one goes as one comes
    assert outcome.running[-1][1] == 4


def test_a_deployment_waits_for_protected_tasks() -> None:
    load = workload([50.0], 200.0)
    script = Script(interval_s=10.0).looking(lambda seen: seen.tasks())
    outcome = play(load, settings(faults=(Rollout(100.0),)), 1, script)
    assert outcome.lives == (Life(0.0, 0.0, 250.0), Life(100.0, 110.0, 600.0))
    assert script.seen[20] == Tasks(1, 2, 0, 100.0)
    assert script.seen[26] == Tasks(1, 1, 0, None)


def test_a_scale_out_during_a_deployment_launches_new_tasks_only() -> None:
    # Two of five are up at 150: the two old ones stay, so that it is never fewer than before.
    outcome = played(NOTHING, {0.0: 2, 105.0: 5}, faults=(Rollout(100.0),), start_up=StartUp(50.0, 50.0, 50.0))
    assert [life.launched_s for life in outcome.lives] == [0.0, 0.0, 100.0, 100.0, 110.0, 110.0, 110.0]
    assert [life.stopped_s for life in outcome.lives[:2]] == [160.0, 160.0]


def test_a_deployment_goes_one_by_one_where_there_is_room_for_one_more_task_only() -> None:
    outcome = played(NOTHING, {0.0: 3}, faults=(Rollout(100.0), Shortage(50.0, 600.0, 4)))
    assert [life.launched_s for life in outcome.lives] == [0.0, 0.0, 0.0, 100.0, 110.0, 120.0]
    assert sorted(life.stopped_s for life in outcome.lives) == [110.0, 120.0, 130.0, 600.0, 600.0, 600.0]


def test_a_deployment_lasts_until_all_its_tasks_are_up_even_where_it_replaces_none() -> None:
    script = Script({0.0: 2}).looking(lambda seen: seen.tasks().deployment_s)
    faults = (Rollout(100.0), Shortage(0.0, 150.0, 0))
    play(NOTHING, settings(tasks_at_start=0, faults=faults), 1, script)
    assert [at for at, since in zip(script.ticks, script.seen, strict=True) if since == 100.0] == [
        100.0, 110.0, 120.0, 130.0, 140.0, 150.0,
    ]  # fmt: skip


def test_a_deployment_of_no_tasks_is_over_at_once() -> None:
    script = Script({0.0: 0}).looking(lambda seen: seen.tasks())
    play(NOTHING, settings(faults=(Rollout(100.0),)), 1, script)
    assert {seen.deployment_s for seen in script.seen} == {None}


def test_tasks_that_come_up_in_a_crash_loop_crash_and_are_replaced() -> None:
    outcome = played(NOTHING, {50.0: 2}, faults=(CrashLoop(0.0, 100.0),), crash_after_s=5.0)
    chain = outcome.lives[1:]
    assert chain[:3] == (Life(50.0, 60.0, 65.0), Life(65.0, 75.0, 80.0), Life(80.0, 90.0, 95.0))
    assert chain[3:] == (Life(95.0, 105.0, 600.0),)
    assert outcome.lives[0] == Life(0.0, 0.0, 600.0)  # it was up before


def test_no_more_tasks_than_there_is_capacity_for_and_the_others_once_there_is() -> None:
    outcome = played(NOTHING, {20.0: 9}, faults=(Shortage(10.0, 200.0, 4), Shortage(0.0, 100.0, 3)))
    assert [life.launched_s for life in outcome.lives] == [0.0, *[20.0] * 2, 100.0, *[200.0] * 5]


def test_room_that_a_shortage_leaves_is_used_at_once() -> None:
    load = workload([1.0, 2.0], [100.0, 30.0])
    outcome = played(load, {20.0: 1, 60.0: 2}, tasks_at_start=2, faults=(Shortage(10.0, 400.0, 2),))
    assert [life.launched_s for life in outcome.lives] == [0.0, 0.0, 60.0]


def test_each_counts_changes_are_told_with_their_instants() -> None:
    outcome = played(poisson(1, 0.2, 600.0), {20.0: 3, 40.0: 3, 60.0: 2})
    assert outcome.desired == ((0.0, 1), (20.0, 3), (60.0, 2))
    assert all(one != other for (_, one), (_, other) in pairwise(outcome.running))
    assert [at for at, _ in outcome.running] == sorted({at for at, _ in outcome.running})
