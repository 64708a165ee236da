"""What goes back over the wire: an answer's bytes, and how they are sent; and what AWS says when it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Manner(Enum):
    """How a reply is sent."""

    WHOLE = "whole"
    HANG = "never"
    DRIP = "a byte now and then"
    RESET = "the connection is cut instead"
    CUT = "the connection is cut halfway"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. `after_s`: it waits for so long first; dripping, so long before each byte."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = Manner.WHOLE
    after_s: float = 0.0


class Refusal(Exception):
    """AWS says no. `query` is what services with a past in the query protocol call it there."""

    def __init__(self, code: str, message: str = "", status: int = 400, query: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.query = query
