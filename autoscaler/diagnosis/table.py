"""The known causes of `failures.toml`, as rows in their order."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

GUIDE = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/"
REFERENCE = "@"
"""The first character of a word that stands for a list of words."""


class FailureClass(StrEnum):
    """What helps against a cause: a closed list."""

    WAIT = "wait"
    """It passes: retry."""
    CAPACITY = "capacity"
    """There is no room now: another zone, another capacity provider, a smaller task."""
    QUOTA = "quota"
    """A limit of the account: stay within it, or raise it."""
    FIX = "fix"
    """Settings of the service, its task definition or its network: no more tasks until they have changed."""
    APPLICATION = "application"
    """The container's own program ended or did not answer."""
    INFRASTRUCTURE = "infrastructure"
    """The host: AWS or the cluster's owner replaces it."""
    NORMAL = "normal"
    """An expected stop."""
    UNKNOWN = "unknown"


class Failure(NamedTuple):
    """One cause. `words`: groups of key words in lower case; a text must have a word of each group, and no word
    of `unless`. `source`: the address of the documentation (empty: none). `example`: a text of this cause.
    """

    name: str
    kind: FailureClass
    meaning: str
    remedy: str
    source: str
    words: tuple[tuple[str, ...], ...]
    unless: tuple[str, ...]
    example: str


UNKNOWN = Failure(
    "unknown",
    FailureClass.UNKNOWN,
    "the text is not known",
    "search the Amazon ECS documentation for the text",
    "",
    (),
    (),
    "",
)


@cache
def failures() -> tuple[Failure, ...]:
    """Return all rows, in the order of the file."""
    table = tomllib.loads((files("autoscaler.diagnosis") / "failures.toml").read_text(encoding="utf-8"))
    return tuple(_row(name, row, table["lists"]) for name, row in table["failures"].items())


def _row(name: str, row: Mapping[str, Any], lists: Mapping[str, Sequence[str]]) -> Failure:
    return Failure(
        name=name,
        kind=FailureClass(row["class"]),
        meaning=row["meaning"],
        remedy=row["remedy"],
        source=f"{GUIDE}{row['page']}.html" if "page" in row else "",
        words=tuple(tuple(_listed(group, lists)) for group in row["words"]),
        unless=tuple(_listed(row.get("unless", ()), lists)),
        example=row["example"],
    )


def _listed(words: Sequence[str], lists: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the words, with each list in place of its reference."""
    for word in words:
        yield from lists[word.removeprefix(REFERENCE)] if word.startswith(REFERENCE) else [word]
