"""Token buckets: they admit at most their limit, and each account, Region and category has its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask, code, decoded
from tests.fakeaws.buckets import PUBLISHED, Buckets, FakeBucket, FakeLimit

pauses = st.lists(st.floats(0, 5) | st.just(0.0), max_size=300)


@given(pauses, st.integers(1, 20), st.floats(0.1, 50))
def test_a_bucket_never_admits_more_than_the_burst_and_the_refill(pauses: Any, burst: Any, rate: Any) -> None:
    bucket, limit, at, taken = FakeBucket(burst, 0.0), FakeLimit(burst, rate), 0.0, []
    for pause_s in pauses:
        at += pause_s
        taken += [at] if bucket.take(limit, at) else []
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - start) + 1e-3


def admitted(
    buckets: Any, calls: Any, now: Any = 0.0, account: Any = "1", region: Any = "here", category: Any = "service_modify"
) -> Any:
    return sum(buckets.take(account, region, category, now) for _ in range(calls))


@pytest.mark.parametrize(("factor", "burst", "in_a_second"), [(1.0, 50, 5), (0.1, 5, 0), (2.0, 100, 10)])
def test_the_factor_scales_the_burst_and_the_rate(factor: float, burst: int, in_a_second: int) -> None:
    buckets = Buckets(factor)
    assert admitted(buckets, 1000) == burst
    assert admitted(buckets, 1000, now=1.0) == in_a_second


def test_each_account_region_and_category_has_its_own_bucket() -> None:
    buckets = Buckets()
    admitted(buckets, 1000)
    assert admitted(buckets, 1000, account="2") == 50
    assert admitted(buckets, 1000, region="there") == 50
    assert admitted(buckets, 1000, category="service_read") == 100


def test_without_limits_every_call_is_admitted() -> None:
    assert admitted(Buckets(limited=False), 1000) == 1000


def test_every_operation_has_a_bucket() -> None:
    assert {operation.category for operation in FakeAws().operations.values()} == PUBLISHED.keys()


def test_operations_of_one_category_share_a_bucket() -> None:
    aws = FakeAws(StillClock())
    aws.world().put_service("prod", "worker")
    for _ in range(50):
        decoded(ask(aws, "ecs", "DescribeServices", cluster="prod", services=["worker"]))
        decoded(ask(aws, "ecs", "ListServices", cluster="prod"))
    assert code(ask(aws, "ecs", "ListServices", cluster="prod")) == "ThrottlingException"
    aws.clock.pass_s(0.06)
    decoded(ask(aws, "ecs", "DescribeServices", cluster="prod", services=["worker"]))
    assert aws.record.outcomes["ListServices", "ThrottlingException"] == 1
