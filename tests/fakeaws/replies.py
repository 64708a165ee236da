"""HTTP replies and how they are sent, and AWS errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Manner(Enum):
    """How a reply is sent."""

    WHOLE = "whole"
    HANG = "never"
    DRIP = "one byte at a time"
    RESET = "the connection is cut instead"
    CUT = "the connection is cut halfway"


@dataclass(frozen=True, slots=True)
class FakeReply:
    """One HTTP reply. `after_s` is the delay before it is sent; for `DRIP`, the delay before each byte."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = Manner.WHOLE
    after_s: float = 0.0


class FakeRefusal(Exception):
    """An AWS error. `query` is its name in the query protocol, for services that used this protocol before."""

    def __init__(self, code: str, message: str = "", status: int = 400, query: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.query = query
