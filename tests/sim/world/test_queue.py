"""SQS: counts, time-outs, copies and dead letters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoscaler.sim.model import Breakdown, Counts, CrashLoop, Outcome, Victims
from autoscaler.sim.play import play
from tests.sim.world.made import Script, played, poisson, settings, workload, world

KILLING = {"victims": Victims.RANDOM, "stop_timeout_s": 5.0, "visibility_timeout_s": 100.0}


def counts(load: object, wanted: dict[float, int] | None = None, **changed: object) -> tuple[list[Counts], Outcome]:
    script = Script(wanted).looking(lambda seen: seen.counts())
    return script.seen, play(load, settings(**dict[str, Any](changed)), 1, script)  # type: ignore[arg-type]


def test_what_waits_is_visible_and_what_is_at_work_is_in_flight() -> None:
    seen, _ = counts(workload([1.0, 2.0, 3.0, 4.0, 11.0], 12.0), tasks_at_start=2)
    assert seen[:5] == [Counts(0, 0), Counts(2, 2), Counts(1, 2), Counts(0, 1), Counts(0, 0)]


def test_an_instant_is_the_end_of_what_was_before_it() -> None:
    # At 10 exactly: the work that ends then has ended, the message that arrives then has not arrived.
    seen, outcome = counts(workload([2.0, 10.0], 8.0))
    assert seen[:3] == [Counts(0, 0), Counts(0, 0), Counts(0, 0)]
    assert outcome.received_s.tolist() == [2.0, 10.0]


def test_what_a_task_has_fetched_is_in_flight_too() -> None:
    seen, outcome = counts(workload([1.0, 2.0, 3.0, 4.0], 20.0), prefetch=2)
    assert seen[1] == Counts(1, 3)
    assert outcome.received_s.tolist() == [1.0, 2.0, 3.0, 21.0]
    assert outcome.ended_s == 600.0


def test_work_that_was_lost_comes_back_a_visibility_timeout_after_the_kill() -> None:
    load = workload([1.0], 30.0)
    seen, outcome = counts(load, {10.0: 0, 20.0: 1}, **KILLING)
    assert outcome.lives[0].stopped_s == 15.0
    assert outcome.lives[1].stopped_s == 600.0
    assert outcome.received_s.tolist() == [1.0]
    assert (outcome.redelivered, outcome.lost_work_s) == (1, 14.0)
    assert seen[2:13] == [Counts(0, 1)] * 10 + [Counts(0, 1)]
    assert seen[14:16] == [Counts(0, 1), Counts(0, 0)]  # at work again from 115 to 145


def test_a_message_whose_timeout_is_over_is_visible() -> None:
    seen, _ = counts(workload([1.0], 30.0), {10.0: 0, 300.0: 1}, **KILLING)
    assert seen[11:13] == [Counts(0, 1), Counts(1, 0)]
    at_once, _ = counts(workload([1.0], 30.0), {10.0: 0, 300.0: 1}, **{**KILLING, "visibility_timeout_s": 95.0})
    assert at_once[10:12] == [Counts(0, 1), Counts(1, 0)]  # at 110 exactly


def test_work_under_way_is_not_delivered_again_however_long_it_takes() -> None:
    outcome = played(workload([1.0], 500.0), {0.0: 2}, visibility_timeout_s=10.0)
    assert outcome.redelivered == 0


def test_what_was_fetched_and_not_begun_is_given_back_at_once() -> None:
    load = workload([1.0, 2.0, 3.0], 12.0)
    changed = {"victims": Victims.RANDOM, "prefetch": 5, "stop_timeout_s": 30.0}
    seen, outcome = counts(load, {10.0: 0, 20.0: 1}, **dict[str, Any](changed))
    assert seen[1:3] == [Counts(0, 3), Counts(2, 0)]
    assert outcome.lives[0].stopped_s == 13.0
    assert (outcome.redelivered, outcome.lost_work_s) == (2, 0.0)
    assert outcome.received_s.tolist() == [1.0, 2.0, 3.0]
    assert seen[3:7] == [Counts(2, 0), Counts(0, 2), Counts(0, 1), Counts(0, 0)]  # up again at 30, from 30 to 54


def test_a_task_that_crashes_takes_all_that_it_holds_with_it() -> None:
    load = workload([12.0, 13.0], 20.0)
    changed = {**KILLING, "prefetch": 1, "faults": (CrashLoop(5.0, 15.0),), "crash_after_s": 5.0}
    seen, outcome = counts(load, {0.0: 1}, **{**changed, "tasks_at_start": 0})
    assert outcome.lives[0].stopped_s == 15.0
    assert (outcome.redelivered, outcome.lost_work_s) == (2, 3.0)
    assert seen[3] == Counts(0, 2)
    assert seen[12] == Counts(0, 2)  # both come back at 115, and the one task takes both


def test_while_the_downstream_is_broken_nothing_is_deleted_and_everything_comes_back() -> None:
    load = workload([5.0, 15.0], 10.0)
    changed = {"visibility_timeout_s": 50.0, "faults": (Breakdown(12.0, 24.0),), "tasks_at_start": 2}
    outcome = played(load, **dict[str, Any](changed))
    assert (outcome.redelivered, outcome.lost_work_s) == (1, 10.0)  # 5 to 15 in vain; 15 to 25 was in time
    assert played(workload([5.0, 12.0], 12.0), **dict[str, Any](changed)).lost_work_s == 12.0  # 24 is not in it
    assert (
        played(workload([5.0, 10.0], [10.0, 14.0]), **dict[str, Any](changed)).lost_work_s == 10.0
    )  # nor for what was at work


def test_what_is_at_work_in_vain_is_in_flight_once() -> None:
    seen, _ = counts(workload([5.0], 30.0), faults=(Breakdown(0.0, 100.0),))
    assert seen[1:5] == [Counts(0, 1)] * 4
    assert seen[18:20] == [Counts(0, 1), Counts(0, 1)]  # from 35 to 185 it is with nobody


def test_one_that_is_killed_during_a_breakdown_loses_only_what_was_worked_and_comes_back_once() -> None:
    load = workload([1.0], 40.0)
    outcome = played(load, {10.0: 0, 20.0: 1}, **{**KILLING, "faults": (Breakdown(5.0, 60.0),)})
    assert (outcome.redelivered, outcome.lost_work_s) == (1, 14.0)


def test_a_message_that_failed_too_often_becomes_a_dead_letter() -> None:
    load = workload([1.0, 200.0], 4.0)
    changed = {"visibility_timeout_s": 10.0, "faults": (Breakdown(0.0, 100.0),)}
    for most, redelivered, dead in ((1, 0, 1), (3, 2, 1), (7, 6, 1), (8, 7, 0), (None, 7, 0)):
        outcome = played(load, max_receives=most, **dict[str, Any](changed))
        assert (outcome.redelivered, outcome.dead_letters) == (redelivered, dead)
        assert outcome.lost_work_s == 4.0 * min(7, most or 7)


def test_of_a_task_that_is_killed_only_what_is_still_at_work_is_lost() -> None:
    load = workload([1.0, 2.0], [20.0, 40.0])
    outcome = played(load, {10.0: 0, 20.0: 1}, **{**KILLING, "task_concurrency": 2, "stop_timeout_s": 15.0})
    assert (outcome.redelivered, outcome.lost_work_s) == (1, 23.0)


def test_a_copy_that_is_killed_does_not_come_back() -> None:
    outcome = played(
        workload([1.0], 30.0), {10.0: 0, 20.0: 1}, **{**KILLING, "tasks_at_start": 2, "duplicate_ratio": 1.0}
    )
    assert (outcome.redelivered, outcome.lost_work_s) == (2, 28.0)  # the copy, and the message itself once more


def test_copies_are_worked_on_in_vain_and_do_not_come_back() -> None:
    load = poisson(1, 1.0, 5000.0)
    outcome = played(load, {0.0: 8}, duplicate_ratio=0.1)
    assert outcome.redelivered == pytest.approx(0.1 * len(load.arrivals_s), rel=0.2)
    assert outcome.lost_work_s == pytest.approx(5.0 * outcome.redelivered, rel=0.2)
    assert played(load, {0.0: 8}).redelivered == 0


def test_the_same_messages_are_doubled_whatever_the_policy_does() -> None:
    load = poisson(1, 1.0, 2000.0)
    few = played(load, {0.0: 6}, duplicate_ratio=0.1)
    many = played(load, {0.0: 60}, duplicate_ratio=0.1)
    assert (few.redelivered, few.lost_work_s) == pytest.approx((many.redelivered, many.lost_work_s))


def test_a_message_that_comes_back_queues_up_behind_those_sent_before() -> None:
    # Killed at 15, back at 115. The task of 120 finds two that were sent before 115 and one after it.
    load = workload([1.0, 110.0, 112.0, 117.0], [30.0, 1.0, 1.0, 1.0])
    outcome = played(load, {10.0: 0, 110.0: 1}, **KILLING)
    assert outcome.received_s.tolist() == [1.0, 120.0, 121.0, 152.0]


def test_counts_may_be_off_by_a_share_but_none_is_none() -> None:
    load = workload([1.0] * 4000, 1000.0, 3000.0)
    script = Script({2990.0: 4000}).looking(lambda seen: seen.counts().visible)
    play(load, settings(count_error_ratio=0.1, tasks_at_start=0), 1, script)
    off = np.array(script.seen[1:290]) / 4000
    assert script.seen[0] == 0
    assert off.mean() == pytest.approx(1.0, abs=0.02)
    assert off.std() == pytest.approx(0.1, rel=0.15)
    at_work = Script().looking(lambda seen: seen.counts().in_flight)
    play(load, settings(count_error_ratio=0.1, tasks_at_start=4000), 1, at_work)
    off = np.array(at_work.seen[1:100]) / 4000
    assert off.std() == pytest.approx(0.1, rel=0.3)


def test_late_counts_are_those_of_some_time_ago() -> None:
    load = poisson(2, 3.0, 900.0)
    exact, _ = counts(load, {0.0: 12}, tasks_at_start=12)
    late, _ = counts(load, {0.0: 12}, tasks_at_start=12, count_late_s=20.0)
    assert late[:2] == [Counts(0, 0)] * 2
    assert late[2:90] == exact[:88]  # samples are taken every 2 s, so that 20 s are exactly met
    between, _ = counts(workload([9.5], 500.0), count_late_s=15.0)
    assert [count.in_flight for count in between[:5]] == [0, 0, 0, 1, 1]  # 15.5 to 17 s after 9.5


def test_littles_law_holds() -> None:
    # Messages in the system = arrivals a second x time in the system, looked at every second.
    load = poisson(4, 3.6, 20_000.0)
    script = Script(interval_s=1.0).looking(lambda seen: sum(seen.counts()))
    outcome = play(load, settings(tasks_at_start=20), 1, script)
    in_system_s = float((outcome.received_s - load.arrivals_s + load.service_s).sum())
    assert sum(script.seen) == pytest.approx(in_system_s, rel=0.01)


def test_the_world_stands_still_unless_it_is_advanced() -> None:
    stage = world(poisson(1, 1.0, 600.0))
    stage.advance(100.0)
    assert [stage.counts(), stage.tasks(), stage.now] == [stage.counts(), stage.tasks(), 100.0]
