"""Each fault lasts for its half-open interval."""

from __future__ import annotations

from functools import partial

import pytest

from autoscaler.errors import Throttled, Unavailable
from autoscaler.sim.model import Contention, Meter, Slow, SqsOutage, Throttling
from tests.sim.world.made import played, workload, world


def test_ecs_refuses_every_call_during_throttling_and_changes_nothing() -> None:
    stage = world(workload([1.0], 1.0), faults=(Throttling(50.0, 100.0),))
    for at, throttled in ((49.0, False), (50.0, True), (99.0, True), (100.0, False)):
        stage.advance(at)
        for call in (stage.tasks, stage.protected, partial(stage.scale_to, int(at))):
            if throttled:
                with pytest.raises(Throttled):
                    call()
            else:
                call()
        stage.counts()
        stage.minutes(Meter.SENT, 1)
    assert [count for _, count in stage.outcome().desired] == [1, 49, 100]


def test_counts_cannot_be_read_during_an_sqs_outage() -> None:
    stage = world(workload([1.0], 1.0), faults=(SqsOutage(50.0, 100.0),))
    for at, unavailable in ((49.0, False), (50.0, True), (99.0, True), (100.0, False)):
        stage.advance(at)
        stage.tasks()
        if unavailable:
            with pytest.raises(Unavailable):
                stage.counts()
        else:
            stage.counts()


def test_messages_that_begin_during_slowness_take_longer_by_its_factor() -> None:
    load = workload([19.0, 20.0, 39.0, 40.0, 60.0, 75.0], 10.0)
    for start_s, end_s in ((20.5, 43.5), (29.0, 49.0)):  # begins and ends between polls; half-open
        outcome = played(load, tasks_at_start=1, faults=(Slow(start_s, end_s, 2.0),))
        # 19 to 29 at normal speed, 29 to 49 slow, from 49 on at normal speed.
        assert outcome.received_s.tolist() == [19.0, 29.0, 49.0, 59.0, 69.0, 79.0]


def test_slowness_factors_multiply_and_cause_no_lost_work() -> None:
    load = workload([10.0, 11.0], 10.0)
    outcome = played(load, faults=(Slow(0.0, 100.0, 2.0), Slow(5.0, 100.0, 3.0)))
    assert outcome.received_s.tolist() == [10.0, 70.0]
    assert outcome.lost_work_s == 0.0


def test_contention_slows_down_in_proportion_to_the_running_tasks() -> None:
    faults = (Contention(0.0, 500.0, 2),)
    for tasks, taken_s in ((1, 10.0), (2, 10.0), (3, 15.0), (8, 40.0)):
        load = workload([10.0] * (tasks + 1), 10.0)
        assert played(load, tasks_at_start=tasks, faults=faults).received_s[-1] == 10.0 + taken_s


def test_contention_depends_on_the_running_tasks_when_a_message_begins() -> None:
    # One task with capacity for one: 10 to 20. Two more come up at 20: from 20 on, work takes three times as long.
    load = workload([10.0, 19.0, 21.0, 22.0, 23.0], 10.0)
    outcome = played(load, {10.0: 3}, faults=(Contention(0.0, 500.0, 1),))
    assert outcome.received_s.tolist() == [10.0, 20.0, 21.0, 22.0, 50.0]
