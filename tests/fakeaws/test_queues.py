"""Queues: sent messages equal received messages plus the backlog, and CloudWatch agrees."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask, code, decoded

MINUTE = 1_800_000_000.0
rates = st.sampled_from([0.0, 0.5, 2.0, 7.0])
touches = st.lists(st.tuples(st.sampled_from([0.5, 30, 60, 95]), st.integers(0, 500), rates), min_size=1, max_size=12)


def world_of(**more: Any) -> Any:
    aws = FakeAws(StillClock(MINUTE))
    return aws, aws.world().put_queue("orders", **more)


def attributes(aws: Any, *names: Any) -> Any:
    answer = decoded(
        ask(aws, "sqs", "GetQueueAttributes", QueueUrl="http://x/111111111111/orders", AttributeNames=names)
    )
    return answer.get("Attributes")


@given(touches, rates)
def test_sent_messages_are_received_or_still_visible(touches: Any, served: Any) -> None:
    aws, queue = world_of()
    queue.serve(aws.clock.now(), served)
    for pause_s, more, arriving in touches:
        aws.clock.pass_s(pause_s)
        queue.put(aws.clock.now(), queue.stretches[-1].left(aws.clock.now()) + more, arriving)
    aws.clock.pass_s(600)
    minutes = [MINUTE + 60 * number for number in range(int(aws.clock.now() - MINUTE) // 60 + 1)]
    end = minutes[-1] + 60
    sent, received = (
        sum(queue.minute(name, began) for began in minutes)
        for name in ("NumberOfMessagesSent", "NumberOfMessagesReceived")
    )
    assert sent - received == pytest.approx(queue.stretches[-1].left(end), abs=len(minutes))  # each minute is rounded


@given(touches)
def test_a_count_is_at_most_a_minute_old(touches: Any) -> None:
    aws, queue = world_of(approximate=True)
    for pause_s, visible, _ in touches:
        aws.clock.pass_s(pause_s)
        now = aws.clock.now()
        recent = {int(queue.stretches[-1].visible)} | {
            int(before.visible)
            for before, after in zip(queue.stretches, list(queue.stretches)[1:], strict=False)
            if after.start > now - 60
        }
        assert queue.counts(now).visible in recent
        queue.put(now, visible)
    aws.clock.pass_s(60)
    assert {queue.counts(aws.clock.now()).visible for _ in range(20)} == {touches[-1][1]}


def test_an_approximate_count_is_sometimes_older() -> None:
    aws, queue = world_of(visible=10, approximate=True)
    aws.clock.pass_s(90)
    queue.put(aws.clock.now(), 0)
    aws.clock.pass_s(30)
    assert {queue.counts(aws.clock.now()).visible for _ in range(50)} == {0, 10}


def test_only_running_tasks_process_messages() -> None:
    aws, queue = world_of(visible=1000)
    service = aws.world().put_service("prod", "worker", desired=0)
    aws.world().join("orders", "prod", "worker", per_task_per_s=1.0)
    service.scale(1, aws.clock.now())
    aws.clock.pass_s(100)
    counts = queue.counts(aws.clock.now())
    [began] = [at for at, running in service.changes if running]
    assert counts.visible == int(1000 - (aws.clock.now() - began) + 1e-6)
    assert counts.in_flight == 1


def test_the_age_is_that_of_the_oldest_message() -> None:
    aws, queue = world_of()
    queue.put(aws.clock.now(), 10)
    assert queue.minute("ApproximateAgeOfOldestMessage", MINUTE) == 60
    queue.put(aws.clock.now() + 60, 0)
    assert queue.minute("ApproximateAgeOfOldestMessage", MINUTE + 60) is None


def test_only_requested_attributes_are_returned() -> None:
    aws, _ = world_of(visible=3, in_flight=2, delayed=1)
    visible = "ApproximateNumberOfMessages"
    assert attributes(aws, visible) == {visible: "3"}
    assert attributes(aws, "All") == {visible: "3", f"{visible}NotVisible": "2", f"{visible}Delayed": "1"}
    assert attributes(aws) is None


def test_another_account_s_queue_is_found_only_with_its_owner() -> None:
    aws, _ = world_of()
    aws.world("222222222222").put_queue("theirs")
    asked = {"QueueName": "theirs"}
    assert code(ask(aws, "sqs", "GetQueueUrl", **asked)) == "QueueDoesNotExist"
    found = decoded(ask(aws, "sqs", "GetQueueUrl", **asked, QueueOwnerAWSAccountId="222222222222"))
    assert found["QueueUrl"].endswith("/222222222222/theirs")
