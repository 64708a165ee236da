"""Messages of a FIFO queue wait longer than in the order of arrival if their group is overtaken by others."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate.estimator import Estimator
from autoscaler.core.estimate.groups import GroupOrder, MessageGroups
from autoscaler.core.knowledge import Knowledge, TimedCount, p95_ratio
from autoscaler.core.model import Backlog, Fleet, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy

MINUTE_S = 60.0


def waiting(oldest_s: float) -> tuple[TimedCount, ...]:
    return (TimedCount(oldest_s / 4, 10.0), TimedCount(oldest_s, 5.0)) if oldest_s else ()


@dataclass
class OrderPolls:
    """Polls each 10 s. CloudWatch's minutes end at 0, 60, and so on, and are known a minute later."""

    order: GroupOrder = field(default_factory=GroupOrder)
    now: float = 0.0

    def see(self, oldest_s: float, age_s: float | None, *, held_s: float = 0.0, minutes: int = 3) -> OrderPolls:
        """Add minutes in which the oldest message is `oldest_s` old in the order of arrival, and `age_s` in fact."""
        for _ in range(6 * minutes):
            self.now += 10.0
            end = self.now // MINUTE_S * MINUTE_S - MINUTE_S
            counts = Backlog(15, 5, 0, self.now, oldest_age_s=age_s, counted_at=end)
            self.order.see(counts, waiting(oldest_s), held_s, self.now)
        return self


@given(st.floats(1, 900), st.floats(0, 900), st.floats(0, 100))
def test_the_oldest_message_has_the_age_of_cloudwatchs_less_the_time_in_flight(
    oldest_s: float, more_s: float, held_s: float
) -> None:
    polls = OrderPolls().see(oldest_s, oldest_s + more_s + held_s, held_s=held_s)
    assert polls.order.extra_s == pytest.approx(more_s, abs=1e-6)
    ages = polls.order.ordered(waiting(oldest_s))
    assert ages[-1] == pytest.approx((oldest_s + more_s, 5.0), abs=1e-6)
    assert ages[0] == pytest.approx(((oldest_s + more_s) / 4, 10.0), abs=1e-6), "in proportion"


@given(st.floats(0, 900), st.floats(0, 900), st.floats(0, 900))
def test_no_message_is_younger_than_in_the_order_of_arrival(oldest_s: float, age_s: float, held_s: float) -> None:
    polls = OrderPolls().see(oldest_s, age_s, held_s=held_s)
    ordered = polls.order.ordered(waiting(oldest_s))
    assert all(new.seconds >= old.seconds for new, old in zip(ordered, waiting(oldest_s), strict=True))


def test_the_oldest_message_can_be_in_flight() -> None:
    """Nothing waited at some time of the minute: CloudWatch's oldest message says nothing about those that wait."""
    polls = OrderPolls().see(100.0, 300.0)
    assert polls.order.extra_s == 200.0
    polls.see(0.0, 300.0)
    assert polls.order.extra_s == 0.0
    assert polls.order.ordered(()) == ()


def test_the_age_is_compared_with_the_oldest_estimate_of_its_own_minute() -> None:
    """The backlog falls: messages of 200 s, then of 20 s, and CloudWatch's newest minute is one of the former."""
    polls = OrderPolls().see(200.0, 230.0)
    assert polls.order.extra_s == pytest.approx(30.0)
    polls.see(20.0, 230.0, minutes=1)
    assert polls.order.extra_s == pytest.approx(30.0)
    mixed = OrderPolls().see(150.0, 230.0, minutes=3)
    for oldest_s in (150.0, 190.0, 150.0, 150.0, 150.0, 150.0):
        mixed.now += 10.0
        mixed.order.see(Backlog(15, 5, 0, mixed.now, counted_at=60.0), waiting(oldest_s), 0.0, mixed.now)
    mixed.order.see(Backlog(15, 5, 0, 250.0, oldest_age_s=230.0, counted_at=240.0), waiting(150.0), 0.0, 250.0)
    assert mixed.order.extra_s == pytest.approx(40.0)


def test_a_minute_is_used_once_and_an_unknown_age_ends_the_extra_time() -> None:
    polls = OrderPolls().see(100.0, 150.0)
    again = Backlog(15, 5, 0, polls.now, oldest_age_s=900.0, counted_at=120.0)
    polls.order.see(again, waiting(100.0), 0.0, polls.now)
    assert polls.order.extra_s == pytest.approx(50.0)
    polls.see(100.0, None, minutes=1)
    assert polls.order.extra_s == 0.0


