"""ECS: which tasks it launches and stops, and when."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from autoscaler.sim.chance import StartUp, stream
from autoscaler.sim.model import CrashLoop, PlannedRollout, Shortage, TaskLife, Tasks, Victims
from autoscaler.sim.play import play
from autoscaler.sim.world.service import BLOCK, RETRY_S
from tests.sim.world.made import BOTH, ScriptedScaler, played, poisson, settings, workload

NO_MESSAGES = workload([], 1.0)


def test_the_kth_launch_takes_the_kth_start_up_time_under_every_policy() -> None:
    load, most = workload([], 1.0, 3000.0), BLOCK + 40
    drawn = StartUp().sample(stream(9, "start-up"), 2 * most).tolist()
    steady = play(load, settings(start_up=StartUp()), 9, ScriptedScaler({0.0: most + 1}))
    stepwise = play(load, settings(start_up=StartUp()), 9, ScriptedScaler({0.0: 5, 200.0: 0, 400.0: most}))
    for outcome in (steady, stepwise):
        launched = [life for life in outcome.lives[1:] if life.up_s < math.inf]
        assert [life.up_s - life.launched_s for life in launched] == pytest.approx(drawn[: len(launched)])
        assert len(launched) > BLOCK


def test_the_token_bucket_of_launches_is_full_at_the_start() -> None:
    outcome = played(NO_MESSAGES, {30.0: 131}, tasks_at_start=0, launch_burst=100, launch_per_s=2.0)
    launched = [life.launched_s for life in outcome.lives]
    assert launched[:100] == [30.0] * 100
    assert launched[100:] == pytest.approx([30.0 + k / 2 for k in range(1, 32)])


def test_the_token_bucket_refills_up_to_its_burst() -> None:
    outcome = played(NO_MESSAGES, {0.0: 12, 200.0: 40}, tasks_at_start=0, launch_burst=10, launch_per_s=0.5)
    launched = [life.launched_s for life in outcome.lives]
    assert launched[:12] == pytest.approx([0.0] * 10 + [2.0, 4.0])
    assert launched[12:23] == pytest.approx([200.0] * 10 + [202.0])


def test_launches_that_wait_for_a_token_are_neither_running_nor_pending() -> None:
    script = ScriptedScaler({0.0: 30}).recording(lambda seen: seen.tasks())
    play(NO_MESSAGES, settings(tasks_at_start=0, launch_burst=10, launch_per_s=0.1), 1, script)
    assert script.seen[0] == Tasks(0, 0, 0)
    assert script.seen[1] == Tasks(30, 10, 1)  # tasks are up after 10 s; one token is added in 10 s


def test_a_task_is_pending_until_it_is_up() -> None:
    script = ScriptedScaler({0.0: 3}, interval_s=5.0).recording(lambda seen: seen.tasks())
    outcome = play(NO_MESSAGES, settings(), 1, script)
    assert script.seen[:4] == [Tasks(1, 1, 0), Tasks(3, 1, 2), Tasks(3, 3, 0), Tasks(3, 3, 0)]
    assert outcome.desired == ((0.0, 3),)
    assert outcome.running == ((0.0, 1), (10.0, 3))


def test_initial_tasks_are_up_at_0_and_take_no_start_up_time() -> None:
    outcome = played(NO_MESSAGES, tasks_at_start=2)
    assert outcome.lives == (TaskLife(0.0, 0.0, 600.0), TaskLife(0.0, 0.0, 600.0))


def test_a_scale_in_stops_pending_tasks_first_beginning_with_the_newest() -> None:
    outcome = played(NO_MESSAGES, {0.0: 4, 20.0: 7, 30.0: 5}, start_up=StartUp(100.0, 100.0, 100.0))
    assert [life.stopped_s for life in outcome.lives] == [600.0] * 5 + [30.0, 30.0]
    assert [life.up_s for life in outcome.lives[5:]] == [math.inf, math.inf]


def test_stopping_a_pending_task_loses_no_message() -> None:
    load = workload([1.0, 25.0, 26.0, 27.0], 2.0)
    outcome = played(load, {0.0: 4, 5.0: 0, 20.0: 1}, tasks_at_start=1, start_up=StartUp(30.0, 30.0, 30.0))
    assert outcome.received_s.tolist() == [1.0, 50.0, 52.0, 54.0]


def test_a_scale_in_of_idle_tasks_stops_the_longest_idle_ones() -> None:
    # Four tasks: 0 is busy until 100; 1 is idle from 32, 2 from 45 and 3 from 25. Ids follow the launch order.
    load = workload([20.0, 21.0, 22.0, 23.0], [80.0, 11.0, 23.0, 2.0])
    outcome = played(load, {50.0: 2}, tasks_at_start=4)
    assert [life.stopped_s for life in outcome.lives] == [600.0, 50.0, 600.0, 50.0]


def test_protected_busy_tasks_stop_when_they_become_idle() -> None:
    load = workload([1.0, 2.0, 3.0], [40.0, 20.0, 71.5])
    script = ScriptedScaler({10.0: 0}).recording(lambda seen: seen.tasks())
    outcome = play(load, settings(tasks_at_start=3), 1, script)
    assert script.seen[2] == Tasks(0, 3, 0)
    assert [life.stopped_s for life in outcome.lives] == [45.0, 25.0, 75.0]
    assert all(life.stopped_s % RETRY_S == 0 for life in outcome.lives)
    assert outcome.redelivered == 0


def test_a_task_with_a_message_in_any_slot_or_prefetched_is_not_idle() -> None:
    load = workload([1.0, 2.0, 3.0], [8.0, 38.0, 5.0])
    assert played(load, {10.0: 0}, task_concurrency=2).lives[0].stopped_s == 40.0
    assert played(load, {10.0: 0}, prefetch=2).lives[0].stopped_s == 55.0


def test_no_more_tasks_stop_after_the_desired_count_rises_again() -> None:
    load = workload([1.0, 2.0], [40.0, 50.0])
    outcome = played(load, {10.0: 0, 30.0: 2}, tasks_at_start=2)
    assert outcome.lives == (TaskLife(0.0, 0.0, 600.0), TaskLife(0.0, 0.0, 600.0))


def test_a_scale_in_of_random_tasks_can_stop_any_task() -> None:
    load = workload([1.0, 2.0], 300.0, 100.0)
    stopped = set()
    for seed in range(40):
        script = ScriptedScaler({10.0: 3})
        outcome = play(load, settings(tasks_at_start=4, victims=Victims.RANDOM), seed, script)
        stopped.add(min(range(4), key=lambda task: outcome.lives[task].stopped_s))
    assert stopped == {0, 1, 2, 3}


def test_a_stopping_task_completes_messages_until_it_is_killed_at_its_stop_timeout() -> None:
    load = workload([1.0, 2.0], [38.0, 38.5])
    outcome = played(load, {10.0: 0, 20.0: 1}, tasks_at_start=2, victims=Victims.RANDOM, stop_timeout_s=30.0)
    assert [life.stopped_s for life in outcome.lives[:2]] == [39.0, 40.0]
    assert outcome.lost_work_s == 38.0
    assert outcome.running[:3] == ((0.0, 2), (10.0, 0), (30.0, 1))  # ECS does not count stopping tasks as running


def test_an_idle_task_stops_at_once() -> None:
    for victims in BOTH:
        outcome = played(NO_MESSAGES, {10.0: 0}, victims=victims)
        assert outcome.lives == (TaskLife(0.0, 0.0, 10.0),)


def test_busy_tasks_are_protected_if_ecs_stops_only_idle_tasks() -> None:
    load = workload([1.0, 2.0], 50.0)
    for victims, protected in ((Victims.IDLE, [0, 2, 2, 2, 2, 2, 0]), (Victims.RANDOM, [0] * 7)):
        script = ScriptedScaler({0.0: 5}).recording(lambda seen: seen.protected())
        play(load, settings(tasks_at_start=3, victims=victims), 1, script)
        assert script.seen[:7] == protected


def test_a_deployment_replaces_every_task_and_stops_an_old_one_only_when_a_new_one_is_up() -> None:
    script = ScriptedScaler({0.0: 4}).recording(lambda seen: seen.tasks())
    outcome = play(NO_MESSAGES, settings(faults=(PlannedRollout(100.0),), start_up=StartUp(30.0, 50.0)), 1, script)
    old, new = outcome.lives[:4], outcome.lives[4:]
    assert len(new) == 4
    assert [life.launched_s for life in new] == [100.0] * 4
    assert sorted(life.stopped_s for life in old) == sorted(life.up_s for life in new)
    assert {life.stopped_s for life in new} == {600.0}
    deployed_s = max(life.up_s for life in new)
    for at, seen in zip(script.polls, script.seen, strict=True):
        assert seen.deployment_s == (100.0 if 100.0 <= at < deployed_s else None)
    assert [count for at, count in outcome.running if at > 60.0] == []  # one task stops when one comes up
    assert outcome.running[-1][1] == 4


def test_a_deployment_waits_for_protected_tasks() -> None:
    load = workload([50.0], 200.0)
    script = ScriptedScaler(interval_s=10.0).recording(lambda seen: seen.tasks())
    outcome = play(load, settings(faults=(PlannedRollout(100.0),)), 1, script)
    assert outcome.lives == (TaskLife(0.0, 0.0, 250.0), TaskLife(100.0, 110.0, 600.0))
    assert script.seen[20] == Tasks(1, 2, 0, 100.0)
    assert script.seen[26] == Tasks(1, 1, 0, None)


def test_a_scale_out_during_a_deployment_launches_new_tasks_only() -> None:
    # Two of five new tasks are up at 150. The two old ones stay, so that the running count does not fall.
    outcome = played(
        NO_MESSAGES, {0.0: 2, 105.0: 5}, faults=(PlannedRollout(100.0),), start_up=StartUp(50.0, 50.0, 50.0)
    )
    assert [life.launched_s for life in outcome.lives] == [0.0, 0.0, 100.0, 100.0, 110.0, 110.0, 110.0]
    assert [life.stopped_s for life in outcome.lives[:2]] == [160.0, 160.0]


def test_a_deployment_replaces_tasks_one_by_one_if_capacity_allows_one_more_task() -> None:
    outcome = played(NO_MESSAGES, {0.0: 3}, faults=(PlannedRollout(100.0), Shortage(50.0, 600.0, 4)))
    assert [life.launched_s for life in outcome.lives] == [0.0, 0.0, 0.0, 100.0, 110.0, 120.0]
    assert sorted(life.stopped_s for life in outcome.lives) == [110.0, 120.0, 130.0, 600.0, 600.0, 600.0]


def test_a_deployment_lasts_until_all_its_tasks_are_up_even_if_it_replaces_none() -> None:
    script = ScriptedScaler({0.0: 2}).recording(lambda seen: seen.tasks().deployment_s)
    faults = (PlannedRollout(100.0), Shortage(0.0, 150.0, 0))
    play(NO_MESSAGES, settings(tasks_at_start=0, faults=faults), 1, script)
    assert [at for at, since in zip(script.polls, script.seen, strict=True) if since == 100.0] == [
        100.0, 110.0, 120.0, 130.0, 140.0, 150.0,
    ]  # fmt: skip


def test_a_deployment_without_tasks_ends_at_once() -> None:
    script = ScriptedScaler({0.0: 0}).recording(lambda seen: seen.tasks())
    play(NO_MESSAGES, settings(faults=(PlannedRollout(100.0),)), 1, script)
    assert {seen.deployment_s for seen in script.seen} == {None}


def test_tasks_that_come_up_during_a_crash_loop_crash_and_are_replaced() -> None:
    outcome = played(NO_MESSAGES, {50.0: 2}, faults=(CrashLoop(0.0, 100.0),), crash_after_s=5.0)
    crashing = outcome.lives[1:]
    assert crashing[:3] == (TaskLife(50.0, 60.0, 65.0), TaskLife(65.0, 75.0, 80.0), TaskLife(80.0, 90.0, 95.0))
    assert crashing[3:] == (TaskLife(95.0, 105.0, 600.0),)
    assert outcome.lives[0] == TaskLife(0.0, 0.0, 600.0)  # an initial task, so not affected


def test_launches_beyond_the_capacity_wait_until_there_is_capacity() -> None:
    outcome = played(NO_MESSAGES, {20.0: 9}, faults=(Shortage(10.0, 200.0, 4), Shortage(0.0, 100.0, 3)))
    assert [life.launched_s for life in outcome.lives] == [0.0, *[20.0] * 2, 100.0, *[200.0] * 5]


def test_capacity_freed_during_a_shortage_is_used_at_once() -> None:
    load = workload([1.0, 2.0], [100.0, 30.0])
    outcome = played(load, {20.0: 1, 60.0: 2}, tasks_at_start=2, faults=(Shortage(10.0, 400.0, 2),))
    assert [life.launched_s for life in outcome.lives] == [0.0, 0.0, 60.0]


def test_every_change_of_a_count_is_recorded_with_its_instant() -> None:
    outcome = played(poisson(1, 0.2, 600.0), {20.0: 3, 40.0: 3, 60.0: 2})
    assert outcome.desired == ((0.0, 1), (20.0, 3), (60.0, 2))
    assert all(one != other for (_, one), (_, other) in pairwise(outcome.running))
    assert [at for at, _ in outcome.running] == sorted({at for at, _ in outcome.running})
