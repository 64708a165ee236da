"""A message in progress: hidden from other consumers while it is processed, then deleted or returned once.

Invariant: a lost message, which another consumer may have received, is not returned: it would become visible again
while that consumer processes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event, Lock
from typing import Any, Protocol

from .waiting import Bell, Time

log = logging.getLogger(__name__)

DELETE_ATTEMPTS = 4
"""With pauses of 1, 2 and 4 s: the work is done, and a failed delete would repeat it."""

GONE = {"ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"}
"""Definite errors of SQS. InvalidParameterValue: the receipt handle has expired, or the 12 hours are over."""


class Sqs(Protocol):
    """boto3's SQS client, or any object with these three methods. They are called from several threads at once."""

    @property
    def receive_message(self) -> Callable[..., Any]: ...
    @property
    def delete_message(self) -> Callable[..., Any]: ...
    @property
    def change_message_visibility(self) -> Callable[..., Any]: ...


class Message:
    """`raw` is the message as SQS returned it, `body` its text, `receives` its receive count, including this receive.

    `lost` is set once another consumer may receive the message although it is still being processed: the handler should
    stop.
    """

    def __init__(self, sqs: Sqs, queue_url: str, raw: Mapping[str, Any], visibility_s: int, time: Time) -> None:
        """The message was just received, and is hidden for `visibility_s` from now on."""
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
        """Hide the message for `visibility_s` from now on. After an error the next heartbeat retries, until the message
        is lost.
        """
        with self._lock:
            if self._over or self.lost.is_set():
                return
            requested_at = self._time.now()
            try:
                self._hide(self._visibility_s)
            except Exception as error:  # noqa: BLE001 - the client and its errors belong to the user
                self._not_extended(error)
            else:
                self._hidden_until = requested_at + self._visibility_s

    def delete(self) -> bool:
        """Delete the message. False: it was not deleted and will be received again. Also runs for a lost message: its
        work is done.
        """
        for attempt in range(DELETE_ATTEMPTS):
            if attempt:
                self._time.wait(Bell(), 2.0 ** (attempt - 1))
            try:
                with self._lock:
                    self._sqs.delete_message(**self._place)
                    self._over = True
            except Exception as error:  # noqa: BLE001 - the client and its errors belong to the user
                log.warning("message %s in %s: not deleted: %s", self.id, self._place["QueueUrl"], error)
                if code(error) in GONE:
                    break
            else:
                return True
        log.error(
            "message %s in %s was processed but not deleted; it will be received again",
            self.id,
            self._place["QueueUrl"],
        )
        return False

    def give_back(self, after_s: int = 0) -> None:
        """Make the message visible after `after_s` seconds. If the call fails, it becomes visible at its visibility
        timeout.
        """
        with self._lock:
            if self._over or self.lost.is_set():
                return
            self._over = True
            try:
                self._hide(after_s)
            except Exception as error:  # noqa: BLE001 - the client and its errors belong to the user
                where = self._place["QueueUrl"]
                log.warning(
                    "message %s in %s: not returned, visible again after its timeout: %s", self.id, where, error
                )

    def _hide(self, seconds: int) -> None:
        self._sqs.change_message_visibility(**self._place, VisibilityTimeout=seconds)

    def _not_extended(self, error: Exception) -> None:
        where = self._place["QueueUrl"]
        if code(error) not in GONE and self._time.now() < self._hidden_until:
            log.warning("message %s in %s: heartbeat failed, the next one retries: %s", self.id, where, error)
            return
        self.lost.set()
        log.error(
            "message %s in %s is lost: another consumer may receive it during its processing: %s", self.id, where, error
        )


def code(error: Exception) -> str:
    """Return the error code as botocore stores it, without the old protocol's namespace; empty if there is none."""
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return ""
    return str(response.get("Error", {}).get("Code", "")).rpartition(".")[2]
