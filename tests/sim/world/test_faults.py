"""What is wrong with the world is wrong for as long as it says, half-open."""

from __future__ import annotations

from functools import partial

import pytest

from autoscaler.errors import Throttled, Unavailable
from autoscaler.sim.model import Blindness, Contention, Meter, Slow, Throttling
from tests.sim.world.made import played, workload, world


def test_ecs_refuses_every_call_while_it_throttles_and_nothing_is_changed() -> None:
    stage = world(workload([1.0], 1.0), faults=(Throttling(50.0, 100.0),))
    for at, refuses in ((49.0, False), (50.0, True), (99.0, True), (100.0, False)):
        stage.advance(at)
        for call in (stage.tasks, stage.protected, partial(stage.scale_to, int(at))):
            if refuses:
                with pytest.raises(Throttled):
                    call()
            else:
                call()
        stage.counts()
        stage.minutes(Meter.SENT, 1)
    assert [count for _, count in stage.outcome().desired] == [1, 49, 100]


def test_counts_cannot_be_read_while_sqs_answers_nothing() -> None:
    stage = world(workload([1.0], 1.0), faults=(Blindness(50.0, 100.0),))
    for at, blind in ((49.0, False), (50.0, True), (99.0, True), (100.0, False)):
        stage.advance(at)
        stage.tasks()
        if blind:
            with pytest.raises(Unavailable):
                stage.counts()
        else:
            stage.counts()


def test_messages_begun_while_all_is_slow_take_that_much_longer() -> None:
    load = workload([19.0, 20.0, 39.0, 40.0, 60.0, 75.0], 10.0)
    for start_s, end_s in ((20.5, 43.5), (29.0, 49.0)):  # between the scaler's ticks, and half-open
        outcome = played(load, tasks_at_start=1, faults=(Slow(start_s, end_s, 2.0),))
        # 19 to 29 as ever, 29 to 49 slow, from 49 on as ever.
        assert outcome.received_s.tolist() == [19.0, 29.0, 49.0, 59.0, 69.0, 79.0]


def test_slowness_multiplies_and_tells_no_lost_work() -> None:
    load = workload([10.0, 11.0], 10.0)
    outcome = played(load, faults=(Slow(0.0, 100.0, 2.0), Slow(5.0, 100.0, 3.0)))
    assert outcome.received_s.tolist() == [10.0, 70.0]
    assert outcome.lost_work_s == 0.0


def test_a_contended_downstream_slows_down_in_proportion_to_the_running_tasks() -> None:
    faults = (Contention(0.0, 500.0, 2),)
    for tasks, taken_s in ((1, 10.0), (2, 10.0), (3, 15.0), (8, 40.0)):
        load = workload([10.0] * (tasks + 1), 10.0)
        assert played(load, tasks_at_start=tasks, faults=faults).received_s[-1] == 10.0 + taken_s


def test_contention_follows_the_tasks_that_run_at_each_beginning() -> None:
    # One task for a downstream of one: 10 to 20 and 20 to 30. Two more come up at 20: from 20 on three times as slow.
    load = workload([10.0, 19.0, 21.0, 22.0, 23.0], 10.0)
    outcome = played(load, {10.0: 3}, faults=(Contention(0.0, 500.0, 1),))
    assert outcome.received_s.tolist() == [10.0, 20.0, 21.0, 22.0, 50.0]