def seen_by_estimator(*each: int | None) -> Knowledge:
    """Return the knowledge after ten minutes with each of these numbers of groups. 100 messages wait, and each of four
    tasks holds two.

    CloudWatch's oldest message is 900 s old.
    """
    policy = Policy("orders", 0, 100, queues=(QueuePolicy("orders.fifo", 300.0),), processing_time_s=10.0)
    estimator, learned = None, None
    for poll in range(60 * len(each) + 1):
        now, groups = 10.0 * poll, each[max(0, poll - 1) // 60]
        end = now // MINUTE_S * MINUTE_S - MINUTE_S
        counts = Backlog(100, 8, 0, now, oldest_age_s=900.0, deleted=24, groups_in_flight=groups, counted_at=end)
        seen = Observation(now, Fleet(4, 4, 0, now), (QueueReading("orders.fifo", counts),))
        estimator = estimator or Estimator(policy, seen, 10.0)
        learned = estimator.see(policy, seen)
    assert learned is not None
    return learned


def test_with_message_groups_the_oldest_message_is_as_old_as_cloudwatchs_less_its_time_in_flight() -> None:
    """At a spread of 1, the longest message is held for 2.78 times the mean. If a group has two messages in flight, the
    oldest can be in flight for twice as long as if it has one.
    """
    standard, single, double = seen_by_estimator(None), seen_by_estimator(8), seen_by_estimator(4)
    assert standard.overtaken_s == 0.0
    assert standard.queues[0].waiting[-1].seconds < 600.0
    for grouped, messages in ((single, 1), (double, 2)):
        held_s = messages * grouped.slow_s * p95_ratio(1.0)
        oldest_s = grouped.queues[0].waiting[-1].seconds
        assert oldest_s == pytest.approx(900.0 - held_s, abs=2 * MINUTE_S)
    assert single.overtaken_s - double.overtaken_s == pytest.approx(single.slow_s * p95_ratio(1.0))


def test_when_the_number_of_groups_is_no_longer_known_the_order_is_that_of_arrival() -> None:
    assert seen_by_estimator(8).overtaken_s > 0.0
    assert seen_by_estimator(8, None).overtaken_s == 0.0


def test_the_ages_are_scaled_to_the_oldest_message_which_is_the_last() -> None:
    order = GroupOrder()
    order.extra_s = 50.0
    several = (TimedCount(0.0, 2.0), TimedCount(50.0, 3.0), TimedCount(100.0, 1.0))
    assert order.ordered(several) == (TimedCount(0.0, 2.0), TimedCount(75.0, 3.0), TimedCount(150.0, 1.0))
    assert order.ordered(()) == ()
    just_arrived = (TimedCount(0.0, 2.0),)
    assert order.ordered(just_arrived) == just_arrived


def test_before_cloudwatch_has_a_minute_the_order_is_that_of_arrival() -> None:
    order = GroupOrder()
    order.see(Backlog(15, 5, 0, 10.0), waiting(100.0), 0.0, 10.0)
    assert order.extra_s == 0.0
    assert order.ordered(waiting(100.0)) == waiting(100.0)


def test_readings_are_stored_for_five_minutes_only() -> None:
    polls = OrderPolls().see(100.0, 100.0, minutes=30)
    assert len(polls.order._oldest) == 31, "one at each end of 300 s"


def test_a_reading_at_the_end_of_the_minute_belongs_to_it() -> None:
    order = GroupOrder()
    order.see(Backlog(15, 5, 0, 60.0), waiting(100.0), 0.0, 60.0)
    order.see(Backlog(15, 5, 0, 70.0, oldest_age_s=130.0, counted_at=60.0), waiting(0.0), 0.0, 70.0)
    assert order.extra_s == 30.0


def test_a_reading_at_the_start_of_the_minute_belongs_to_it_too() -> None:
    order = GroupOrder()
    order.see(Backlog(15, 5, 0, 0.0), waiting(100.0), 0.0, 0.0)
    order.see(Backlog(15, 5, 0, 70.0, oldest_age_s=130.0, counted_at=60.0), waiting(90.0), 0.0, 70.0)
    assert order.extra_s == 30.0


@pytest.mark.parametrize("empty_at", range(6))
def test_one_reading_without_a_waiting_message_is_enough_for_an_oldest_message_in_flight(empty_at: int) -> None:
    order = GroupOrder()
    for poll in range(6):
        now = 10.0 * (poll + 1)
        order.see(Backlog(15, 5, 0, now), waiting(0.0 if poll == empty_at else 100.0), 0.0, now)
    order.see(Backlog(15, 5, 0, 70.0, oldest_age_s=130.0, counted_at=60.0), waiting(100.0), 0.0, 70.0)
    assert order.extra_s == 0.0


def test_messages_are_in_flight_one_per_group_until_more_are_seen() -> None:
    assert MessageGroups(0.0).per_group == 1.0


def test_the_worst_queue_is_reported() -> None:
    queues = (QueueReading("a.fifo", Backlog(1, 1, 0, 0.0)), QueueReading("b.fifo", Backlog(1, 1, 0, 0.0)))
    seen = Observation(0.0, Fleet(1, 1, 0, 0.0), queues)
    policy = Policy("orders", 0, 9, queues=(QueuePolicy("a.fifo", 60.0), QueuePolicy("b.fifo", 60.0)))
    learned = Estimator(policy, seen, 10.0)
    for name, extra_s in (("x", 10.0), ("y", 20.0)):
        learned._orders[name] = GroupOrder()
        learned._orders[name].extra_s = extra_s
    assert learned.see(policy, seen).overtaken_s == 20.0
