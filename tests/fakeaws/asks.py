"""One request as the double understands it, and the table of all that it can be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.fakeaws.world import World


@dataclass(frozen=True, slots=True)
class Ask:
    """`world` is that of whose account and Region it is signed for; `other` gives another account's, same Region."""

    body: dict[str, Any]
    world: World
    now: float
    other: Callable[[str], World]


class Part(NamedTuple):
    """Where in an answer a subject's own part stands: `holder[at]`."""

    holder: Any
    at: Any


class Operation(NamedTuple):
    """One API.

    `category` is the bucket it drains, `throttle` the code of its throttling error, `do` its answer (raises
    `Refusal`), `subjects` the queues, services or the like that a request is about, and `parts` the parts of an answer
    that are one subject's own; None: all of it.
    """

    service: str
    name: str
    category: str
    throttle: str
    do: Callable[[Ask], dict[str, Any]]
    subjects: Callable[[Ask], list[str]]
    parts: Callable[[Ask, dict[str, Any], str], Iterator[Part]] | None = None


def short(name_or_arn: object) -> str:
    """The last part of an ARN or a URL; a name as it is."""
    return str(name_or_arn).rpartition("/")[2]
