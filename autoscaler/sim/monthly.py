"""The cost of a run per month: billed task-hours of the simulated time, scaled to 30 days, and their price."""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.core.figures import several
from autoscaler.pricing import HOURS_PER_MONTH, NoPrice, TaskPrice, dollars

HOUR_S = 3600.0


class MonthlyCost(NamedTuple):
    """Converts the task-hours of a load of `length_s` seconds. `price` as of one task; a `NoPrice`: no dollars."""

    length_s: float
    price: TaskPrice | NoPrice

    def task_hours(self, hours: float) -> float:
        """Return the task-hours of a month of 30 days with the same load."""
        return hours * HOURS_PER_MONTH * HOUR_S / self.length_s

    def dollars(self, hours: float) -> float | None:
        """Return the dollars of a month (None: the price is not known)."""
        if isinstance(self.price, NoPrice):
            return None
        return self.task_hours(hours) * self.price.dollars_per_hour

    def text(self, hours: float) -> str:
        """Format the amount of a month: `412 task-hours ($38.00)`, or without dollars if the price is not known."""
        amount = self.dollars(hours)
        shown = several(self.task_hours(hours), "task-hour")
        return shown if amount is None else f"{shown} ({dollars(amount)})"

    def as_json(self) -> dict[str, object]:
        """Return the price for JSON: the dollars of a task-hour with their basis, or why they are not known."""
        price = self.price
        if isinstance(price, NoPrice):
            return {"dollars_per_task_hour": None, "basis": price.text, "as_of": None, "source": None}
        return {
            "dollars_per_task_hour": price.dollars_per_hour,
            "basis": price.basis,
            "excluded": list(price.excluded),
            "as_of": None if price.as_of is None else price.as_of.isoformat(),
            "source": price.source,
        }
