"""The laws of a worker: what may happen before what, who gets a message that cannot be worked on, and how it ends."""

from __future__ import annotations

import signal
from threading import Event, Thread, main_thread
from typing import Any

import pytest

from autoscaler.worker import Agent, Protection
from autoscaler.worker.worker import Worker
from tests.worker.agent_double import error, failure, reply, silence

REFUSALS = {
    "throttled": error("ThrottlingException"),
    "internal error": error("ServerException", 500),
    "forbidden": error("AccessDeniedException", 403),
    "not of a service": failure("TASK_NOT_VALID"),
    "garbage": reply(200, b"<html>"),
}
WAIT_S = 20.0


def nothing(_message: Any) -> None:
    """A handler that is done at once."""


def waits(world: Any) -> list[Any]:
    return [asked["WaitTimeSeconds"] for asked in world.sqs.receives]


# What comes before what


def test_it_receives_protects_works_deletes_and_unprotects(world: Any) -> None:
    world.sqs.send("a")
    world.worker(nothing).run()
    assert world.journal == ["receive", "protect", "begin a", "delete", "receive", "unprotect", "receive"]


def test_protection_is_kept_from_one_message_to_the_next(world: Any) -> None:
    world.sqs.send(*"abcde")
    world.worker(nothing).run()
    assert world.agent.asked == [True, False]
    assert world.sqs.bodies() == []


def test_an_idle_task_is_not_protected_while_it_waits_for_long(world: Any) -> None:
    """With work just done it looks for more for linger_s; the long polls are those of an unprotected task."""
    world.sqs.send("a")
    seen = []
    worker = world.worker(nothing, linger_s=3)
    world.sqs.before_receive = lambda: seen.append(world.agent.protected)
    worker.run()
    assert list(zip(waits(world), seen, strict=True)) == [(10, False), (3, True), (10, False)]


def test_several_in_hand_are_under_one_protection_which_ends_with_the_last(world: Any) -> None:
    world.sqs.send("a", "b", "c")
    last, protected = Event(), []

    def handle(message: Any) -> None:
        if message.body == "c":
            world.sqs.until(lambda: world.journal.count("delete") == 2)
            assert last.wait(WAIT_S)

    worker = world.worker(handle, concurrency=4)

    def receives() -> None:
        if not world.sqs.receives:
            return
        protected.append(world.agent.protected)
        if len(protected) == 4:  # long after the queue had nothing for it: "c" is still in hand
            last.set()

    world.time.is_idle = lambda: not last.is_set()
    world.sqs.before_receive = receives
    world.sqs.when_empty = lambda: worker.stop() if last.is_set() else None
    worker.run()
    assert protected == [True] * 4
    assert world.agent.asked == [True, False]
    assert world.sqs.receives[0]["MaxNumberOfMessages"] == 4
    assert max(asked["MaxNumberOfMessages"] for asked in world.sqs.receives[2:]) <= 3


def test_no_more_are_in_hand_than_it_may_have(world: Any) -> None:
    world.sqs.send(*"abcdefghijkl")
    most: list[int] = []
    worker: Worker = world.worker(lambda _: most.append(worker.holding), concurrency=2)
    worker.run()
    assert max(most) <= 2
    assert len(most) == 12


def test_more_than_ten_are_not_asked_of_sqs_at_once(world: Any) -> None:
    world.worker(nothing, concurrency=50).run()
    assert world.sqs.receives[0]["MaxNumberOfMessages"] == 10


def test_of_a_fifo_queue_it_takes_one_at_a_time(world: Any) -> None:
    """Two messages of one group must not be worked on side by side."""
    world.sqs.send("a", "b")
    world.worker(nothing, concurrency=10, url="https://sqs/q.fifo").run()
    assert {asked["MaxNumberOfMessages"] for asked in world.sqs.receives} == {1}


# No protection


