"""The laws of a worker: the order of its steps, the return of messages that cannot be processed, and its stop."""

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
    """A handler that returns at once."""


def waits(world: Any) -> list[Any]:
    return [request["WaitTimeSeconds"] for request in world.sqs.receives]


# Order of the steps


def test_a_worker_receives_protects_processes_deletes_and_unprotects(world: Any) -> None:
    world.sqs.send("a")
    world.worker(nothing).run()
    assert world.journal == ["receive", "protect", "begin a", "delete", "receive", "unprotect", "receive"]


def test_protection_stays_set_between_messages(world: Any) -> None:
    world.sqs.send(*"abcde")
    world.worker(nothing).run()
    assert world.agent.requested == [True, False]
    assert world.sqs.bodies() == []


def test_an_idle_task_is_not_protected_during_a_long_poll(world: Any) -> None:
    """After work, one receive waits for linger_s with protection; long polls run without protection."""
    world.sqs.send("a")
    seen = []
    worker = world.worker(nothing, linger_s=3)
    world.sqs.before_receive = lambda: seen.append(world.agent.protected)
    worker.run()
    assert list(zip(waits(world), seen, strict=True)) == [(10, False), (3, True), (10, False)]


def test_concurrent_messages_share_one_protection_until_the_last_ends(world: Any) -> None:
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
        if len(protected) == 4:  # after several empty receives "c" is still in progress
            last.set()

    world.time.is_idle = lambda: not last.is_set()
    world.sqs.before_receive = receives
    world.sqs.when_empty = lambda: worker.stop() if last.is_set() else None
    worker.run()
    assert protected == [True] * 4
    assert world.agent.requested == [True, False]
    assert world.sqs.receives[0]["MaxNumberOfMessages"] == 4
    assert max(request["MaxNumberOfMessages"] for request in world.sqs.receives[2:]) <= 3


def test_messages_in_progress_never_exceed_concurrency(world: Any) -> None:
    world.sqs.send(*"abcdefghijkl")
    in_progress: list[int] = []
    worker: Worker = world.worker(lambda _: in_progress.append(worker.holding), concurrency=2)
    worker.run()
    assert max(in_progress) <= 2
    assert len(in_progress) == 12


def test_a_receive_requests_at_most_ten_messages(world: Any) -> None:
    world.worker(nothing, concurrency=50).run()
    assert world.sqs.receives[0]["MaxNumberOfMessages"] == 10


def test_from_a_fifo_queue_one_message_is_received_at_a_time(world: Any) -> None:
    """Two messages of one group must not be processed concurrently."""
    world.sqs.send("a", "b")
    world.worker(nothing, concurrency=10, url="https://sqs/q.fifo").run()
    assert {request["MaxNumberOfMessages"] for request in world.sqs.receives} == {1}


# No protection


@pytest.mark.parametrize("without_protection", ["work", "wait"])
def test_while_ecs_blocks_protection_a_message_is_returned_and_not_started(world: Any, without_protection: str) -> None:
    """It is returned only once, whatever the duration: repeated returns would move it to the dead-letter queue."""
    world.sqs.send("a")
    world.agent.blocked = True
    worker = world.worker(nothing, without_protection=without_protection)

    def wait_and_unblock(bell: Any, seconds: float) -> Any:
        world.agent.blocked = len(world.agent.requested) < 5
        return wait(bell, seconds)

    wait = world.time.wait
    world.time.wait = wait_and_unblock
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
def test_after_another_refusal_the_worker_processes_without_protection(world: Any, fault: Any) -> None:
    """SQS can deliver a message twice anyway, and a missing permission must not stop all workers."""
    world.sqs.send("a")
    world.agent.faults = [fault] * 2
    world.worker(nothing).run()
    assert world.journal[:3] == ["receive", "begin a", "delete"]
    assert world.sqs.bodies() == []


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS)
def test_with_without_protection_wait_no_message_starts_unprotected(world: Any, fault: Any) -> None:
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


def test_an_agent_that_does_not_respond_does_not_stop_the_work(world: Any) -> None:
    world.sqs.send("a")
    world.agent.faults = [silence(world.agent.over)] * 4
    protection = Protection(Agent(world.agent.uri, timeout_s=0.05), time=world.time)
    world.worker(nothing, protection=protection).run()
    assert world.sqs.bodies() == []


