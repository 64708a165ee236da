"""From options to an exit code: what can be refused is refused before anything starts, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine, Sequence
from importlib.util import find_spec
from typing import Any

from autoscaler.demo.load import Load, made_up
from autoscaler.demo.options import Options
from autoscaler.demo.trace import play, read
from autoscaler.errors import ConfigError

EXTRA = ("flask", "flask_cors", "moto", "rich")
"""What the demo needs beyond the daemon; installed with the extra `demo`."""

DAEMON = (sys.executable, "-m", "autoscaler", "run")
GOOD, BAD, USAGE, INTERRUPTED = 0, 1, 2, 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(options: Options, command: Sequence[str] = DAEMON) -> int:
    """The exit code of a demo: 0, everything was processed and no task is left; 1, not so; 2, the options are wrong;
    130, it was interrupted. `command` is what runs the daemon.
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


def _refuse(why: str) -> int:
    _tell(why)
    return USAGE


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def load_of(options: Options) -> Load:
    """The load that the options ask for. Raises `ConfigError` with all that is wrong with them."""
    if problems := tuple(options.problems()):
        raise ConfigError(problems)
    if options.trace is None:
        return made_up(options.duration_s, options.seed)
    return play(read(options.trace), options.from_day, options.speed, options.duration_s, options.seed)


async def _perform(load: Load, options: Options, command: Sequence[str]) -> int:
    from autoscaler.demo import screen, stage  # noqa: PLC0415  # they need the extra
    from autoscaler.demo.cast import DemoFailed  # noqa: PLC0415
    from autoscaler.demo.region_client import RegionFailed  # noqa: PLC0415

    try:
        with screen.Screen() as shown:
            summary = await stage.perform(load, options.seed, command, shown)
    except (RegionFailed, DemoFailed) as failed:
        _tell(f"the demo failed: {failed}")
        return BAD
    if options.json:
        sys.stdout.write(json.dumps(summary.as_json()) + "\n")
    else:
        screen.show_summary(summary)
    return BAD if summary.problems else GOOD


async def _interruptible(performance: Coroutine[Any, Any, int]) -> int:
    """The performance, cancelled by the first signal; further ones do not disturb the clearing up."""
    loop, me, caught = asyncio.get_running_loop(), asyncio.current_task(), list[signal.Signals]()

    def interrupt(by: signal.Signals) -> None:
        if not caught and me is not None:
            me.cancel()
        caught.append(by)

    for one in SIGNALS:
        loop.add_signal_handler(one, interrupt, one)
    try:
        return await performance
    except asyncio.CancelledError:
        if not caught:
            raise
        _tell(f"stopped by {caught[0].name}; nothing is left running")
        return INTERRUPTED
    finally:
        for one in SIGNALS:
            loop.remove_signal_handler(one)
