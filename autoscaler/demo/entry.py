"""Run the demo and return its exit code. Invalid options are refused before the start, and no process remains."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

from autoscaler.demo.load import DemoLoad, play, read, synthetic_load
from autoscaler.errors import ConfigError, Problem

# Options of a demo.

SHORTEST_S = 5.0
LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Options:
    """`duration_s`: length of the load in wall time; a drain follows. `trace` None: a synthetic load from `seed`.

    A trace is replayed from the start of day `from_day` (0 is its first day), `speed` times as fast as it was recorded.
    `json`: standard output has only the summary as JSON.
    """

    duration_s: float = 120.0
    trace: Path | None = None
    from_day: float = 0.0
    speed: float = 1.0
    json: bool = False
    seed: int = 0

    def problems(self) -> Iterator[Problem]:
        """Yield all problems of the options, each with the option's name on the command line."""
        if not SHORTEST_S <= self.duration_s <= LONGEST_S:
            yield Problem(
                "--duration", f"the value is {self.duration_s:g} s, but must be from {SHORTEST_S:g} s to 24 h"
            )
        if not (isfinite(self.from_day) and self.from_day >= 0):
            yield Problem("--from-day", f"the value is {self.from_day:g}, but must be at least 0")
        if not (isfinite(self.speed) and self.speed > 0):
            yield Problem("--speed", f"the value is {self.speed:g}, but must be above 0")
        if self.trace is None and (self.from_day != 0 or self.speed != 1):
            yield Problem("--from-day, --speed", "these options require --trace FILE")


EXTRA = ("flask", "flask_cors", "moto", "rich")
"""What the demo needs beyond the daemon; installed with the extra `demo`."""

DAEMON = (sys.executable, "-m", "autoscaler", "run")
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(options: Options, command: Sequence[str] = DAEMON) -> int:
    """Run the demo and return 0: all messages were processed and no task is left; 1: otherwise; 2: invalid options;
    130: interrupted. `command` starts the daemon.
    """
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        return _refuse(f"the demo needs {', '.join(missing)}: pip install 'ecs-queue-autoscaler[demo]'")
    try:
        load = load_of(options)
    except ConfigError as error:
        return _refuse(str(error))
    try:
        return asyncio.run(_interruptible(_perform(load, options, command)))
    except KeyboardInterrupt:
        return INTERRUPTED


def _refuse(reason: str) -> int:
    _print_error(reason)
    return USAGE


def _print_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def load_of(options: Options) -> DemoLoad:
    """Return the load that the options define. Raise `ConfigError` with all problems of the options."""
    if problems := tuple(options.problems()):
        raise ConfigError(problems)
    if options.trace is None:
        return synthetic_load(options.duration_s, options.seed)
    return play(read(options.trace), options.from_day, options.speed, options.duration_s, options.seed)


async def _perform(load: DemoLoad, options: Options, command: Sequence[str]) -> int:
    from autoscaler.demo import play, screen  # noqa: PLC0415 - they need the extra
    from autoscaler.demo.play import DemoFailed  # noqa: PLC0415
    from autoscaler.demo.region_client import RegionFailed  # noqa: PLC0415

    try:
        with screen.Screen() as shown:
            summary = await play.perform(load, options.seed, command, shown)
    except (RegionFailed, DemoFailed) as failed:
        _print_error(f"the demo failed: {failed}")
        return FAILED
    if options.json:
        sys.stdout.write(json.dumps(summary.as_json()) + "\n")
    else:
        screen.show_summary(summary)
    return FAILED if summary.problems else OK


async def _interruptible(performance: Coroutine[Any, Any, int]) -> int:
    """Run the demo. The first signal cancels it; further signals do not interrupt the cleanup."""
    loop, task, caught = asyncio.get_running_loop(), asyncio.current_task(), list[signal.Signals]()

    def interrupt(by: signal.Signals) -> None:
        if not caught and task is not None:
            task.cancel()
        caught.append(by)

    for one in SIGNALS:
        loop.add_signal_handler(one, interrupt, one)
    try:
        return await performance
    except asyncio.CancelledError:
        if not caught:
            raise
        _print_error(f"stopped by {caught[0].name}; no process is left running")
        return INTERRUPTED
    finally:
        for one in SIGNALS:
            loop.remove_signal_handler(one)
