"""The record of calls is bounded, and reports the number of answers and the longest time between them."""

from __future__ import annotations

import pytest

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask
from tests.fakeaws.buckets import FakeLimit
from tests.fakeaws.ordering import AnswerStats
from tests.fakeaws.record import Record, RecordedCall


def test_the_record_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakeaws.record.SECONDS_STORED", 10)
    monkeypatch.setattr("tests.fakeaws.ordering.MOST_SUBJECTS", 7)
    record = Record(keep=5)
    for second in range(100):
        record.add(
            RecordedCall(float(second), "GetQueueUrl", "1", "here", f"orders-{second}", "ok"), [f"orders-{second}"]
        )
    assert [call.at for call in record.calls] == [95.0, 96.0, 97.0, 98.0, 99.0]
    assert list(record.per_second("GetQueueUrl")) == list(range(90, 100))
    assert record.count("GetQueueUrl") == 100
    assert len(record.answers.of("GetQueueUrl", 100.0)) == 7


def test_each_service_of_a_call_counts_as_answered_with_its_longest_interval() -> None:
    aws = FakeAws(StillClock())
    for name in ("a", "b"):
        aws.world().put_service("prod", name)
    for pause_s, names in ((0, ["a", "b"]), (10, ["a"]), (20, ["a", "b"]), (5, ["a"])):
        aws.clock.pass_s(pause_s)
        ask(aws, "ecs", "DescribeServices", cluster="prod", services=names)
    assert aws.record.answers.of("DescribeServices", aws.clock.now()) == {
        "a": AnswerStats(4, 20.0),
        "b": AnswerStats(2, 30.0),
    }
    aws.clock.pass_s(40)
    assert aws.record.answers.of("DescribeServices", aws.clock.now())["b"] == AnswerStats(2, 45.0)


def test_a_refusal_is_not_an_answer_and_has_its_own_count() -> None:
    aws = FakeAws(StillClock())
    aws.world().put_service("prod", "a")
    aws.buckets.limits["service_read"] = FakeLimit(1, 0.1)
    for _ in range(3):
        ask(aws, "ecs", "DescribeServices", cluster="prod", services=["a"])
    second = int(aws.clock.now())
    assert aws.record.seconds() == {second: {"DescribeServices": 3}}
    assert aws.record.seconds(refused=True) == {second: {"DescribeServices": 2}}
    assert aws.record.answers.of("DescribeServices", aws.clock.now())["a"].answers == 1