def test_work_that_started_unprotected_is_protected_as_soon_as_ecs_grants_it(world: Any) -> None:
    world.sqs.send("a")
    world.agent.faults = [error("ThrottlingException")] * 2

    def handle(_message: Any) -> None:
        assert not world.agent.protected
        for protected in (False, True):
            world.time.beat(15)
            assert world.agent.protected == protected

    world.worker(handle).run()
    assert world.agent.requested == [True, True, True, False]


def test_outside_ecs_messages_are_processed_without_protection(world: Any) -> None:
    world.sqs.send("a", "b")
    world.worker(nothing, protection=Protection(None, time=world.time), give_way_after_s=1).run()
    assert world.sqs.bodies() == []
    assert world.agent.requested == []


# Long work


def test_long_work_stays_hidden_and_protected(world: Any) -> None:
    world.sqs.send("a")

    def handle(_message: Any) -> None:
        for beat in range(1, 8):
            world.time.beat(450)  # at least four heartbeats in half of the hour of protection
            assert len(world.agent.requested) == (1 if beat < 4 else 2)

    world.worker(handle, visibility_s=3600).run()
    assert world.agent.requested == [True, True, False]
    assert world.sqs.changes == [("a", 3600)] * 7


def test_after_a_refused_renewal_the_message_is_finished_and_protection_is_removed(world: Any) -> None:
    world.sqs.send("a", "b")

    def handle(message: Any) -> None:
        if message.body == "a":
            world.agent.blocked = True
            world.time.beat(1800)
            assert world.agent.requested == [True, True]
            assert world.agent.protected

    worker = world.worker(handle, visibility_s=7200, give_way_after_s=1e9)
    wait = world.time.wait

    def wait_and_unblock(bell: Any, seconds: Any) -> Any:
        if seconds == 30.0 and worker.holding == 0:
            assert not world.agent.protected
            world.agent.blocked = False
        return wait(bell, seconds)

    world.time.wait = wait_and_unblock
    worker.run()
    assert world.journal == [
        "receive", "protect", "begin a", "hide 7200", "delete", "unprotect", "protect", "receive", "begin b", "delete",
        "receive", "unprotect", "receive",
    ]  # fmt: skip


def test_a_lost_message_is_reported_to_the_handler_and_not_hidden_again(world: Any) -> None:
    world.sqs.send("a")

    def handle(message: Any) -> None:
        world.sqs.stored[0].handle = "a#2"  # another consumer has received it
        world.time.beat(15)
        assert message.lost.is_set()
        raise RuntimeError("stopped")

    world.worker(handle).run()
    assert world.sqs.changes == []


# Giving way


def test_a_task_that_is_never_idle_is_unprotected_briefly_at_intervals(world: Any) -> None:
    """Otherwise no scale-in and no deployment could stop tasks that always have work."""
    world.sqs.send(*"abcdef")
    worker = world.worker(lambda _: world.time.advance(250))
    worker.run()
    assert world.journal[:15] == [
        "receive", "protect", "begin a", "delete", "receive", "begin b", "delete", "receive", "begin c", "delete",
        "unprotect", "receive", "protect", "begin d", "delete",
    ]  # fmt: skip
    assert world.time.pauses.count(10.0) == 2
    assert waits(world)[3] == 10


def test_a_worker_gives_way_only_if_all_messages_in_progress_finish_soon(world: Any) -> None:
    """A long message must not keep the other slots idle: the worker tries again later."""
    world.sqs.send("long", "a")
    journal = world.journal

    def handle(message: Any) -> None:
        if message.body == "long":
            world.sqs.until(lambda: "delete" in journal)
            world.time.advance(600)
            world.sqs.send("b")
            until(lambda: world.time.loop_waits_s == 60 and world.time.loop_waits_until > world.time.now())
            receives = len(world.sqs.receives)
            world.time.advance(world.time.loop_waits_until - world.time.now() - 1)
            assert len(world.sqs.receives) == receives
            world.time.advance(1)
            until(lambda: "begin b" in journal)
            assert world.agent.protected

    worker = world.worker(handle, concurrency=2, visibility_s=40_000, poll_s=0, linger_s=0)
    world.time.is_idle = lambda: False
    world.sqs.when_empty = lambda: worker.stop() if worker.holding == 0 and "begin b" in journal else None
    worker.run()
    assert world.agent.requested == [True, False]


