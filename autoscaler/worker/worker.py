"""Receive, protect, process, delete, unprotect: a worker whose task ECS stops only while it holds no message.

One thread receives. Each message has a thread that processes it, and one that extends its visibility timeout and renews
the protection. Invariants: no work starts unprotected after ECS has refused protection because the service must shrink;
an idle task is not protected; and a task that is never idle removes its protection briefly at intervals, so that a
scale-in or a deployment can end it.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from threading import Thread, current_thread, main_thread
from types import FrameType
from typing import Any

from .agent import Refusal
from .message import Message, Sqs
from .protection import RETRY_S, Protection
from .rollout import RevisionCheck
from .settings import Settings
from .waiting import Bell, Time

log = logging.getLogger(__name__)

BEATS = 4
"""Heartbeats within the visibility timeout: three can fail before other consumers get the message."""

GIVE_WAY_WAIT_RATIO = 0.1
"""The share of `give_way_after_s` for which a task that gives way receives no message and waits for the ones in
progress.
"""

SQS_REST_S = 30.0
"""The longest pause after failed receives: 1, 2, 4, ... s."""

SLOT_WAIT_S = 3600.0


class Worker:
    """Receives and processes messages. `handle` is called with each message, in a separate thread. If it raises, the
    message is received again later. `rollout`: reports whether the service replaces this task's task definition (None:
    it is not read).
    """

    def __init__(
        self,
        sqs: Sqs,
        queue_url: str,
        handle: Callable[[Message], object],
        *,
        settings: Settings | None = None,
        protection: Protection | None = None,
        rollout: RevisionCheck | None = None,
        time: Time | None = None,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._handle = handle
        self._settings = settings or Settings()
        self._protection = protection or Protection.from_environment()
        self._rollout = rollout
        self._time = time or Time()
        self._bell = Bell()
        self._held: set[Message] = set()
        self._holds = False
        self._tried_to_give_way = self._time.now()
        self._failed_receives = 0
        self._stopped_at = inf

    @property
    def stopping(self) -> bool:
        """Whether the worker receives no more messages. Long work that can be interrupted may check this."""
        return self._stopped_at < inf

    @property
    def holding(self) -> int:
        """The number of messages in progress."""
        return len(self._held)

    def stop(self) -> None:
        """Stop as on SIGTERM. Can be called from a thread or a signal handler, also twice."""
        self._stopped_at = min(self._stopped_at, self._time.now())
        self._bell.ring()

    def run(self) -> None:
        """Run until SIGTERM, SIGINT or `stop`, then end within `drain_s`: messages in progress are finished or
        returned.
        """
        with self._signals():
            while not self.stopping:
                self._step()
            self._drain()

    def _step(self) -> None:
        """One step. It ends with at most `concurrency` messages in progress."""
        if self.holding >= self._settings.concurrency:
            self._wait(SLOT_WAIT_S, lambda: self.holding < self._settings.concurrency)
        elif self._must_give_way():
            self._give_way()
        elif not self._blocks(self._protection.refusal) or self._is_protected_after_a_while():
            self._begin(self._receive())

    def _begin(self, messages: Sequence[Message]) -> None:
        if messages and not self.stopping and self._is_protected() and not self.stopping:
            for message in messages:
                self._start(message)
            return
        for message in messages:
            log.info("message %s in %s returned, not started", message.id, self._queue_url)
            message.give_back()
        self._leave()

    # Receiving

    def _receive(self) -> list[Message]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=self._room(),
                VisibilityTimeout=self._settings.visibility_s,
                WaitTimeSeconds=self._settings.linger_s if self._holds else self._settings.poll_s,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except Exception as error:  # noqa: BLE001 - the client and its errors belong to the user
            self._pause_after(error)
            return []
        self._failed_receives = 0
        return [self._message(raw) for raw in answer.get("Messages", [])]

    def _room(self) -> int:
        """FIFO: one message at a time, because several may be of one group, which must be processed in order."""
        if self._queue_url.endswith(".fifo"):
            return 1
        return min(10, self._settings.concurrency - self.holding)

    def _message(self, raw: Mapping[str, Any]) -> Message:
        return Message(self._sqs, self._queue_url, raw, self._settings.visibility_s, self._time)

    def _pause_after(self, error: Exception) -> None:
        rest_s = min(2.0**self._failed_receives, SQS_REST_S)
        self._failed_receives = min(self._failed_receives + 1, 16)
        log.error("%s: receive failed, next attempt in %.0f s: %s", self._queue_url, rest_s, error)
        self._leave()
        self._wait(rest_s, lambda: False)

    # Protection

    def _is_protected(self) -> bool:
        """Whether work may start. The loop holds the protection from a first message to the next empty receive."""
        if not self._holds:
            self._protection.hold()
            self._holds = True
        return not self._blocks(self._protection.ask())

    def _blocks(self, refusal: Refusal | None) -> bool:
        return refusal is not None and (refusal.blocked or self._settings.without_protection == "wait")

    def _leave(self) -> None:
        """End the loop's hold of the protection. Messages in progress keep theirs."""
        if self._holds:
            self._holds = False
            self._protection.drop()
        else:
            self._protection.rest()

    def _is_protected_after_a_while(self) -> bool:
        """After a refusal, request the protection before the next receive: messages that are returned repeatedly end in
        the dead-letter queue.
        """
        self._leave()
        self._wait(RETRY_S, lambda: False)
        return not self.stopping and self._is_protected()

    def _must_give_way(self) -> bool:
        """Whether a break of the protection is due: sooner if the service replaces the task definition of this task, so
        that the deployment can end. That is read only of a task that could then take a break.
        """
        since = self._protection.since
        if since is None:
            return False
        busy_s = self._time.now() - max(since, self._tried_to_give_way)
        is_long = busy_s >= self._settings.give_way_after_s
        if is_long or self._rollout is None or busy_s < self._settings.give_way_replaced_s:
            return is_long
        return self._rollout.is_replaced()

    def _give_way(self) -> None:
        """Remove the protection briefly, if the messages in progress finish soon enough; otherwise try again later."""
        self._leave()
        self._wait(self._settings.give_way_after_s * GIVE_WAY_WAIT_RATIO, lambda: not self._held)
        if not self._held:
            self._wait(self._settings.give_way_s, lambda: False)
        self._tried_to_give_way = self._time.now()

    # Working

    def _start(self, message: Message) -> None:
        self._held.add(message)
        self._protection.hold()
        Thread(target=self._work_on, args=(message,), name=f"message {message.id}", daemon=True).start()

    def _work_on(self, message: Message) -> None:
        try:
            with self._heartbeat(message):
                self._settle(message, self._is_handled(message))
        finally:
            self._protection.drop()
            self._held.discard(message)
            self._bell.ring()

    def _is_handled(self, message: Message) -> bool:
        try:
            self._handle(message)
        except (Exception, SystemExit):
            log.exception("message %s in %s: the handler failed", message.id, self._queue_url)
            return False
        return True

    def _settle(self, message: Message, handled: bool) -> None:
        if handled:
            message.delete()
        else:
            message.give_back(self._settings.retry_after(message.receives))

    @contextmanager
    def _heartbeat(self, message: Message) -> Iterator[None]:
        done = Bell()
        Thread(target=self._beat, args=(message, done), name=f"heart {message.id}", daemon=True).start()
        try:
            yield
        finally:
            done.ring()

    def _beat(self, message: Message, done: Bell) -> None:
        beat_s = min(self._settings.visibility_s / BEATS, self._protection.renewal_s)
        while not self._time.wait(done, beat_s):
            message.extend()
            self._protection.ask(attempts=1)

    # Stopping

    def _drain(self) -> None:
        """Messages in progress have `drain_s` from the signal on. The rest is returned, as the process ends now."""
        log.info("%s: stopping, with %d messages in progress", self._queue_url, self.holding)
        left_s = self._stopped_at + self._settings.drain_s - self._time.now()
        self._wait(left_s, lambda: not self._held, even_if_stopping=True)
        for message in list(self._held):
            log.warning("message %s in %s is not finished in time and returned", message.id, self._queue_url)
            message.give_back()
            message.lost.set()
        self._leave()

    def _wait(self, seconds: float, enough: Callable[[], bool], *, even_if_stopping: bool = False) -> None:
        """Wait until `enough` returns True, `seconds` have passed, or the worker must stop."""
        end = self._time.now() + seconds
        while not enough() and (even_if_stopping or not self.stopping) and (left := end - self._time.now()) > 0:
            self._time.wait(self._bell, left)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT. Only the main thread can handle signals; elsewhere the owner calls `stop`."""
        if current_thread() is not main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()
