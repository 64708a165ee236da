"""The limit of the message groups at each of its edges: readings ten seconds apart, the first one at 10 s."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from autoscaler.core.estimate.groups import MessageGroups


@dataclass
class GroupPolls:
    """Unless stated, messages wait, and 4 of 50 slots are occupied."""

    groups: MessageGroups = field(default_factory=lambda: MessageGroups(0.0))
    now: float = 0.0

    def until(self, at: float, visible: int = 300, in_flight: int = 4, slots: int = 50) -> float | None:
        """Add readings up to the instant, and return the limit."""
        while self.now < at:
            self.now += 10.0
            self.groups.see(visible, in_flight, slots, 10.0, self.now)
        return self.groups.limit

    def at(self, now: float, visible: int = 300, in_flight: int = 4, slots: int = 50) -> float | None:
        """Add one reading, and return the limit."""
        self.groups.see(visible, in_flight, slots, now - self.now, now)
        self.now = now
        return self.groups.limit

    def count(self, at: float, groups: int = 4, deleted: int | None = None) -> float | None:
        """Add CloudWatch's minute that ended at the instant, and return the limit."""
        self.groups.count(at, groups, deleted)
        return self.groups.limit


def counted(groups: int = 4, deleted: int | None = None) -> GroupPolls:
    """CloudWatch's groups are known before the first reading."""
    polls = GroupPolls()
    polls.count(0.0, groups, deleted)
    return polls


# While tasks are idle for half a minute, no more are requested.


@pytest.mark.parametrize(
    ("in_flight", "slots", "limit"),
    [(4, 50, 50.0), (1, 3, 5.0), (4, 5, 5.0), (4, 6, 6.0), (3, 51, 51.0), (20, 50, 50.0), (0, 1, 5.0)],
)
def test_30_s_with_idle_tasks_and_messages_limit_the_tasks_to_the_present_ones(
    in_flight: int, slots: int, limit: float
) -> None:
    """Or to the four groups and a probe, if these are more."""
    polls = counted()
    assert polls.until(30, in_flight=in_flight, slots=slots) is None
    assert polls.until(40, in_flight=in_flight, slots=slots) == limit


@pytest.mark.parametrize(
    ("visible", "in_flight", "slots", "is_idle"),
    [
        (0, 4, 50, False),
        (1, 4, 50, True),
        (300, 50, 50, False),
        (300, 49, 50, True),
        (300, 1, 1, False),
        (9, 0, 0, False),
    ],
)
def test_a_task_is_idle_if_fewer_slots_are_occupied_than_there_are(
    visible: int, in_flight: int, slots: int, is_idle: bool
) -> None:
    assert (counted().until(40, visible, in_flight, slots) is not None) is is_idle


def test_without_a_count_of_the_groups_there_is_no_limit() -> None:
    polls = GroupPolls()
    assert polls.until(400) is None
    polls.count(400.0, 4)
    assert polls.until(410) == 25.0


@pytest.mark.parametrize(("in_flight", "limit"), [(48, 50.0), (49, 50.0), (50, 51.0), (60, 61.0)])
def test_the_limit_rises_to_the_messages_in_flight_and_a_probe(in_flight: int, limit: float) -> None:
    polls = counted()
    polls.until(40)
    assert polls.until(50, in_flight=in_flight, slots=100) == limit


@pytest.mark.parametrize(("groups", "limit"), [(49, 50.0), (60, 61.0)])
def test_the_limit_rises_to_the_groups_and_a_probe(groups: int, limit: float) -> None:
    polls = counted()
    polls.until(40)
    polls.count(40.0, groups)
    assert polls.until(50) == limit


def test_the_time_with_idle_tasks_begins_at_the_first_reading_with_one() -> None:
    polls = counted()
    polls.until(10, in_flight=50)
    assert polls.until(40) is None
    assert polls.until(50) == 50.0


# When it ends.


def test_without_tasks_none_is_idle_and_none_is_busy() -> None:
    polls = counted()
    polls.until(40)
    assert polls.until(100, slots=0) == 50.0
    assert polls.until(110, slots=0) is None, "a minute without idle tasks"


def test_the_limit_ends_with_the_second_reading_without_an_idle_task() -> None:
    polls = counted()
    polls.until(40)
    assert polls.until(50, in_flight=50) == 51.0
    assert polls.until(60, in_flight=49) == 51.0
    assert polls.until(70, in_flight=50) == 51.0, "the reading before had an idle task"
    assert polls.until(80, in_flight=50) is None
    assert polls.until(110) is None
    assert polls.until(120) == 50.0, "30 s after the first idle reading since"


def test_the_limit_lasts_for_a_minute_without_idle_tasks_and_messages() -> None:
    polls = counted()
    polls.until(40)
    assert polls.until(100, visible=0) == 50.0
    assert polls.at(100.5, visible=0) is None
    assert polls.at(110.5) is None
    assert polls.at(140.0) is None
    assert polls.at(140.5) == 50.0, "a new one"


# Reductions.


