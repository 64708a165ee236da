"""The options of `simulate` for the simulated world: SQS, ECS and the workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from autoscaler.cli.kinds import Duration
from autoscaler.cli.loading import parsed

if TYPE_CHECKING:
    from autoscaler.sim.model import WorldSettings

Command = TypeVar("Command", bound=Callable[..., Any])

PERCENT = click.FloatRange(0, 100)

OPTIONS = (
    click.option("--start-up", default="lognormal:45:80", show_default=True, help="Time from launch to first receive."),
    click.option(
        "--victims",
        type=click.Choice(["idle", "random"]),
        default="idle",
        show_default=True,
        help="Tasks that a scale-in stops: only idle ones (scale-in protection), or random ones.",
    ),
    click.option(
        "--task-concurrency",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        help="Messages that a task processes at the same time.",
    ),
    click.option(
        "--configured-concurrency",
        type=click.IntRange(1, 1000),
        help="task_concurrency in the settings of the policies.  [default: that of the tasks]",
    ),
    click.option(
        "--prefetch",
        type=click.IntRange(0, 10_000),
        default=0,
        show_default=True,
        help="Further messages that a task receives into a buffer.",
    ),
    click.option(
        "--groups",
        type=click.IntRange(1, 100_000),
        help="The active message groups of a FIFO queue. [default: not FIFO]",
    ),
    click.option(
        "--receive-batch",
        type=click.IntRange(1, 10),
        default=1,
        show_default=True,
        help="Messages of a group that a FIFO receive returns at most.",
    ),
    click.option("--delete-on-receipt", is_flag=True, help="Workers delete a message before they process it."),
    click.option(
        "--poison-percent", type=PERCENT, default=0.0, show_default=True, help="Messages that are never deleted."
    ),
    click.option(
        "--max-receives",
        type=click.IntRange(1, 1000),
        help="Receives until a message moves to the dead-letter queue.  [default: no limit]",
    ),
    click.option(
        "--visibility-timeout",
        type=Duration(),
        default="150s",
        show_default=True,
        help="Time until a message that was not deleted is visible again.",
    ),
    click.option(
        "--duplicate-percent", type=PERCENT, default=0.0, show_default=True, help="Messages that SQS delivers twice."
    ),
    click.option(
        "--stop-timeout",
        type=Duration(),
        default="30s",
        show_default=True,
        help="Time from SIGTERM until a task is killed.",
    ),
    click.option(
        "--count-error-percent", type=PERCENT, default=0.0, show_default=True, help="Error of the counts of SQS."
    ),
    click.option("--count-lag", type=Duration(), default="0s", show_default=True, help="Age of the counts of SQS."),
    click.option(
        "--metrics-late",
        type=Duration(),
        default="60s",
        show_default=True,
        help="Time until CloudWatch publishes a minute.",
    ),
    click.option(
        "--launches-per-minute",
        type=click.IntRange(1, 100_000),
        default=500,
        show_default=True,
        help="ECS quota of launches of one service.",
    ),
    click.option(
        "--fault", "faults", multiple=True, metavar="KIND:START[:END][:NUMBER]", help="A fault, such as slow:1h:2h:3."
    ),
)
"""In the order of `--help`. The defaults are those of `WorldSettings`, which a test compares."""


def world_options(command: Command) -> Command:
    """Add the options of the world to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def world_of(options: dict[str, Any], chosen: Collection[str], base: WorldSettings) -> WorldSettings:
    """Return the world `base` with the chosen options. Faults are added. Raises `ValueError` with the remedy."""
    from autoscaler.sim.chance import StartUp  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.model import Victims  # noqa: PLC0415
    from autoscaler.sim.world.faults import parse_fault  # noqa: PLC0415

    fields: dict[str, tuple[str, Callable[[Any], object]]] = {
        "start_up": ("start_up", lambda text: parsed("--start-up", StartUp.parse, text)),
        "victims": ("victims", Victims),
        "task_concurrency": ("task_concurrency", int),
        "prefetch": ("prefetch", int),
        "groups": ("groups", lambda count: () if count is None else ((0.0, count),)),
        "receive_batch": ("receive_batch", int),
        "delete_on_receipt": ("delete_on_receipt", bool),
        "poison_percent": ("poison_ratio", _ratio),
        "max_receives": ("max_receives", lambda value: value),
        "visibility_timeout": ("visibility_timeout_s", float),
        "duplicate_percent": ("duplicate_ratio", _ratio),
        "stop_timeout": ("stop_timeout_s", float),
        "count_error_percent": ("count_error_ratio", _ratio),
        "count_lag": ("count_late_s", float),
        "metrics_late": ("metrics_late_s", float),
        "launches_per_minute": ("launches_per_minute", int),
        "faults": ("faults", lambda texts: (*base.faults, *(parsed("--fault", parse_fault, each) for each in texts))),
    }
    picked = {name: field for name, field in fields.items() if name in chosen}
    changed: dict[str, Any] = {field: convert(options[name]) for name, (field, convert) in picked.items()}
    world = replace(base, **changed)
    if world.poison_ratio and world.max_receives is None and not world.delete_on_receipt:
        raise ValueError("--poison-percent requires --max-receives: without a limit these messages return forever")
    return world


def _ratio(percent: float) -> float:
    return percent / 100


def described(service: str, world: WorldSettings, min_tasks: int, max_tasks: int) -> str:
    """Return the world in words. Settings that are rarely used appear only if they are not the default."""
    return "; ".join(
        [
            f"service {service}",
            f"start-up {world.start_up}, at least {world.start_up.least_s:g} s",
            f"{world.task_concurrency} at once",
            f"victims {world.victims}",
            f"stopTimeout {world.stop_timeout_s:g} s",
            *_special(world),
            f"{min_tasks} to {max_tasks} tasks",
            f"billed at least {world.least_billed_s:g} s a task",
        ]
    )


def _special(world: WorldSettings) -> Iterator[str]:
    from autoscaler.sim.model import WorldSettings  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.world.faults import fault_text  # noqa: PLC0415

    usual = WorldSettings()
    phrases = {
        "prefetch": f"prefetch {world.prefetch}",
        "groups": f"message groups {', '.join(str(count) for _, count in world.groups)}",
        "receive_batch": f"up to {world.receive_batch} messages per receive",
        "delete_on_receipt": "delete on receipt",
        "poison_ratio": f"poison {world.poison_ratio:.3g}",
        "max_receives": f"dead letter after {world.max_receives} receives",
        "visibility_timeout_s": f"visibility timeout {world.visibility_timeout_s:g} s",
        "duplicate_ratio": f"duplicates {world.duplicate_ratio:.3g}",
        "count_error_ratio": f"count error {world.count_error_ratio:.3g}",
        "count_late_s": f"counts {world.count_late_s:g} s old",
        "metrics_late_s": f"CloudWatch minutes {world.metrics_late_s:g} s late",
        "launches_per_minute": f"{world.launches_per_minute} launches a minute",
        "faults": f"faults {' '.join(map(fault_text, world.faults))}",
    }
    return (phrase for name, phrase in phrases.items() if getattr(world, name) != getattr(usual, name))
