"""Each fault lasts for its half-open interval."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, strategies

from autoscaler.errors import Throttled, Unavailable
from autoscaler.sim.model import (
    Contention,
    ManualChange,
    Meter,
    Rebalancing,
    Slow,
    SpotLoss,
    SqsOutage,
    Throttling,
    Victims,
)
from autoscaler.sim.play import play
from autoscaler.sim.world.faults import FORMS, fault_text, parse_fault
from tests.sim.world.made import ScriptedScaler, played, poisson, settings, workload, world


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


def test_a_spot_loss_stops_busy_tasks_after_their_stop_timeout_and_replaces_them() -> None:
    load = workload([1.0] * 4, 100.0)
    outcome = played(load, tasks_at_start=4, faults=(SpotLoss(20.0, 0.5),))
    assert [life.stopped_s for life in outcome.lives].count(50.0) == 2  # SIGTERM at 20, killed at 50
    assert [life.launched_s for life in outcome.lives].count(20.0) == 2
    assert outcome.redelivered == 2
    assert outcome.running[-1][1] == 4


@pytest.mark.parametrize("victims", Victims)
def test_a_rebalancing_starts_a_task_before_it_stops_one(victims: Victims) -> None:
    outcome = played(workload([1.0], 1.0), tasks_at_start=6, victims=victims, faults=(Rebalancing(50.0, 0.3),))
    assert outcome.running == ((0.0, 6),)
    assert sum(life.stopped_s == 60.0 for life in outcome.lives) == 2  # start-ups take 10 s
    assert [life.launched_s for life in outcome.lives].count(50.0) == 2


@given(
    strategies.integers(1, 12),
    strategies.lists(strategies.tuples(strategies.floats(1.0, 400.0), strategies.floats(0.0, 1.0)), max_size=5),
    strategies.sampled_from(Victims),
    strategies.integers(0, 2**16),
)
def test_rebalancings_never_have_fewer_running_tasks_than_desired_and_end_at_the_desired_count(
    tasks: int, moves: list[tuple[float, float]], victims: Victims, seed: int
) -> None:
    faults = tuple(Rebalancing(at, share) for at, share in moves)
    load = poisson(seed, 0.05, 500.0, "constant:5")  # tasks must become idle: a busy one is not stopped
    stage = settings(tasks_at_start=tasks, victims=victims, faults=faults, stop_timeout_s=60.0)
    outcome = play(load, stage, seed, ScriptedScaler({}))
    assert min(running for _, running in outcome.running) >= tasks
    assert max(running for _, running in outcome.running) <= 2 * tasks
    assert outcome.running[-1][1] == tasks
    moved = sum(math.ceil(round(share * tasks, 9)) for _, share in moves)
    assert len(outcome.lives) <= tasks * (1 + len(moves))
    assert (len(outcome.lives) > tasks) is (moved > 0), "the first one always has room"
    assert not np.isnan(outcome.received_s).any()


def test_a_rebalancing_waits_for_a_busy_protected_task() -> None:
    outcome = played(workload([40.0], 100.0), tasks_at_start=1, faults=(Rebalancing(50.0, 1.0),))
    assert outcome.lives[0].stopped_s == pytest.approx(140.0, abs=5.0)
    assert outcome.redelivered == 0


def test_a_manual_change_sets_the_desired_count() -> None:
    outcome = played(workload([1.0], 1.0), {0.0: 4}, faults=(ManualChange(100.0, 0),))
    assert outcome.desired[-1] == (100.0, 0)


@pytest.mark.parametrize("name", FORMS)
def test_a_fault_is_written_as_it_is_read(name: str) -> None:
    form = FORMS[name]
    text = ":".join([name, "90s", *(["3600s"] if form.lasts else []), *(["25"] if form.number else [])])
    fault = parse_fault(text)
    assert isinstance(fault, form.kind)
    assert fault_text(fault) == text
