"""Run the demo and return its exit code. Invalid options are refused before the start, and no process remains."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine, Sequence
from importlib.util import find_spec
from typing import Any

from autoscaler.demo.load import DemoLoad, synthetic_load
from autoscaler.demo.options import Options
from autoscaler.demo.trace import play, read
from autoscaler.errors import ConfigError

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
    from autoscaler.demo import screen, stage  # noqa: PLC0415  # they need the extra
    from autoscaler.demo.cast import DemoFailed  # noqa: PLC0415
    from autoscaler.demo.region_client import RegionFailed  # noqa: PLC0415

    try:
        with screen.Screen() as shown:
            summary = await stage.perform(load, options.seed, command, shown)
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
