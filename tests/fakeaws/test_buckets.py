"""Token buckets: never more than was there, and nobody drains another's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask, code, told
from tests.fakeaws.buckets import PUBLISHED, Bucket, Buckets, Limit

pauses = st.lists(st.floats(0, 5) | st.just(0.0), max_size=300)


@given(pauses, st.integers(1, 20), st.floats(0.1, 50))
def test_in_any_time_no_more_than_the_burst_and_what_came_since_is_let_through(
    pauses: Any, burst: Any, rate: Any
) -> None:
    bucket, limit, at, taken = Bucket(burst, 0.0), Limit(burst, rate), 0.0, []
    for pause_s in pauses:
        at += pause_s
        taken += [at] if bucket.take(limit, at) else []
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - start) + 1e-3


def let_through(
    buckets: Any, calls: Any, now: Any = 0.0, account: Any = "1", region: Any = "here", category: Any = "service_modify"
) -> Any:
    return sum(buckets.take(account, region, category, now) for _ in range(calls))


@pytest.mark.parametrize(("factor", "burst", "in_a_second"), [(1.0, 50, 5), (0.1, 5, 0), (2.0, 100, 10)])
def test_the_burst_and_the_rate_are_aws_s_times_the_factor(factor: float, burst: int, in_a_second: int) -> None:
    buckets = Buckets(factor)
    assert let_through(buckets, 1000) == burst
    assert let_through(buckets, 1000, now=1.0) == in_a_second


def test_accounts_regions_and_categories_have_buckets_of_their_own() -> None:
    buckets = Buckets()
    let_through(buckets, 1000)
    assert let_through(buckets, 1000, account="2") == 50
    assert let_through(buckets, 1000, region="there") == 50
    assert let_through(buckets, 1000, category="service_read") == 100


def test_without_limits_everything_is_let_through() -> None:
    assert let_through(Buckets(limited=False), 1000) == 1000


def test_every_operation_has_a_bucket() -> None:
    assert {operation.category for operation in FakeAws().operations.values()} == PUBLISHED.keys()


def test_operations_of_one_category_drain_one_bucket() -> None:
    aws = FakeAws(StillClock())
    aws.world().put_service("prod", "worker")
    for _ in range(50):
        told(ask(aws, "ecs", "DescribeServices", cluster="prod", services=["worker"]))
        told(ask(aws, "ecs", "ListServices", cluster="prod"))
    assert code(ask(aws, "ecs", "ListServices", cluster="prod")) == "ThrottlingException"
    aws.clock.pass_s(0.06)
    told(ask(aws, "ecs", "DescribeServices", cluster="prod", services=["worker"]))
    assert aws.record.outcomes["ListServices", "ThrottlingException"] == 1
