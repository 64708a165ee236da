"""A message in hand: kept hidden, then deleted or given back once; and what is lost is left to those who have it."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.worker import Message
from autoscaler.worker.message import code
from tests.worker.sqs_double import Refused


@pytest.fixture
def message(world: Any) -> Any:
    world.sqs.send("a")
    asked = {"MaxNumberOfMessages": 1, "VisibilityTimeout": 60, "WaitTimeSeconds": 0}
    raw = world.sqs.receive_message(**asked)["Messages"][0]
    return Message(world.sqs, "q", raw, 60, world.time)


def test_it_says_what_it_is(message: Any) -> None:
    assert (message.id, message.body, message.receives) == ("a", "a", 1)


def test_each_beat_hides_it_anew(world: Any, message: Any) -> None:
    for _ in range(10):
        world.time.advance(50)
        message.extend()
    assert world.sqs.changes == [("a", 60)] * 10
    world.sqs.faults["change"] = [ConnectionError("gone")]
    world.time.advance(59)
    message.extend()
    assert not message.lost.is_set()


def test_beats_that_fail_are_made_good_by_the_next(world: Any, message: Any) -> None:
    for _ in range(3):
        world.sqs.faults["change"] = [ConnectionError("gone")]
        world.time.advance(15)
        message.extend()
    world.time.advance(14.9)
    message.extend()
    assert not message.lost.is_set()
    assert world.sqs.changes == [("a", 60)]


@pytest.mark.parametrize(("after_s", "lost"), [(59.9, False), (60.0, True)])
def test_it_is_lost_once_it_is_no_longer_hidden_and_that_cannot_be_changed(
    world: Any, message: Any, after_s: float, lost: bool
) -> None:
    world.sqs.faults["change"] = [ConnectionError("gone")]
    world.time.advance(after_s)
    message.extend()
    assert message.lost.is_set() == lost


@pytest.mark.parametrize("said", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"])
def test_it_is_lost_at_once_when_sqs_says_so(world: Any, message: Any, said: str) -> None:
    world.sqs.faults["change"] = [Refused(said)]
    message.extend()
    assert message.lost.is_set()


def test_what_is_lost_is_neither_hidden_nor_given_back(world: Any, message: Any) -> None:
    """Whoever has it now would lose it by that."""
    message.lost.set()
    message.extend()
    message.give_back()
    assert world.sqs.changes == []


def test_what_is_given_back_is_hidden_no_more(world: Any, message: Any) -> None:
    message.give_back(7)
    message.extend()
    message.give_back(0)
    assert world.sqs.changes == [("a", 7)]


def test_what_is_deleted_is_hidden_no_more(world: Any, message: Any) -> None:
    assert message.delete()
    message.extend()
    message.give_back()
    assert "hide 60" not in world.journal
    assert world.sqs.bodies() == []


def test_a_give_back_that_fails_is_left_to_the_timeout(world: Any, message: Any) -> None:
    world.sqs.faults["change"] = [ConnectionError("gone")]
    message.give_back()
    assert world.sqs.bodies() == ["a"]


def test_a_delete_is_tried_four_times(world: Any, message: Any) -> None:
    world.sqs.faults["delete"] = [ConnectionError("gone")] * 3
    assert message.delete()
    assert world.time.pauses == [1.0, 2.0, 4.0]
    assert world.sqs.bodies() == []


def test_and_no_fifth_time(world: Any, message: Any, caplog: pytest.LogCaptureFixture) -> None:
    world.sqs.faults["delete"] = [ConnectionError("gone")] * 5
    assert not message.delete()
    assert len(world.sqs.faults["delete"]) == 1
    assert "will come again" in caplog.text


def test_a_definite_no_is_not_asked_twice(world: Any, message: Any) -> None:
    world.sqs.faults["delete"] = [Refused("ReceiptHandleIsInvalid")]
    assert not message.delete()
    assert world.journal.count("delete") == 1


def test_what_is_lost_is_deleted_all_the_same_since_the_work_is_done(world: Any, message: Any) -> None:
    message.lost.set()
    assert message.delete()
    assert world.sqs.bodies() == []


class Odd(Exception):
    response = "not a mapping"


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Refused("X"), "X"), (ValueError("x"), ""), (Odd(), "")],
)
def test_a_code_is_read_where_there_is_one(error: Any, expected: str) -> None:
    assert code(error) == expected
