"""What is remembered of the calls is bounded, and tells who was served how often and who waited how long."""

from __future__ import annotations

import pytest

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask
from tests.fakeaws.buckets import Limit
from tests.fakeaws.record import Record, Seen
from tests.fakeaws.turns import Turn


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakeaws.record.SECONDS_KEPT", 10)
    monkeypatch.setattr("tests.fakeaws.turns.MOST_SUBJECTS", 7)
    record = Record(keep=5)
    for second in range(100):
        record.saw(Seen(float(second), "GetQueueUrl", "1", "here", f"orders-{second}", "ok"), [f"orders-{second}"])
    assert [call.at for call in record.calls] == [95.0, 96.0, 97.0, 98.0, 99.0]
    assert list(record.per_second("GetQueueUrl")) == list(range(90, 100))
    assert record.count("GetQueueUrl") == 100
    assert len(record.turns.of("GetQueueUrl", 100.0)) == 7


def test_each_service_of_a_question_about_many_had_its_turn_and_the_longest_wait_is_told() -> None:
    aws = FakeAws(StillClock())
    for name in ("a", "b"):
        aws.world().put_service("prod", name)
    for pause_s, names in ((0, ["a", "b"]), (10, ["a"]), (20, ["a", "b"]), (5, ["a"])):
        aws.clock.pass_s(pause_s)
        ask(aws, "ecs", "DescribeServices", cluster="prod", services=names)
    assert aws.record.turns.of("DescribeServices", aws.clock.now()) == {"a": Turn(4, 20.0), "b": Turn(2, 30.0)}
    aws.clock.pass_s(40)
    assert aws.record.turns.of("DescribeServices", aws.clock.now())["b"] == Turn(2, 45.0)


def test_a_refusal_is_no_turn_and_is_counted_apart() -> None:
    aws = FakeAws(StillClock())
    aws.world().put_service("prod", "a")
    aws.buckets.limits["service_read"] = Limit(1, 0.1)
    for _ in range(3):
        ask(aws, "ecs", "DescribeServices", cluster="prod", services=["a"])
    second = int(aws.clock.now())
    assert aws.record.seconds() == {second: {"DescribeServices": 3}}
    assert aws.record.seconds(refused=True) == {second: {"DescribeServices": 2}}
    assert aws.record.turns.of("DescribeServices", aws.clock.now())["a"].answers == 1
