"""The options that say what a task costs: `--task-price`, or `--task-size` with `--region`."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import click

from autoscaler.config.addresses import REGION
from autoscaler.pricing import Architecture, NoPrice, TaskPrice, TaskSize, configured, list_price

Command = TypeVar("Command", bound=Any)


class TaskShape(NamedTuple):
    """The size of a Fargate task, and ECS's name of its capacity provider."""

    vcpu: float
    memory_gb: float
    architecture: Architecture = Architecture.X86
    provider: str = "FARGATE"


ASSUMED_SHAPE, ASSUMED_REGION = TaskShape(1.0, 2.0), "us-east-1"
"""The task if none is given: a usual size of workers, in the Region of AWS's own examples."""

MOST_DOLLARS = 1e6

_SIZE = re.compile(r"(\d{1,4}(?:\.\d{1,4})?):(\d{1,5}(?:\.\d{1,4})?)(:arm)?(:spot)?", re.ASCII)


class TaskPriceType(click.ParamType[float]):
    """Dollars of one task for one hour, above 0."""

    name = "dollars"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            price = float(str(value).strip().removeprefix("$"))
        except ValueError:
            price = -1.0
        if not 0 < price <= MOST_DOLLARS:
            self.fail(
                f"{str(value)[:20]!r} is not a price above 0, such as 0.05 (dollars per task and hour)", param, ctx
            )
        return price


LEAST_GB_PER_VCPU, MOST_GB_PER_VCPU = 2.0, 8.0
"""Every size of Fargate, from 0.25 to 16 vCPUs, is within this range (Task CPU and memory, ECS Developer Guide)."""


class TaskSizeType(click.ParamType[TaskShape]):
    """The size of a Fargate task: vCPUs and GB, and whether it runs on Arm and on Spot."""

    name = "vCPU:GB[:arm][:spot]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TaskShape:
        if isinstance(value, TaskShape):
            return value
        found = _SIZE.fullmatch(str(value).strip())
        if found is None or float(found[1]) <= 0 or float(found[2]) <= 0:
            self.fail(f"{str(value)[:40]!r} is not a task size, such as 0.5:1 or 1:2:arm", param, ctx)
        if not LEAST_GB_PER_VCPU <= float(found[2]) / float(found[1]) <= MOST_GB_PER_VCPU:
            self.fail(
                f"{str(value)[:40]!r} is no size of Fargate, which has {LEAST_GB_PER_VCPU:g} to {MOST_GB_PER_VCPU:g} "
                "GB per vCPU; pass --task-price for other tasks",
                param,
                ctx,
            )
        architecture = Architecture.ARM if found[3] else Architecture.X86
        return TaskShape(float(found[1]), float(found[2]), architecture, "FARGATE_SPOT" if found[4] else "FARGATE")


class RegionType(click.ParamType[str]):
    """An AWS Region."""

    name = "region"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not REGION.fullmatch(str(value)):
            self.fail(f"{str(value)[:40]!r} is not a Region, such as eu-west-1", param, ctx)
        return str(value)


OPTIONS = (
    click.option(
        "--task-price",
        type=TaskPriceType(),
        envvar="AUTOSCALER_TASK_PRICE",
        help="Dollars of one task for one hour.  [default: Fargate's list price of --task-size]",
    ),
    click.option("--task-size", type=TaskSizeType(), help="Size of a Fargate task.  [default: 1:2, assumed]"),
    click.option(
        "--region",
        type=RegionType(),
        help=f"Region of the list price.  [default: AWS_REGION, otherwise {ASSUMED_REGION}]",
    ),
)


def price_options(command: Command) -> Command:
    """Add the options of the price to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def price_of(options: dict[str, Any]) -> TaskPrice | NoPrice:
    """Return the price of the options. A size that was not given is marked as assumed."""
    if options["task_price"] is not None:
        return configured(options["task_price"], "--task-price")
    region = options["region"] or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    shape: TaskShape = options["task_size"] or ASSUMED_SHAPE
    size = TaskSize(region or ASSUMED_REGION, shape.vcpu, shape.memory_gb, shape.architecture)
    price = list_price(size, {shape.provider: 1.0})
    if isinstance(price, NoPrice):
        return price._replace(remedy="pass --task-price with the dollars that one task costs per hour")
    return price if options["task_size"] is not None else replace(price, basis=f"assumed: {price.basis}")
