"""A message in hand: hidden from others while it is worked on, then deleted or given back, once.

Law: what is lost, because somebody else may have it by now, is not given back: that would take it from them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event, Lock
from typing import Any, Protocol

from .waiting import Bell, Time

log = logging.getLogger(__name__)

DELETE_ATTEMPTS = 4
"""With 1, 2 and 4 s between them: the work is done, and it would be a pity to do it twice."""

GONE = {"ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"}
"""SQS's definite answers. InvalidParameterValue: the handle has expired, or 12 hours are over."""


class Sqs(Protocol):
    """boto3's SQS client, or anything with these three methods. It is called from several threads at once."""

    @property
    def receive_message(self) -> Callable[..., Any]: ...
    @property
    def delete_message(self) -> Callable[..., Any]: ...
    @property
    def change_message_visibility(self) -> Callable[..., Any]: ...


class Message:
    """`raw` is the message as SQS gave it, `body` its text, `receives` how often it was received, this time included.

    `lost` is set once others may receive it although it is still being worked on: nothing more should be done.
    """

    def __init__(self, sqs: Sqs, queue_url: str, raw: Mapping[str, Any], visibility_s: int, time: Time) -> None:
        """Received a moment ago, and hidden since then for `visibility_s`."""
        self.raw = raw
        self.id: str = raw["MessageId"]
        self.body: str = raw["Body"]
        self.receives = int(raw.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        self.lost = Event()
        self._sqs = sqs
        self._place = {"QueueUrl": queue_url, "ReceiptHandle": raw["ReceiptHandle"]}
        self._visibility_s = visibility_s
        self._time = time
        self._hidden_until = time.now() + visibility_s
        self._lock = Lock()
        self._over = False

    def extend(self) -> None:
        """Hidden for `visibility_s` from now on; or it is tried again at the next beat, until it is lost."""
        with self._lock:
            if self._over or self.lost.is_set():
                return
            asked = self._time.now()
            try:
                self._hide(self._visibility_s)
            except Exception as error:  # noqa: BLE001 - the client is the user's, and so are its errors
                self._not_extended(error)
            else:
                self._hidden_until = asked + self._visibility_s

    def delete(self) -> bool:
        """Gone from the queue. False: not, so it comes again. Tried also once lost: the work is done."""
        for attempt in range(DELETE_ATTEMPTS):
            if attempt:
                self._time.wait(Bell(), 2.0 ** (attempt - 1))
            try:
                with self._lock:
                    self._sqs.delete_message(**self._place)
                    self._over = True
            except Exception as error:  # noqa: BLE001 - the client is the user's, and so are its errors
                log.warning("message %s in %s: not deleted: %s", self.id, self._place["QueueUrl"], error)
                if code(error) in GONE:
                    break
            else:
                return True
        log.error("message %s in %s was worked on, and will come again", self.id, self._place["QueueUrl"])
        return False

    def give_back(self, after_s: int = 0) -> None:
        """Others may receive it after so many seconds; if SQS does not hear of it, once it is no longer hidden."""
        with self._lock:
            if self._over or self.lost.is_set():
                return
            self._over = True
            try:
                self._hide(after_s)
            except Exception as error:  # noqa: BLE001 - the client is the user's, and so are its errors
                where = self._place["QueueUrl"]
                log.warning("message %s in %s: not given back, comes by itself in a while: %s", self.id, where, error)

    def _hide(self, seconds: int) -> None:
        self._sqs.change_message_visibility(**self._place, VisibilityTimeout=seconds)

    def _not_extended(self, error: Exception) -> None:
        where = self._place["QueueUrl"]
        if code(error) not in GONE and self._time.now() < self._hidden_until:
            log.warning("message %s in %s: heartbeat failed, tried again: %s", self.id, where, error)
            return
        self.lost.set()
        log.error("message %s in %s is lost to others while it is worked on: %s", self.id, where, error)


def code(error: Exception) -> str:
    """The error's code as botocore keeps it, without the name space of the old protocol; empty where there is none."""
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return ""
    return str(response.get("Error", {}).get("Code", "")).rpartition(".")[2]
