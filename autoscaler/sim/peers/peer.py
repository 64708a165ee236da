"""A peer is another autoscaler that the simulator runs: a name, a setting given as text, and a function that builds the
scaler.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from autoscaler.errors import AutoscalerError
from autoscaler.sim.model import Datapoint, Meter, QueueCounts, Scaler, Surface, Tasks, Workload

LATENCY = "latency"
"""In a setting, this word means: compute the number from the acceptable latency."""

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class Setup:
    """What the operator of a peer knows about the service. Only `static` uses `workload`."""

    acceptable_latency_s: float
    mean_service_s: float
    task_concurrency: int
    min_tasks: int
    max_tasks: int
    start_up_s: float
    workload: Workload

    @property
    def messages_in_time(self) -> float:
        """Messages that one task completes within the latency, at least 1. This is the backlog per task that AWS's
        guide to scaling on Amazon SQS recommends: acceptable latency / time per message.
        """
        return max(1.0, self.acceptable_latency_s * self.task_concurrency / self.mean_service_s)

    def bounded(self, tasks: float, least: int = 0) -> int:
        """Return the tasks, rounded up, within the operator's bounds; at least `least`, and at most `max_tasks`."""
        highest = max(self.max_tasks, 0)
        return int(min(max(math.ceil(tasks), self.min_tasks, least), highest))


class PeerNumber(NamedTuple):
    """One number of a setting. `default` None: it follows from the latency. `from_latency`: `latency` is valid too."""

    name: str
    default: float | None
    from_latency: bool = False
    least: float = 0.0
    whole: bool = False


def read(parts: tuple[PeerNumber, ...], text: str | None, in_time: float) -> tuple[float, ...]:
    """Return the numbers of `A/B/...`. Omitted numbers have their defaults, and `latency` is `in_time`.

    Raise `ValueError` with the expected form.
    """
    given = text.split("/") if text else []
    if len(given) > len(parts):
        raise ValueError(f"{text!r} has {len(given)} numbers; the maximum is {len(parts)}: {_form(parts)}")
    given += [""] * (len(parts) - len(given))
    return tuple(_number(part, word.strip(), in_time) for part, word in zip(parts, given, strict=True))


def _number(part: PeerNumber, word: str, in_time: float) -> float:
    if not word and part.default is not None:
        return part.default
    if part.from_latency and word in {"", LATENCY}:
        return float(math.floor(in_time)) if part.whole else in_time
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < part.least or (part.whole and number != int(number)):
        kind = "whole number" if part.whole else "number"
        other = f", or {LATENCY!r}" if part.from_latency else ""
        raise ValueError(f"{part.name} is {word!r}: it must be a {kind} of at least {part.least:g}{other}")
    return number


def uses_latency(parts: tuple[PeerNumber, ...], text: str | None) -> bool:
    """Return whether any number of the setting follows from the latency. Raise `ValueError` as `read` does."""
    read(parts, text, 1.0)
    given = text.split("/") if text else []
    words = [word.strip() for word in given] + [""] * (len(parts) - len(given))
    return any(
        part.from_latency and (word == LATENCY or (not word and part.default is None))
        for part, word in zip(parts, words, strict=True)
    )


def _form(parts: tuple[PeerNumber, ...]) -> str:
    return "/".join(part.name for part in parts)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer: its name, usage, settings and scaler factory.

    `make(setup, setting)`: a new scaler. The setting is the text after the colon, or None without one. `grid(setup)`:
    the specs to compare, each `name` or `name:setting`, the default first, at most 6. `settings(setup, setting)`: the
    effective settings in one line. `depends_on_latency(setting)`: whether the scaler depends on the latency. Except for
    `grid`, they raise `ValueError` if the setting is invalid.
    """

    name: str
    summary: str
    usage: str
    make: Callable[[Setup, str | None], Scaler]
    grid: Callable[[Setup], tuple[str, ...]]
    settings: Callable[[Setup, str | None], str]
    depends_on_latency: Callable[[str | None], bool]


def peer(
    name: str,
    summary: str,
    *,
    parts: tuple[PeerNumber, ...],
    settings: Callable[[Setup, tuple[float, ...]], Settings],
    scaler: Callable[[Settings], Scaler],
    grid: tuple[str, ...],
) -> Peer:
    """Return a peer whose setting is a list of numbers (`A/B`). `settings` returns an object whose `str()` is one line.
    `grid`: the settings to compare in addition to the default.
    """

    def settings_from(setup: Setup, text: str | None) -> Settings:
        return settings(setup, read(parts, text, setup.messages_in_time))

    optional = "".join(f"[/{part.name}" for part in parts).replace("[/", "[:", 1) + "]" * len(parts)
    specs = (name, *(f"{name}:{setting}" for setting in grid))
    return Peer(
        name,
        summary,
        f"{name}{optional}",
        lambda setup, text: scaler(settings_from(setup, text)),
        lambda _: specs,
        lambda setup, text: str(settings_from(setup, text)),
        lambda text: uses_latency(parts, text),
    )


# How a peer reads the world and changes it. A failed read is None, and a refused change has no effect.


def counts(world: Surface) -> QueueCounts | None:
    """Return SQS's counts; None if they cannot be read now."""
    try:
        return world.counts()
    except AutoscalerError:
        return None


def tasks(world: Surface) -> Tasks | None:
    """Return ECS's counts; None if they cannot be read now."""
    try:
        return world.tasks()
    except AutoscalerError:
        return None


def minutes(world: Surface, meter: Meter, most: int) -> Sequence[Datapoint]:
    """Return CloudWatch's newest minutes, oldest first; empty if they cannot be read or do not exist."""
    try:
        return world.minutes(meter, most)
    except AutoscalerError:
        return ()


def scaled(world: Surface, count: int, reason: str) -> bool:
    """Set the desired count and log the reason. Return False if the call was refused; nothing has then changed."""
    try:
        world.scale_to(count)
    except AutoscalerError:
        return False
    world.log(reason)
    return True
