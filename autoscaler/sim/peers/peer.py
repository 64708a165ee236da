"""What a peer is here: a name, a setting in words, and a scaler made of it for an operator's situation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from autoscaler.sim.model import Scaler, Workload

LATENCY = "latency"
"""Written in place of a number: the one that follows from the acceptable latency."""

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class Setup:
    """What an operator of a peer knows. Only a static fleet is told the workload."""

    acceptable_latency_s: float
    mean_service_s: float
    task_concurrency: int
    min_tasks: int
    max_tasks: int
    start_up_s: float
    workload: Workload

    @property
    def messages_in_time(self) -> float:
        """How many messages one task gets done within the latency: the backlog per task that AWS's guide to scaling
        on Amazon SQS advises, acceptable latency / time per message. At least 1: no target is below one message.
        """
        return max(1.0, self.acceptable_latency_s * self.task_concurrency / self.mean_service_s)

    def bounded(self, tasks: float, least: int = 0) -> int:
        """That many tasks within the operator's bounds, and at least `least`; a fraction of a task is a whole one."""
        highest = max(self.max_tasks, 0)
        return int(min(max(math.ceil(tasks), self.min_tasks, least), highest))


class Part(NamedTuple):
    """One number of a setting. `default` None: as the latency has it. `from_latency`: it may be written `latency`."""

    name: str
    default: float | None
    from_latency: bool = False
    least: float = 0.0
    whole: bool = False


def read(parts: tuple[Part, ...], text: str | None, in_time: float) -> tuple[float, ...]:
    """The numbers of `A/B/...`: those left out are the defaults, and `latency` is `in_time`.

    Raises `ValueError` with what was expected.
    """
    given = text.split("/") if text else []
    if len(given) > len(parts):
        raise ValueError(f"{text!r} has {len(given)} numbers, at most {len(parts)} are known: {_form(parts)}")
    given += [""] * (len(parts) - len(given))
    return tuple(_number(part, word.strip(), in_time) for part, word in zip(parts, given, strict=True))


def _number(part: Part, word: str, in_time: float) -> float:
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


def rests_on_latency(parts: tuple[Part, ...], text: str | None) -> bool:
    """Whether any number of the setting follows from the latency. Raises `ValueError` as `read` does."""
    read(parts, text, 1.0)
    given = text.split("/") if text else []
    words = [word.strip() for word in given] + [""] * (len(parts) - len(given))
    return any(
        part.from_latency and (word == LATENCY or (not word and part.default is None))
        for part, word in zip(parts, words, strict=True)
    )


def _form(parts: tuple[Part, ...]) -> str:
    return "/".join(part.name for part in parts)


@dataclass(frozen=True, slots=True)
class Peer:
    """A policy by its plain name.

    `make(setup, setting)`: a new scaler; the setting is what stands after the colon, None where none does.
    `grid(setup)`: the specs worth trying, each as `name` or `name:setting`, the default one first, at most 6.
    `settings(setup, setting)`: the settings in force, in a line. `depends_on_latency(setting)`: whether another
    latency makes another scaler. All but `grid` raise `ValueError` where the setting cannot be read.
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
    parts: tuple[Part, ...],
    settings: Callable[[Setup, tuple[float, ...]], Settings],
    scaler: Callable[[Settings], Scaler],
    grid: tuple[str, ...],
) -> Peer:
    """A peer whose setting is numbers, and whose settings are a value that says itself in a line. `grid`: the
    settings to try beside the default.
    """

    def of(setup: Setup, text: str | None) -> Settings:
        return settings(setup, read(parts, text, setup.messages_in_time))

    optional = "".join(f"[/{part.name}" for part in parts).replace("[/", "[:", 1) + "]" * len(parts)
    specs = (name, *(f"{name}:{setting}" for setting in grid))
    return Peer(
        name,
        summary,
        f"{name}{optional}",
        lambda setup, text: scaler(of(setup, text)),
        lambda _: specs,
        lambda setup, text: str(of(setup, text)),
        lambda text: rests_on_latency(parts, text),
    )