@pytest.mark.parametrize("choice", ["work", "wait"])
def test_where_the_service_shrinks_a_message_is_given_back_unbegun(world: Any, choice: str) -> None:
    """And only once, however long that lasts: a message that goes to and fro ends as a dead letter."""
    world.sqs.send("a")
    world.agent.blocked = True
    worker = world.worker(nothing, without_protection=choice)

    def relenting(bell: Any, seconds: float) -> Any:
        world.agent.blocked = len(world.agent.asked) < 5
        return wait(bell, seconds)

    wait = world.time.wait
    world.time.wait = relenting
    worker.run()
    assert world.journal == [
        "receive",
        "hide 0",
        "protect",
        "receive",
        "begin a",
        "delete",
        "receive",
        "unprotect",
        "receive",
    ]
    assert world.time.pauses == [30.0] * 5


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS)
def test_without_protection_for_another_reason_it_works_on(world: Any, fault: Any) -> None:
    """Messages may come twice anyway. A right that was forgotten must not stop a whole fleet."""
    world.sqs.send("a")
    world.agent.faults = [fault] * 2
    world.worker(nothing).run()
    assert world.journal[:3] == ["receive", "begin a", "delete"]
    assert world.sqs.bodies() == []


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS)
def test_without_protection_it_waits_where_that_was_chosen(world: Any, fault: Any) -> None:
    world.sqs.send("a")
    world.agent.faults = [fault] * 2
    world.worker(nothing, without_protection="wait").run()
    assert [word for word in world.journal if word != "unprotect"][:5] == [
        "receive",
        "hide 0",
        "protect",
        "receive",
        "begin a",
    ]
    assert 30.0 in world.time.pauses


def test_an_agent_that_is_silent_does_not_stop_the_work(world: Any) -> None:
    world.sqs.send("a")
    world.agent.faults = [silence(world.agent.over)] * 4
    protection = Protection(Agent(world.agent.uri, timeout_s=0.05), time=world.time)
    world.worker(nothing, protection=protection).run()
    assert world.sqs.bodies() == []


def test_work_begun_unprotected_is_protected_as_soon_as_ecs_allows(world: Any) -> None:
    world.sqs.send("a")
    world.agent.faults = [error("ThrottlingException")] * 2

    def handle(_message: Any) -> None:
        assert not world.agent.protected
        for protected in (False, True):
            world.time.beat(15)
            assert world.agent.protected == protected

    world.worker(handle).run()
    assert world.agent.asked == [True, True, True, False]


def test_outside_ecs_it_is_a_plain_worker(world: Any) -> None:
    world.sqs.send("a", "b")
    world.worker(nothing, protection=Protection(None, time=world.time), give_way_after_s=1).run()
    assert world.sqs.bodies() == []
    assert world.agent.asked == []


# Long work


def test_long_work_stays_hidden_and_protected(world: Any) -> None:
    world.sqs.send("a")

    def handle(_message: Any) -> None:
        for beat in range(1, 8):
            world.time.beat(450)  # the heart beats at least four times in half of the protection's hour
            assert len(world.agent.asked) == (1 if beat < 4 else 2)

    world.worker(handle, visibility_s=3600).run()
    assert world.agent.asked == [True, True, False]
    assert world.sqs.changes == [("a", 3600)] * 7


def test_where_a_renewal_is_refused_it_finishes_and_then_stands_aside(world: Any) -> None:
    world.sqs.send("a", "b")

    def handle(message: Any) -> None:
        if message.body == "a":
            world.agent.blocked = True
            world.time.beat(1800)
            assert world.agent.asked == [True, True]
            assert world.agent.protected

    worker = world.worker(handle, visibility_s=7200, give_way_after_s=1e9)
    wait = world.time.wait

    def relenting(bell: Any, seconds: Any) -> Any:
        if seconds == 30.0 and worker.holding == 0:
            assert not world.agent.protected
            world.agent.blocked = False
        return wait(bell, seconds)

    world.time.wait = relenting
    worker.run()
    assert world.journal == [
        "receive", "protect", "begin a", "hide 7200", "delete", "unprotect", "protect", "receive", "begin b", "delete",
        "receive", "unprotect", "receive",
    ]  # fmt: skip