# Failing work


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(1)])
def test_a_failed_message_is_received_again_after_increasing_delays(world: Any, error: Any) -> None:
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


def test_heartbeats_continue_until_the_message_is_deleted(world: Any) -> None:
    world.sqs.send("a")
    world.sqs.faults["delete"] = [ConnectionError("gone")]
    wait = world.time.wait

    def wait_with_heartbeat(bell: Any, seconds: Any) -> Any:
        if seconds == 1.0 and not world.sqs.changes:
            world.time.beat(15)
        return wait(bell, seconds)

    world.time.wait = wait_with_heartbeat
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


def test_after_failed_receives_the_pause_doubles_up_to_30_seconds(world: Any) -> None:
    world.sqs.faults["receive"] = [ConnectionError("gone")] * 7
    world.sqs.send("a")
    world.worker(lambda _: world.sqs.faults["receive"].append(ConnectionError("gone again"))).run()
    assert world.time.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 1.0]


def test_a_task_is_unprotected_while_receives_fail(world: Any) -> None:
    world.sqs.send("a")
    wait = world.time.wait
    world.time.wait = lambda bell, seconds: world.journal.append(f"rest {seconds}") or wait(bell, seconds)
    world.worker(lambda _: world.sqs.faults["receive"].append(ConnectionError("gone"))).run()
    assert world.journal.index("unprotect") < world.journal.index("rest 1.0")
    assert world.journal.count("unprotect") == 1


# Stopping


def test_after_a_stop_messages_in_progress_finish_and_no_more_are_received(world: Any) -> None:
    world.sqs.send("a", "b")
    worker: Worker = world.worker(lambda _: worker.stop())
    worker.run()
    assert worker.stopping
    assert world.journal == ["receive", "protect", "begin a", "delete", "unprotect"]
    assert world.sqs.bodies() == ["b"]


def test_messages_received_after_the_stop_are_returned_and_not_started(world: Any) -> None:
    world.sqs.send("a", "b")
    worker = world.worker(nothing, concurrency=2)
    world.sqs.before_receive = worker.stop
    worker.run()
    assert world.journal == ["receive", "hide 0", "hide 0"]


def test_a_stop_during_the_protection_request_starts_no_message(world: Any) -> None:
    world.sqs.send("a")
    worker = world.worker(nothing)
    world.agent.faults = [lambda handler: worker.stop() or error("ThrottlingException")(handler)] * 2
    worker.run()
    assert world.journal[:2] == ["receive", "hide 0"]


def test_a_message_that_is_not_finished_within_drain_s_is_returned(world: Any) -> None:
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
    assert world.sqs.bodies() == []  # it finished later and was deleted


def test_a_stop_ends_a_pause(world: Any) -> None:
    world.agent.blocked = True
    world.sqs.send("a")
    worker = world.worker(nothing)
    wait = world.time.wait
    world.time.wait = lambda bell, seconds: worker.stop() or wait(bell, seconds)
    worker.run()
    assert world.journal == ["receive", "hide 0"]
    assert world.agent.requested == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_worker_and_the_previous_handlers_are_restored(world: Any, number: Any) -> None:
    before = signal.getsignal(number)
    world.sqs.send("a", "b")
    worker = world.worker(lambda _: signal.pthread_kill(main_thread().ident or 0, number))
    worker.run()
    assert world.sqs.bodies() == ["b"]
    assert signal.getsignal(number) is before


def test_in_another_thread_the_owner_stops_the_worker(world: Any) -> None:
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


def test_workers_of_two_queues_share_the_protection_of_their_task(world: Any) -> None:
    """The last message of one worker does not remove the protection that the other one holds."""
    protection = world.protection()
    protection.hold()
    protection.ask()
    world.sqs.send("a")
    world.worker(nothing, protection=protection).run()
    assert world.agent.protected
    protection.drop()
    assert world.agent.requested == [True, False]


def until(condition: Any) -> None:
    """Wait until the condition is true, for at most WAIT_S."""
    wait = Event()
    for _ in range(int(WAIT_S / 0.002)):
        if condition():
            return
        wait.wait(0.002)
    raise AssertionError("the condition did not become true")
