"""Back-off: who rests, for how long, and what ends it."""

from __future__ import annotations

import pytest

from autoscaler.control.pacing import FIRST_REST_S, LEAST_REST_RATIO, LONGEST_REST_S, Backoff
from autoscaler.errors import Throttled
from autoscaler.ports import Category

READ, WRITE = Category.SERVICE_READ, Category.SERVICE_MODIFY


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def resting(draw: float = 1.0) -> tuple[Backoff, Clock]:
    clock = Clock()
    return Backoff(clock, lambda: draw), clock


def rest_s(backoff: Backoff, clock: Clock) -> float:
    """How long the category rests from now on, to the tenth of a second."""
    began = clock.now
    while True:
        try:
            backoff.admit(READ, "eu")
        except Throttled:
            clock.now += 0.1
        else:
            return clock.now - began


def test_nobody_rests_before_a_throttle_or_after_a_success() -> None:
    backoff, clock = resting()
    backoff.succeeded(READ, "eu")
    assert rest_s(backoff, clock) == 0


def test_a_throttle_rests_its_category_in_its_region_and_no_other() -> None:
    backoff, _ = resting()
    backoff.throttled(READ, "eu")
    with pytest.raises(Throttled, match=r"ecs_service_read in eu.*rest"):
        backoff.admit(READ, "eu")
    backoff.admit(WRITE, "eu")
    backoff.admit(READ, "us")


@pytest.mark.parametrize(("draw", "share"), [(0.0, LEAST_REST_RATIO), (1.0, 1.0)])
def test_a_rest_is_drawn_between_a_quarter_of_its_bound_and_all_of_it(draw: float, share: float) -> None:
    backoff, clock = resting(draw)
    backoff.throttled(READ, "eu")
    assert rest_s(backoff, clock) == pytest.approx(share * FIRST_REST_S, abs=0.11)


def test_each_throttle_in_a_row_doubles_the_bound_up_to_a_minute() -> None:
    backoff, clock = resting()
    rests = []
    for _ in range(8):
        backoff.throttled(READ, "eu")
        rests.append(rest_s(backoff, clock))
    assert rests == pytest.approx([2, 4, 8, 16, 32, 60, 60, 60], abs=0.11)
    assert max(rests) <= LONGEST_REST_S + 0.11


def test_calls_that_were_under_way_together_count_as_one_throttle() -> None:
    backoff, clock = resting()
    for _ in range(50):
        backoff.throttled(READ, "eu")
    assert rest_s(backoff, clock) == pytest.approx(FIRST_REST_S, abs=0.11)


def test_a_success_ends_the_row_but_not_a_rest_that_began_after_it_was_sent() -> None:
    backoff, clock = resting()
    backoff.throttled(READ, "eu")
    backoff.succeeded(READ, "eu")
    assert rest_s(backoff, clock) > 1
    backoff.throttled(READ, "eu")
    assert rest_s(backoff, clock) == pytest.approx(4, abs=0.11)
    backoff.succeeded(READ, "eu")
    backoff.throttled(READ, "eu")
    assert rest_s(backoff, clock) == pytest.approx(FIRST_REST_S, abs=0.11)
