"""The price of one task for one hour: Fargate's list price of its size, or the setting `task_price`.

A price that is not known is a `NoPrice` with the reason and the remedy. It is never zero, and never a guess.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

HOURS_PER_MONTH = 720.0
"""A month of 30 days, as in the examples of AWS's pricing page."""

FREE_STORAGE_GB = 20.0
"""Ephemeral storage that is included in the price of a Fargate task."""

REMEDY = "set task_price to the dollars that one task costs per hour"

CONFIGURED = "the setting task_price"


class Architecture(StrEnum):
    X86 = "x86"
    ARM = "arm"


class Capacity(StrEnum):
    """A capacity provider or launch type that has a list price."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"


PROVIDERS = {"FARGATE": Capacity.ON_DEMAND, "FARGATE_SPOT": Capacity.SPOT}
"""ECS's names of the launch type and the capacity providers. Any other one is capacity of EC2 or outside of AWS."""


@dataclass(frozen=True, slots=True)
class TaskSize:
    """What a task definition reserves for a task: vCPUs and GB (1 GB = 1,024 MiB). `region`: where it runs.

    `storage_gb`: ephemeral storage; 20 GB are free.
    """

    region: str
    vcpu: float
    memory_gb: float
    architecture: Architecture = Architecture.X86
    windows: bool = False
    storage_gb: float = FREE_STORAGE_GB

    @property
    def text(self) -> str:
        return f"{self.vcpu:g} vCPU, {self.memory_gb:g} GB"

    @property
    def platform(self) -> str:
        """The system and the processor, as ECS names them."""
        processor = "ARM64" if self.architecture is Architecture.ARM else "X86_64"
        return f"{'Windows' if self.windows else 'Linux'} on {processor}"


@dataclass(frozen=True, slots=True)
class TaskPrice:
    """Dollars of one task for one hour. `basis`: how it was obtained, in a few words. `excluded`: what it does not
    include, one phrase each. `as_of`, `source`: date and URL of a list price (None: configured).
    """

    dollars_per_hour: float
    basis: str
    excluded: tuple[str, ...] = ()
    as_of: date | None = None
    source: str | None = None

    @property
    def text(self) -> str:
        """The price with its basis as one phrase."""
        left_out = f"; without {' and '.join(self.excluded)}" if self.excluded else ""
        return f"{task_dollars(self.dollars_per_hour)} per task and hour ({self.basis}{left_out})"


class NoPrice(NamedTuple):
    """Why the price is not known, and what to do."""

    reason: str
    remedy: str = REMEDY

    @property
    def text(self) -> str:
        return f"{self.reason}; {self.remedy}"


class _Rate(NamedTuple):
    """A row of the table: dollars per vCPU-hour and per GB-hour."""

    vcpu: float
    memory_gb: float
    as_of: date
    source: str


def configured(dollars_per_hour: float, basis: str = CONFIGURED) -> TaskPrice:
    """Return a price that the user gives. `basis`: the setting or option."""
    return TaskPrice(dollars_per_hour, basis)


def list_price(size: TaskSize, providers: Mapping[str, float]) -> TaskPrice | NoPrice:
    """Return Fargate's list price. `providers`: ECS's names of the launch type or the capacity providers with their
    weights; with several, the price is the mean by weight.
    """
    if size.windows:
        return NoPrice("the task runs Windows, whose license is charged separately")
    shares = _shares(providers)
    if not shares:
        return NoPrice("ECS did not return a launch type or capacity provider")
    other = next((name for name in shares if name not in PROVIDERS), None)
    if other is not None:
        return NoPrice(f"the task runs on {other}, not on Fargate: its price depends on the instances")
    rates = {name: _rates().get((size.architecture, PROVIDERS[name], size.region)) for name in shares}
    known = {name: rate for name, rate in rates.items() if rate is not None}
    if len(known) < len(rates):
        missing = next(name for name in rates if name not in known)
        return NoPrice(f"this version has no list price of {_kind(size, missing)} in {size.region}")
    return TaskPrice(
        sum(shares[name] * (size.vcpu * rate.vcpu + size.memory_gb * rate.memory_gb) for name, rate in known.items()),
        _basis(size, shares, min(rate.as_of for rate in known.values())),
        _excluded(size),
        min(rate.as_of for rate in known.values()),
        next(iter(known.values())).source,
    )


def _shares(providers: Mapping[str, float]) -> dict[str, float]:
    """Return the share of each provider that gets tasks. If no provider has a weight, all tasks use the first one."""
    weighted = {name: weight for name, weight in providers.items() if weight > 0}
    chosen = weighted or dict.fromkeys(list(providers)[:1], 1.0)
    total = sum(chosen.values())
    return {name: weight / total for name, weight in chosen.items()}


def _kind(size: TaskSize, provider: str) -> str:
    spot = " Spot" if PROVIDERS[provider] is Capacity.SPOT else ""
    return f"Fargate{spot} {'Arm' if size.architecture is Architecture.ARM else 'x86'}"


def _basis(size: TaskSize, shares: Mapping[str, float], as_of: date) -> str:
    kinds = [_kind(size, name) + (f" {share:.0%}" if len(shares) > 1 else "") for name, share in shares.items()]
    return f"{size.text}, {' and '.join(kinds)} in {size.region}, list price of {as_of}"


def _excluded(size: TaskSize) -> tuple[str, ...]:
    more = size.storage_gb - FREE_STORAGE_GB
    return (f"{more:g} GB of ephemeral storage above {FREE_STORAGE_GB:g} GB",) if more > 0 else ()


@cache
def _rates() -> Mapping[tuple[Architecture, Capacity, str], _Rate]:
    """Return the rows of the table. It is read once, when a list price is first needed."""
    text = files("autoscaler.pricing").joinpath("fargate.toml").read_text(encoding="utf-8")
    rates: dict[tuple[Architecture, Capacity, str], _Rate] = {}
    for table in tomllib.loads(text)["tables"]:
        architecture, capacity = Architecture(table["architecture"]), Capacity(table["capacity"])
        for region, (vcpu, memory_gb) in table["regions"].items():
            rates[architecture, capacity, region] = _Rate(vcpu, memory_gb, table["as_of"], table["source"])
    return rates


def dollars(amount: float) -> str:
    """Format an amount for people: cents below $100, whole dollars from there on; $0 only for exactly 0."""
    size = abs(amount)
    sign = "-" if amount < 0 else ""
    if size == 0:
        return "$0"
    if size < 0.005:
        return "less than $0.01" if amount > 0 else "more than -$0.01"
    return f"{sign}${size:,.0f}" if size >= 99.995 else f"{sign}${size:.2f}"


def task_dollars(price: float) -> str:
    """Format a price per task and hour with four significant digits: `$0.04937`."""
    return f"${price:.4g}" if price < 1000 else f"${price:,.0f}"
