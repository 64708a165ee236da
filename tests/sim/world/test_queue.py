"""SQS: counts, visibility timeouts, duplicates and dead letters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoscaler.sim.model import Breakdown, CrashLoop, QueueCounts, SimulationOutcome, Victims
from autoscaler.sim.play import play
from tests.sim.world.made import ScriptedScaler, played, poisson, settings, workload, world

KILLING = {"victims": Victims.RANDOM, "stop_timeout_s": 5.0, "visibility_timeout_s": 100.0}


def counts(
    load: object, desired: dict[float, int] | None = None, **changed: object
) -> tuple[list[QueueCounts], SimulationOutcome]:
    script = ScriptedScaler(desired).recording(lambda seen: seen.counts())
    return script.seen, play(load, settings(**dict[str, Any](changed)), 1, script)  # type: ignore[arg-type]


def test_waiting_messages_are_visible_and_messages_in_progress_are_in_flight() -> None:
    seen, _ = counts(workload([1.0, 2.0, 3.0, 4.0, 11.0], 12.0), tasks_at_start=2)
    assert seen[:5] == [QueueCounts(0, 0), QueueCounts(2, 2), QueueCounts(1, 2), QueueCounts(0, 1), QueueCounts(0, 0)]


def test_counts_at_an_instant_include_no_ends_and_no_arrivals_at_that_instant() -> None:
    # At 10 exactly, the work that ends at 10 has not ended, and the message that arrives at 10 has not arrived.
    seen, outcome = counts(workload([2.0, 10.0], 8.0))
    assert seen[:3] == [QueueCounts(0, 0), QueueCounts(0, 1), QueueCounts(0, 0)]
    assert outcome.received_s.tolist() == [2.0, 10.0]


def test_processing_times_that_divide_the_poll_interval_are_in_flight_at_every_poll() -> None:
    seen, _ = counts(workload([0.0] * 100, 5.0))
    assert seen[1:50] == [QueueCounts(100 - 2 * poll, 1) for poll in range(1, 50)]


def test_prefetched_messages_are_in_flight() -> None:
    seen, outcome = counts(workload([1.0, 2.0, 3.0, 4.0], 20.0), prefetch=2)
    assert seen[1] == QueueCounts(1, 3)
    assert outcome.received_s.tolist() == [1.0, 2.0, 3.0, 21.0]
    assert outcome.ended_s == 600.0


def test_lost_messages_return_one_visibility_timeout_after_the_kill() -> None:
    load = workload([1.0], 30.0)
    seen, outcome = counts(load, {10.0: 0, 20.0: 1}, **KILLING)
    assert outcome.lives[0].stopped_s == 15.0
    assert outcome.lives[1].stopped_s == 600.0
    assert outcome.received_s.tolist() == [1.0]
    assert (outcome.redelivered, outcome.lost_work_s) == (1, 14.0)
    assert seen[2:13] == [QueueCounts(0, 1)] * 10 + [QueueCounts(0, 1)]
    assert seen[14:16] == [QueueCounts(0, 1), QueueCounts(0, 0)]  # in progress again from 115 to 145


def test_a_message_is_visible_after_its_visibility_timeout() -> None:
    seen, _ = counts(workload([1.0], 30.0), {10.0: 0, 300.0: 1}, **KILLING)
    assert seen[11:13] == [QueueCounts(0, 1), QueueCounts(1, 0)]
    sooner, _ = counts(workload([1.0], 30.0), {10.0: 0, 300.0: 1}, **{**KILLING, "visibility_timeout_s": 95.0})
    assert sooner[10:12] == [QueueCounts(0, 1), QueueCounts(1, 0)]  # visible at 110 exactly


def test_a_message_in_progress_is_not_redelivered_however_long_it_takes() -> None:
    outcome = played(workload([1.0], 500.0), {0.0: 2}, visibility_timeout_s=10.0)
    assert outcome.redelivered == 0


def test_prefetched_messages_return_at_once_when_their_task_stops() -> None:
    load = workload([1.0, 2.0, 3.0], 12.0)
    changed = {"victims": Victims.RANDOM, "prefetch": 5, "stop_timeout_s": 30.0}
    seen, outcome = counts(load, {10.0: 0, 20.0: 1}, **dict[str, Any](changed))
    assert seen[1:3] == [QueueCounts(0, 3), QueueCounts(2, 0)]
    assert outcome.lives[0].stopped_s == 13.0
    assert (outcome.redelivered, outcome.lost_work_s) == (2, 0.0)
    assert outcome.received_s.tolist() == [1.0, 2.0, 3.0]
    assert seen[3:7] == [
        QueueCounts(2, 0),
        QueueCounts(0, 2),
        QueueCounts(0, 1),
        QueueCounts(0, 0),
    ]  # a task is up again at 30 and works from 30 to 54


def test_a_crash_loses_all_messages_of_the_task() -> None:
    load = workload([12.0, 13.0], 20.0)
    changed = {**KILLING, "prefetch": 1, "faults": (CrashLoop(5.0, 15.0),), "crash_after_s": 5.0}
    seen, outcome = counts(load, {0.0: 1}, **{**changed, "tasks_at_start": 0})
    assert outcome.lives[0].stopped_s == 15.0
    assert (outcome.redelivered, outcome.lost_work_s) == (2, 3.0)
    assert seen[3] == QueueCounts(0, 2)
    assert seen[12] == QueueCounts(0, 2)  # both return at 115, and the task takes both


def test_a_message_that_ends_during_a_breakdown_is_not_deleted_and_returns() -> None:
    load = workload([5.0, 15.0], 10.0)
    changed = {"visibility_timeout_s": 50.0, "faults": (Breakdown(12.0, 24.0),), "tasks_at_start": 2}
    outcome = played(load, **dict[str, Any](changed))
    # The work from 5 to 15 fails, the work from 15 to 25 does not.
    assert (outcome.redelivered, outcome.lost_work_s) == (1, 10.0)
    # 24 is not in the breakdown. This is also true for a message that began before it.
    assert played(workload([5.0, 12.0], 12.0), **dict[str, Any](changed)).lost_work_s == 12.0
    assert played(workload([5.0, 10.0], [10.0, 14.0]), **dict[str, Any](changed)).lost_work_s == 10.0


def test_a_message_whose_work_fails_is_counted_in_flight_once() -> None:
    seen, _ = counts(workload([5.0], 30.0), faults=(Breakdown(0.0, 100.0),))
    assert seen[1:5] == [QueueCounts(0, 1)] * 4
    assert seen[18:20] == [QueueCounts(0, 1), QueueCounts(0, 1)]  # from 35 to 185 no task has the message


def test_a_kill_during_a_breakdown_loses_only_the_work_done_and_the_message_returns_once() -> None:
    load = workload([1.0], 40.0)
    outcome = played(load, {10.0: 0, 20.0: 1}, **{**KILLING, "faults": (Breakdown(5.0, 60.0),)})
    assert (outcome.redelivered, outcome.lost_work_s) == (1, 14.0)


def test_a_message_received_max_receives_times_without_success_becomes_a_dead_letter() -> None:
    load = workload([1.0, 200.0], 4.0)
    changed = {"visibility_timeout_s": 10.0, "faults": (Breakdown(0.0, 100.0),)}
    for most, redelivered, dead in ((1, 0, 1), (3, 2, 1), (7, 6, 1), (8, 7, 0), (None, 7, 0)):
        outcome = played(load, max_receives=most, **dict[str, Any](changed))
        assert (outcome.redelivered, outcome.dead_letters) == (redelivered, dead)
        assert outcome.lost_work_s == 4.0 * min(7, most or 7)


def test_a_kill_loses_only_the_work_still_in_progress() -> None:
    load = workload([1.0, 2.0], [20.0, 40.0])
    outcome = played(load, {10.0: 0, 20.0: 1}, **{**KILLING, "task_concurrency": 2, "stop_timeout_s": 15.0})
    assert (outcome.redelivered, outcome.lost_work_s) == (1, 23.0)


def test_a_killed_duplicate_does_not_return() -> None:
    outcome = played(
        workload([1.0], 30.0), {10.0: 0, 20.0: 1}, **{**KILLING, "tasks_at_start": 2, "duplicate_ratio": 1.0}
    )
    assert (outcome.redelivered, outcome.lost_work_s) == (2, 28.0)  # the duplicate, and the message itself once more


def test_work_on_duplicates_is_lost_and_they_do_not_return() -> None:
    load = poisson(1, 1.0, 5000.0)
    outcome = played(load, {0.0: 8}, duplicate_ratio=0.1)
    assert outcome.redelivered == pytest.approx(0.1 * len(load.arrivals_s), rel=0.2)
    assert outcome.lost_work_s == pytest.approx(5.0 * outcome.redelivered, rel=0.2)
    assert played(load, {0.0: 8}).redelivered == 0


def test_the_same_messages_are_duplicated_under_every_policy() -> None:
    load = poisson(1, 1.0, 2000.0)
    few = played(load, {0.0: 6}, duplicate_ratio=0.1)
    many = played(load, {0.0: 60}, duplicate_ratio=0.1)
    assert (few.redelivered, few.lost_work_s) == pytest.approx((many.redelivered, many.lost_work_s))


def test_a_returned_message_is_behind_messages_sent_before_its_return() -> None:
    # Killed at 15, visible at 115. At 120 the new task finds two messages sent before 115 and one sent after it.
    load = workload([1.0, 110.0, 112.0, 117.0], [30.0, 1.0, 1.0, 1.0])
    outcome = played(load, {10.0: 0, 110.0: 1}, **KILLING)
    assert outcome.received_s.tolist() == [1.0, 120.0, 121.0, 152.0]


def test_counts_have_a_relative_random_error_but_zero_is_exact() -> None:
    load = workload([1.0] * 4000, 1000.0, 3000.0)
    script = ScriptedScaler({2990.0: 4000}).recording(lambda seen: seen.counts().visible)
    play(load, settings(count_error_ratio=0.1, tasks_at_start=0), 1, script)
    off = np.array(script.seen[1:290]) / 4000
    assert script.seen[0] == 0
    assert off.mean() == pytest.approx(1.0, abs=0.02)
    assert off.std() == pytest.approx(0.1, rel=0.15)
    in_progress = ScriptedScaler().recording(lambda seen: seen.counts().in_flight)
    play(load, settings(count_error_ratio=0.1, tasks_at_start=4000), 1, in_progress)
    off = np.array(in_progress.seen[1:100]) / 4000
    assert off.std() == pytest.approx(0.1, rel=0.3)


def test_delayed_counts_are_earlier_counts() -> None:
    load = poisson(2, 3.0, 900.0)
    exact, _ = counts(load, {0.0: 12}, tasks_at_start=12)
    late, _ = counts(load, {0.0: 12}, tasks_at_start=12, count_late_s=20.0)
    assert late[:2] == [QueueCounts(0, 0)] * 2
    assert late[2:90] == exact[:88]  # samples are taken every 2 s, so a delay of 20 s is exact
    between, _ = counts(workload([9.5], 500.0), count_late_s=15.0)
    assert [count.in_flight for count in between[:5]] == [0, 0, 0, 1, 1]  # the count appears 15.5 to 17 s after 9.5


def test_littles_law_holds() -> None:
    # Messages in the system = arrivals per second x time in the system, read every second.
    load = poisson(4, 3.6, 20_000.0)
    script = ScriptedScaler(interval_s=1.0).recording(lambda seen: sum(seen.counts()))
    outcome = play(load, settings(tasks_at_start=20), 1, script)
    in_system_s = float((outcome.received_s - load.arrivals_s + load.service_s).sum())
    assert sum(script.seen) == pytest.approx(in_system_s, rel=0.01)


def test_the_world_changes_only_when_it_is_advanced() -> None:
    stage = world(poisson(1, 1.0, 600.0))
    stage.advance(100.0)
    assert [stage.counts(), stage.tasks(), stage.now] == [stage.counts(), stage.tasks(), 100.0]
