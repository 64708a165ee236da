"""Past minutes one by one: which are used, what each shows, and where the number of tasks comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.estimate.readings import Minute
from autoscaler.core.estimate.recall import PastReading, is_nothing_held, minute_of, past_readings
from autoscaler.core.model import Backlog, Fleet, Flow, Missing, Observation, PastCounts, PastMinute, QueueReading

NOW = 10_000.0
COUNTS = PastCounts(30, 6, 12, 11)


def reading(visible: int = 0, in_flight: int = 0, at: float = 60.0, **more: Any) -> PastReading:
    known = {"running": 3, "tasks": 3.0, "received": 12, "deleted": 11, **more}
    return PastReading(at, {"q": Backlog(visible, in_flight, 0, at)}, **known)


def observed(running: int = 10, desired: int = 10, **queues: Backlog | Missing) -> Observation:
    counts = {"q": Backlog(30, 6, 0, NOW), **queues}
    readings = tuple(QueueReading(name, backlog) for name, backlog in counts.items())
    return Observation(NOW, Fleet(desired, running, 0, NOW), readings)


def past(*tasks: float | None, **queues: PastCounts) -> list[PastMinute]:
    """Return one minute for each number of tasks, the newest ending now."""
    first = NOW - 60.0 * (len(tasks) - 1)
    return [PastMinute(first + 60.0 * n, each, None, {"q": COUNTS, **queues}) for n, each in enumerate(tasks)]


def sampled(*samples: float | None, running: int = 10, desired: int = 10) -> list[float | None]:
    """Return the tasks of minutes with these CPU samples."""
    minutes = [
        minute._replace(samples=each) for minute, each in zip(past(*[None] * len(samples)), samples, strict=True)
    ]
    return [each.tasks for each in past_readings(minutes, observed(running, desired))]


# A minute between two readings.


def test_a_minute_between_two_samples_has_its_own_sums_and_the_tasks_rounded_up() -> None:
    after = reading(at=120.0, received=40, deleted=39)
    assert after.flow(reading()) == Flow(40, 39, 3, 120.0, 0)
    for tasks, whole in [(3.0 + 1e-12, 3), (3.1, 4), (2.9, 3), (0.0, 0)]:
        flow = after._replace(tasks=tasks).flow(reading())
        assert flow is not None
        assert flow.tasks == whole


@pytest.mark.parametrize(("apart_s", "follows"), [(60.0, True), (90.0, True), (90.5, False)])
def test_two_samples_more_than_a_minute_and_a_half_apart_do_not_follow_each_other(
    apart_s: float, follows: bool
) -> None:
    assert (reading(at=60.0 + apart_s).flow(reading()) is not None) is follows


@pytest.mark.parametrize("unknown", ["running", "tasks", "received", "deleted"])
def test_a_minute_with_an_unknown_value_shows_nothing(unknown: str) -> None:
    nothing = dict[str, Any]({unknown: None})
    assert reading(at=120.0, **nothing).flow(reading()) is None
    before = reading(**nothing)
    assert (reading(at=120.0).flow(before) is None) is (unknown == "running"), (
        "of the minute before, only its end counts"
    )


@pytest.mark.parametrize(
    ("before", "received", "deleted", "after", "waiting"),
    [(100, 30, 20, 500, 70), (100, 20, 30, 500, 70), (100, 30, 20, 50, 50), (30, 30, 0, 500, 0), (10, 30, 0, 500, 0)],
)
def test_the_messages_that_were_not_received_waited_throughout(
    before: int, received: int, deleted: int, after: int, waiting: int
) -> None:
    """At least the ones of its start without those that were received, and at most those of its end."""
    flow = reading(after, at=120.0, received=received, deleted=deleted).flow(reading(before))
    assert flow is not None
    assert flow.waiting == waiting


@pytest.mark.parametrize(
    ("visible", "in_flight", "before", "slots", "overfull"),
    [
        (0, 11, 11, 10.0, True),
        (0, 10, 11, 10.0, False),
        (0, 11, 10, 10.0, False),
        (1, 11, 11, 10.0, False),
        (0, 11, 11, 0.0, False),
        (0, 1, 1, 0.5, True),
    ],
)
def test_a_minute_is_overfull_if_both_samples_show_more_in_flight_than_slots_and_none_visible(
    visible: int, in_flight: int, before: int, slots: float, overfull: bool
) -> None:
    found = minute_of(Flow(9, 9, 1, 120.0, 4), (2.0, 4.0), slots, reading(0, before), reading(visible, in_flight))
    assert found == Minute(180.0, 60.0 * slots, 4, overfull, in_flight - before)


# No message in flight in any sample.


def test_30_deletions_without_a_message_in_flight_show_that_samples_give_no_processing_time() -> None:
    assert is_nothing_held([reading(deleted=15), reading(deleted=15)])
    assert not is_nothing_held([reading(deleted=15), reading(deleted=14)])
    assert not is_nothing_held([reading(deleted=40), reading(in_flight=1, deleted=0)])
    assert is_nothing_held([reading(deleted=None), reading(deleted=30)])
    assert not is_nothing_held([reading(deleted=None), reading(deleted=29)])


# The minutes that are used.


def test_minutes_are_used_oldest_first_up_to_the_first_observation() -> None:
    minutes = past(3.0, 3.0, 3.0)
    later = minutes[0]._replace(at=NOW + 0.5)
    found = past_readings([later, *reversed(minutes)], observed())
    assert [each.at for each in found] == [NOW - 120, NOW - 60, NOW]


def test_the_counts_of_a_minute_are_those_of_cloudwatch() -> None:
    counts = PastCounts(30, 6, 12, 11, 17.5, 4)
    [found] = past_readings(past(3.0, q=counts), observed())
    assert dict(found.counts) == {"q": Backlog(30, 6, 0, NOW, 17.5, 4, deleted=11, counted_at=NOW)}
    assert (found.visible, found.in_flight, found.received, found.deleted) == (30, 6, 12, 11)


def test_the_counts_of_a_minute_are_summed_over_the_queues_unless_one_is_unknown() -> None:
    two = observed(slow=Backlog(0, 0, 0, NOW))
    [found] = past_readings(past(3.0, slow=PastCounts(7, 2, 5, 3)), two)
    assert (found.visible, found.in_flight, found.received, found.deleted) == (37, 8, 17, 14)
    [partly] = past_readings(past(3.0, slow=PastCounts(7, 2, None, 3)), two)
    assert (partly.received, partly.deleted) == (None, 14)


UNUSED: Mapping[str, PastCounts] = {}


@pytest.mark.parametrize(
    ("now", "counts", "is_used"),
    [
        (Backlog(0, 0, 0, NOW), UNUSED, True),
        (Backlog(0, 0, 9, NOW), UNUSED, True),
        (Backlog(1, 0, 0, NOW), UNUSED, False),
        (Backlog(0, 1, 0, NOW), UNUSED, False),
        (Backlog(1, 1, 0, NOW), UNUSED, False),
        (Missing("denied"), UNUSED, False),
        (Backlog(0, 0, 0, NOW), {"slow": PastCounts(None, 2, 5, 3)}, False),
        (Backlog(0, 0, 0, NOW), {"slow": PastCounts(7, None, 5, 3)}, False),
        (Backlog(0, 0, 0, NOW), {"slow": PastCounts(0, 0, 5, 3)}, True),
    ],
)
def test_a_queue_without_datapoints_was_empty_if_it_is_empty_now(
    now: Backlog | Missing, counts: Mapping[str, PastCounts], is_used: bool
) -> None:
    found = past_readings(past(3.0, **counts), observed(slow=now))
    assert bool(found) is is_used
    if is_used and not counts:
        assert found[0].counts["slow"] == Backlog(0, 0, 0, NOW)
        assert (found[0].received, found[0].deleted) == (12, 11), "and nothing was received or deleted there"


def test_a_queue_with_a_datapoint_in_another_minute_is_unknown_without_one() -> None:
    first, second = past(3.0, 3.0)
    minutes = [first._replace(queues={"q": COUNTS, "slow": PastCounts(7, 2, 5, 3)}), second]
    found = past_readings(minutes, observed(slow=Backlog(0, 0, 0, NOW)))
    assert [each.at for each in found] == [NOW - 60]


# The number of tasks.


@pytest.mark.parametrize(
    ("tasks", "running"),
    [((10.0, 20.0, 4.0), [15, 12, 4]), ((10.0, 11.0), [11, 11]), ((10.0, None), [10, None]), ((None, 8.0), [None, 8])],
)
def test_the_tasks_at_the_end_of_a_minute_are_the_mean_of_it_and_of_the_next_one(
    tasks: tuple[float | None, ...], running: list[int | None]
) -> None:
    found = past_readings(past(*tasks), observed())
    assert [each.running for each in found] == running
    assert [each.tasks for each in found] == list(tasks)


@pytest.mark.parametrize(
    ("newest", "tasks"),
    [(8.0, 8), (7.5, None), (12.0, 12), (12.5, None), (23.5, None), (24.0, 8), (36.0, 12), (36.5, None)],
)
def test_samples_count_tasks_if_the_newest_is_within_a_fifth_of_one_or_three_per_running_task(
    newest: float, tasks: float | None
) -> None:
    assert sampled(newest) == [tasks]


def test_the_newest_known_samples_show_how_many_a_task_has() -> None:
    assert sampled(15.0, None, 30.0, None) == [5.0, None, 10.0, None]
    assert sampled(None, None) == [None, None]
    assert sampled(1.0, running=1, desired=1) == [None], "it can be written by hand"
    assert sampled(1.5, running=2, desired=2) == [None]
    assert sampled(2.0, running=2, desired=2) == [2.0]
    assert sampled(1.2, running=1, desired=1) == [1.2]
    assert sampled(10.0, running=10, desired=9) == [None], "tasks start or stop now"
    assert sampled(10.0, running=10, desired=11) == [None]


def test_a_task_count_takes_precedence_over_samples() -> None:
    known, unknown = past(4.0, None)
    found = past_readings([known._replace(samples=10.0), unknown._replace(samples=10.0)], observed())
    assert [each.tasks for each in found] == [4.0, None]


def test_an_observation_without_queues_has_no_counts() -> None:
    found = past_readings(past(3.0), replace(observed(), queues=()))
    assert [dict(each.counts) for each in found] == [{}]