def test_what_is_lost_is_told_and_not_taken_back(world: Any) -> None:
    world.sqs.send("a")

    def handle(message: Any) -> None:
        world.sqs.stored[0].handle = "a#2"  # somebody else has received it
        world.time.beat(15)
        assert message.lost.is_set()
        raise RuntimeError("given up")

    world.worker(handle).run()
    assert world.sqs.changes == []


# Giving way


def test_a_task_that_is_never_idle_is_unprotected_for_a_moment_now_and_then(world: Any) -> None:
    """Without it no scale-in and no deployment could end a fleet that always has work."""
    world.sqs.send(*"abcdef")
    worker = world.worker(lambda _: world.time.advance(250))
    worker.run()
    assert world.journal[:15] == [
        "receive", "protect", "begin a", "delete", "receive", "begin b", "delete", "receive", "begin c", "delete",
        "unprotect", "receive", "protect", "begin d", "delete",
    ]  # fmt: skip
    assert world.time.pauses.count(10.0) == 2
    assert waits(world)[3] == 10


def test_it_gives_way_with_several_in_hand_only_if_they_are_done_soon(world: Any) -> None:
    """One that lasts must not keep the other hands idle: it tries again a while later."""
    world.sqs.send("long", "a")
    journal = world.journal

    def handle(message: Any) -> None:
        if message.body == "long":
            world.sqs.until(lambda: "delete" in journal)
            world.time.advance(600)
            world.sqs.send("b")
            until(lambda: world.time.loop_waits_s == 60)
            receives = len(world.sqs.receives)
            world.time.advance(59)
            assert len(world.sqs.receives) == receives
            world.time.advance(1)
            until(lambda: "begin b" in journal)
            assert world.agent.protected

    worker = world.worker(handle, concurrency=2, visibility_s=40_000, poll_s=0, linger_s=0)
    world.time.is_idle = lambda: False
    world.sqs.when_empty = lambda: worker.stop() if worker.holding == 0 and "begin b" in journal else None
    worker.run()
    assert world.agent.asked == [True, False]


# Failing work


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(1)])
def test_a_message_whose_work_failed_comes_again_later_and_later(world: Any, error: Any) -> None:
    world.sqs.send("a")
    failures = [error, error]

    def handle(_message: Any) -> None:
        if failures:
            raise failures.pop()

    worker = world.worker(handle)
    world.sqs.when_empty = lambda: None if world.sqs.stored else worker.stop()
    worker.run()
    assert world.sqs.changes == [("a", 10), ("a", 20)]
    assert world.journal.count("delete") == 1
    assert not world.agent.protected


def test_the_heart_goes_on_until_the_message_is_deleted(world: Any) -> None:
    world.sqs.send("a")
    world.sqs.faults["delete"] = [ConnectionError("gone")]
    wait = world.time.wait

    def beating(bell: Any, seconds: Any) -> Any:
        if seconds == 1.0 and not world.sqs.changes:
            world.time.beat(15)
        return wait(bell, seconds)

    world.time.wait = beating
    world.worker(nothing).run()
    assert world.journal == [
        "receive",
        "protect",
        "begin a",
        "delete",
        "hide 60",
        "delete",
        "receive",
        "unprotect",
        "receive",
    ]


def test_after_receives_that_fail_it_rests_for_longer_each_time(world: Any) -> None:
    world.sqs.faults["receive"] = [ConnectionError("gone")] * 7
    world.sqs.send("a")
    world.worker(lambda _: world.sqs.faults["receive"].append(ConnectionError("gone again"))).run()
    assert world.time.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 1.0]


