"""A parsed request, and the description of one API operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.fakeaws.world import FakeRegionState


@dataclass(frozen=True, slots=True)
class Ask:
    """A parsed request. `world` is the state of the account and Region that it is signed for.

    `other` returns another account's state in the same Region.
    """

    body: dict[str, Any]
    world: FakeRegionState
    now: float
    other: Callable[[str], FakeRegionState]


class AnswerPart(NamedTuple):
    """The position of a subject's own part in an answer: `holder[at]`."""

    holder: Any
    at: Any


class Operation(NamedTuple):
    """One API operation.

    `category` is its rate-limit bucket and `throttle` the code of its throttling error. `do` returns its answer (raises
    `FakeRefusal`). `subjects` returns the queues, services or other resources that a request is about. `parts` returns
    the parts of an answer that belong to one subject; None: the whole answer.
    """

    service: str
    name: str
    category: str
    throttle: str
    do: Callable[[Ask], dict[str, Any]]
    subjects: Callable[[Ask], list[str]]
    parts: Callable[[Ask, dict[str, Any], str], Iterator[AnswerPart]] | None = None


def short(name_or_arn: object) -> str:
    """Return the last part of an ARN or a URL; a name unchanged."""
    return str(name_or_arn).rpartition("/")[2]
