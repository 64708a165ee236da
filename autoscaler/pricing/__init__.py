"""What a task costs: its size, the capacity that it runs on, and the list prices of AWS Fargate.

Prices are for reports only: no decision depends on them, and `core` does not import this package.
"""

from autoscaler.pricing.prices import (
    CONFIGURED,
    FREE_STORAGE_GB,
    HOURS_PER_MONTH,
    Architecture,
    Capacity,
    NoPrice,
    TaskPrice,
    TaskSize,
    configured,
    dollars,
    list_price,
    task_dollars,
)

__all__ = [
    "CONFIGURED",
    "FREE_STORAGE_GB",
    "HOURS_PER_MONTH",
    "Architecture",
    "Capacity",
    "NoPrice",
    "TaskPrice",
    "TaskSize",
    "configured",
    "dollars",
    "list_price",
    "task_dollars",
]
