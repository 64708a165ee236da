"""A message in progress: hidden, then deleted or returned once. A lost message is not returned."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.worker import Message
from autoscaler.worker.message import code
from tests.worker.sqs_double import SqsRefused


@pytest.fixture
def message(world: Any) -> Any:
    world.sqs.send("a")
    parameters = {"MaxNumberOfMessages": 1, "VisibilityTimeout": 60, "WaitTimeSeconds": 0}
    raw = world.sqs.receive_message(**parameters)["Messages"][0]
    return Message(world.sqs, "q", raw, 60, world.time)


def test_a_message_has_the_fields_of_sqs(message: Any) -> None:
    assert (message.id, message.body, message.receives) == ("a", "a", 1)


def test_each_heartbeat_hides_the_message_again(world: Any, message: Any) -> None:
    for _ in range(10):
        world.time.advance(50)
        message.extend()
    assert world.sqs.changes == [("a", 60)] * 10
    world.sqs.faults["change"] = [ConnectionError("gone")]
    world.time.advance(59)
    message.extend()
    assert not message.lost.is_set()


def test_after_failed_heartbeats_the_next_one_hides_the_message(world: Any, message: Any) -> None:
    for _ in range(3):
        world.sqs.faults["change"] = [ConnectionError("gone")]
        world.time.advance(15)
        message.extend()
    world.time.advance(14.9)
    message.extend()
    assert not message.lost.is_set()
    assert world.sqs.changes == [("a", 60)]


@pytest.mark.parametrize(("after_s", "lost"), [(59.9, False), (60.0, True)])
def test_a_message_is_lost_if_a_heartbeat_fails_after_its_visibility_timeout(
    world: Any, message: Any, after_s: float, lost: bool
) -> None:
    world.sqs.faults["change"] = [ConnectionError("gone")]
    world.time.advance(after_s)
    message.extend()
    assert message.lost.is_set() == lost


@pytest.mark.parametrize("error_code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"])
def test_a_definite_error_of_sqs_makes_a_message_lost_at_once(world: Any, message: Any, error_code: str) -> None:
    world.sqs.faults["change"] = [SqsRefused(error_code)]
    message.extend()
    assert message.lost.is_set()


def test_a_lost_message_is_neither_hidden_nor_returned(world: Any, message: Any) -> None:
    """Another consumer may process it, and would lose it."""
    message.lost.set()
    message.extend()
    message.give_back()
    assert world.sqs.changes == []


def test_a_returned_message_is_not_hidden_again(world: Any, message: Any) -> None:
    message.give_back(7)
    message.extend()
    message.give_back(0)
    assert world.sqs.changes == [("a", 7)]


def test_a_deleted_message_is_not_hidden_again(world: Any, message: Any) -> None:
    assert message.delete()
    message.extend()
    message.give_back()
    assert "hide 60" not in world.journal
    assert world.sqs.bodies() == []


def test_after_a_failed_return_the_message_stays_in_the_queue(world: Any, message: Any) -> None:
    world.sqs.faults["change"] = [ConnectionError("gone")]
    message.give_back()
    assert world.sqs.bodies() == ["a"]


def test_a_delete_is_tried_four_times(world: Any, message: Any) -> None:
    world.sqs.faults["delete"] = [ConnectionError("gone")] * 3
    assert message.delete()
    assert world.time.pauses == [1.0, 2.0, 4.0]
    assert world.sqs.bodies() == []


def test_a_delete_is_not_tried_a_fifth_time(world: Any, message: Any, caplog: pytest.LogCaptureFixture) -> None:
    world.sqs.faults["delete"] = [ConnectionError("gone")] * 5
    assert not message.delete()
    assert len(world.sqs.faults["delete"]) == 1
    assert "will be received again" in caplog.text


def test_a_definite_error_of_a_delete_is_not_retried(world: Any, message: Any) -> None:
    world.sqs.faults["delete"] = [SqsRefused("ReceiptHandleIsInvalid")]
    assert not message.delete()
    assert world.journal.count("delete") == 1


def test_a_lost_message_is_deleted_because_its_work_is_done(world: Any, message: Any) -> None:
    message.lost.set()
    assert message.delete()
    assert world.sqs.bodies() == []


class Odd(Exception):
    response = "not a mapping"


@pytest.mark.parametrize(
    ("error", "expected"),
    [(SqsRefused("X"), "X"), (ValueError("x"), ""), (Odd(), "")],
)
def test_the_error_code_is_read_if_the_error_has_one(error: Any, expected: str) -> None:
    assert code(error) == expected