@pytest.mark.parametrize(("ended", "limit"), [(69.9, 50.0), (70.0, 25.0)])
def test_a_reduction_needs_a_minute_that_began_since_the_first_idle_reading(ended: float, limit: float) -> None:
    polls = GroupPolls()
    polls.count(ended, 4)
    assert polls.until(180) == 50.0
    assert polls.at(189.5) == 50.0
    assert polls.at(190.0) == limit


@pytest.mark.parametrize(("slots", "limit"), [(51, 26.0), (50, 25.0), (11, 6.0), (8, 5.0), (6, 5.0), (5, 5.0)])
def test_a_reduction_keeps_half_of_the_slots_and_the_groups_with_a_probe(slots: int, limit: float) -> None:
    polls = GroupPolls()
    polls.count(70.0, 4)
    assert polls.until(190, slots=slots) == limit


def test_the_next_reduction_follows_after_three_minutes() -> None:
    polls = GroupPolls()
    polls.count(70.0, 4)
    polls.until(190)
    assert polls.until(360, slots=25) == 25.0
    assert polls.at(369.5, slots=25) == 25.0
    assert polls.at(370.0, slots=25) == 13.0


def test_nothing_to_reduce_does_not_delay_a_reduction() -> None:
    """Five slots are the four groups and a probe."""
    polls = GroupPolls()
    polls.count(70.0, 4)
    assert polls.until(190, slots=5) == 5.0
    assert polls.until(200, slots=50) == 25.0


# CloudWatch's minutes.


def test_the_messages_in_flight_per_group_show_how_many_slots_are_busy() -> None:
    """40 messages of 4 groups occupy 4 of 10 slots. A reading that does not cover the minute shows nothing."""
    for ended, is_known in [(59.9, False), (60.0, True)]:
        polls = GroupPolls()
        polls.until(60, in_flight=40, slots=10)
        polls.count(ended, 4)
        assert polls.until(100, in_flight=40, slots=10) == (10.0 if is_known else None)
        assert polls.until(120, in_flight=100, slots=10) is None


def test_a_group_has_at_least_one_message_in_flight() -> None:
    """Two messages in flight are two busy slots of three, although four groups had one at some time in the minute."""
    polls = GroupPolls()
    polls.until(60, in_flight=2, slots=3)
    polls.count(60.0, 4)
    assert polls.until(70, in_flight=2, slots=3) == 5.0


def test_a_minute_without_a_group_shows_nothing_about_its_messages() -> None:
    polls = GroupPolls()
    polls.until(60)
    polls.count(60.0, 0)
    assert polls.until(70) == 50.0


@pytest.mark.parametrize(("at", "limit"), [(99.0, 50.0), (100.0, 61.0)])
def test_each_minute_is_counted_once(at: float, limit: float) -> None:
    """Ends less than half a minute apart are of the same minute: the clock was adjusted."""
    polls = GroupPolls()
    polls.count(70.0, 4)
    polls.count(at, 60)
    assert polls.until(40) == limit


def reduced(deleted: int | None) -> GroupPolls:
    """The limit was reduced at 190 s, after a minute with these deletions."""
    polls = GroupPolls()
    polls.count(130.0, 4, deleted)
    assert polls.until(190) == 25.0
    return polls


@pytest.mark.parametrize(
    ("before", "deleted", "is_wrong"),
    [(400, 300, False), (400, 299, True), (200, 145, False), (200, 144, True), (400, 500, False), (9, 0, False)],
)
def test_clearly_fewer_deletions_after_a_reduction_end_the_limit(before: int, deleted: int, is_wrong: bool) -> None:
    """Less than three quarters, and by three standard deviations: of 200 and 145 these are 3 x sqrt(345) = 55.7."""
    polls = reduced(before)
    polls.until(300)
    assert (polls.count(250.0, 4, deleted) is None) is is_wrong


def test_the_next_whole_minute_is_compared_and_no_other() -> None:
    early = reduced(400)
    assert early.count(249.0, 4, 0) == 25.0, "it began before the reduction"
    assert early.count(309.0, 4, 0) is None
    late = reduced(400)
    assert late.count(250.0, 4, 400) == 25.0
    assert late.count(310.0, 4, 0) == 25.0


def test_unknown_deletions_are_not_compared() -> None:
    polls = reduced(400)
    assert polls.count(250.0, 4, None) == 25.0
    assert polls.count(310.0, 4, 0) is None, "the minute before the reduction is compared with the next known one"
    assert reduced(None).count(250.0, 4, 0) == 25.0


def test_a_limit_that_ended_is_not_compared_any_more() -> None:
    polls = reduced(400)
    polls.until(210, in_flight=50)
    assert polls.until(250) == 50.0, "a new one"
    assert polls.count(270.0, 4, 0) == 50.0


def test_after_a_wrong_reduction_there_is_no_limit_for_a_quarter_of_an_hour() -> None:
    polls = reduced(400)
    polls.count(250.0, 4, 0)
    assert polls.until(1140) is None
    assert polls.at(1149.5) is None
    assert polls.at(1150.0) == 50.0
    polls.count(1150.0, 4, 0)
    assert polls.until(1160) == 25.0