def test_it_is_unprotected_while_it_cannot_receive(world: Any) -> None:
    world.sqs.send("a")
    wait = world.time.wait
    world.time.wait = lambda bell, seconds: world.journal.append(f"rest {seconds}") or wait(bell, seconds)
    world.worker(lambda _: world.sqs.faults["receive"].append(ConnectionError("gone"))).run()
    assert world.journal.index("unprotect") < world.journal.index("rest 1.0")
    assert world.journal.count("unprotect") == 1


# Stopping


def test_stopped_it_finishes_what_it_has_and_receives_no_more(world: Any) -> None:
    world.sqs.send("a", "b")
    worker: Worker = world.worker(lambda _: worker.stop())
    worker.run()
    assert worker.stopping
    assert world.journal == ["receive", "protect", "begin a", "delete", "unprotect"]
    assert world.sqs.bodies() == ["b"]


def test_what_comes_after_the_stop_is_given_back_unbegun(world: Any) -> None:
    world.sqs.send("a", "b")
    worker = world.worker(nothing, concurrency=2)
    world.sqs.before_receive = worker.stop
    worker.run()
    assert world.journal == ["receive", "hide 0", "hide 0"]


def test_stopped_while_it_asks_for_protection_it_does_not_begin(world: Any) -> None:
    world.sqs.send("a")
    worker = world.worker(nothing)
    world.agent.faults = [lambda handler: worker.stop() or error("ThrottlingException")(handler)] * 2
    worker.run()
    assert world.journal[:2] == ["receive", "hide 0"]


def test_what_is_not_done_in_time_is_given_back(world: Any) -> None:
    world.sqs.send("a")
    over = Event()

    def handle(message: Any) -> None:
        worker.stop()
        world.time.advance(24.9)
        worker.stop()
        assert not message.lost.is_set()
        world.time.advance(0.1)
        assert message.lost.wait(WAIT_S)
        assert over.wait(WAIT_S)

    worker = world.worker(handle, visibility_s=400)
    worker.run()
    assert world.sqs.changes == [("a", 0)]
    assert worker.holding == 1
    over.set()
    until(lambda: worker.holding == 0)
    assert world.sqs.bodies() == []  # done after all, and so deleted


def test_a_pause_ends_with_a_stop(world: Any) -> None:
    world.agent.blocked = True
    world.sqs.send("a")
    worker = world.worker(nothing)
    wait = world.time.wait
    world.time.wait = lambda bell, seconds: worker.stop() or wait(bell, seconds)
    worker.run()
    assert world.journal == ["receive", "hide 0"]
    assert world.agent.asked == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_the_handlers_of_before_are_back(world: Any, number: Any) -> None:
    before = signal.getsignal(number)
    world.sqs.send("a", "b")
    worker = world.worker(lambda _: signal.pthread_kill(main_thread().ident or 0, number))
    worker.run()
    assert world.sqs.bodies() == ["b"]
    assert signal.getsignal(number) is before


def test_in_another_thread_its_owner_stops_it(world: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)
    worker = world.worker(nothing)
    world.sqs.when_empty = lambda: None
    thread = Thread(target=worker.run)
    thread.start()
    until(lambda: len(world.sqs.receives) > 3)
    assert signal.getsignal(signal.SIGTERM) is before
    worker.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_two_queues_share_the_protection_of_their_task(world: Any) -> None:
    """The first one's last message does not unprotect what the second one works on."""
    protection = world.protection()
    protection.hold()
    protection.ask()
    world.sqs.send("a")
    world.worker(nothing, protection=protection).run()
    assert world.agent.protected
    protection.drop()
    assert world.agent.asked == [True, False]


def until(condition: Any) -> None:
    """It has come true: looked at again and again, with an end."""
    wait = Event()
    for _ in range(int(WAIT_S / 0.002)):
        if condition():
            return
        wait.wait(0.002)
    raise AssertionError("it never came true")
