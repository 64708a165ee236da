"""The settings of a worker. Every value is checked, and all errors are reported at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

LONGEST_S = 43_200
"""SQS hides a message for at most 12 hours from its receive, including extensions."""


@dataclass(frozen=True, slots=True)
class Settings:
    """docs/workers.md describes each setting and its default."""

    concurrency: int = 1
    visibility_s: int = 60
    poll_s: int = 10
    linger_s: int = 5
    retry_s: int = 10
    retry_most_s: int = 900
    drain_s: float = 25.0
    give_way_after_s: float = 600.0
    give_way_s: float = 10.0
    give_way_replaced_s: float = 60.0
    without_protection: Literal["work", "wait"] = "work"

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ValueError("worker settings: " + "; ".join(problems))

    def _problems(self) -> Iterator[str]:
        if self.concurrency < 1:
            yield f"concurrency is {self.concurrency}: at least 1"
        if not 30 <= self.visibility_s <= LONGEST_S:
            yield f"visibility_s is {self.visibility_s}: 30 to {LONGEST_S}, so that a failed heartbeat can be retried"
        if not 0 <= self.poll_s <= 20 or not 0 <= self.linger_s <= 20:
            yield f"poll_s is {self.poll_s} and linger_s {self.linger_s}: an SQS receive can wait for 0 to 20 s"
        if not 0 <= self.retry_s <= self.retry_most_s <= LONGEST_S:
            yield f"retry_s is {self.retry_s} and retry_most_s {self.retry_most_s}: ascending, 0 to {LONGEST_S}"
        if self.drain_s <= max(self.poll_s, self.linger_s):
            yield f"drain_s is {self.drain_s}: longer than a receive, so that its messages are returned in time"
        if self.give_way_after_s <= 0 or self.give_way_s < 0:
            yield f"give_way_after_s is {self.give_way_after_s}, give_way_s {self.give_way_s}: above 0, and 0 or more"
        if self.give_way_replaced_s <= 0:
            yield f"give_way_replaced_s is {self.give_way_replaced_s}: above 0"
        if self.without_protection not in {"work", "wait"}:
            yield f"without_protection is {self.without_protection!r}: 'work' or 'wait'"

    def retry_after(self, receives: int) -> int:
        """Return the seconds for which a message stays hidden after its n-th failed receive: 10, 20, 40, ..."""
        doublings = min(receives - 1, 16)
        return int(min(self.retry_s * 2**doublings, self.retry_most_s))
