"""`diagnose KEY`: reads a service and its stopped tasks, and returns the diagnosis."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from autoscaler.aws.operator import Operator
from autoscaler.aws.stopped_tasks import not_seen
from autoscaler.diagnosis.concluding import Diagnosis, concluded
from autoscaler.diagnosis.evidence import NO_EVIDENCE, ReadEvidence
from autoscaler.diagnosis.reports import ServiceReport, StoppedTasks
from autoscaler.errors import AutoscalerError, Throttled, Unavailable
from autoscaler.findings import FINDINGS, REFUSED, UNREACHABLE
from autoscaler.operating.status import operator
from autoscaler.ports import ServiceRef


class Examined(NamedTuple):
    """The diagnosis, and the exit code of the command."""

    diagnosis: Diagnosis
    code: int


def examine(service: ServiceRef) -> Examined:
    """Read the service and its stopped tasks, and return the result. Raises no `AutoscalerError`."""
    return asyncio.run(_examined(service))


async def _examined(service: ServiceRef) -> Examined:
    async with operator() as aws:
        return await examined(service, aws)


async def examined(service: ServiceRef, aws: Operator) -> Examined:
    """Read over these connections, and return the result."""
    read, stopped = await aws.tasks.examined(service)
    state, now = read if isinstance(read, ServiceReport) else None, time.time()
    evidence = await aws.evidence.read(service, state, stopped, now)
    return result_of(read, stopped, now, evidence)


def result_of(
    read: ServiceReport | AutoscalerError,
    stopped: StoppedTasks,
    now: float,
    evidence: ReadEvidence = NO_EVIDENCE,
) -> Examined:
    """Return the result of what was read. `now` in seconds since the epoch."""
    found = concluded(read, stopped, tuple(not_seen(read, stopped)), now, evidence)
    if found.is_blank:
        gone = any(isinstance(fault, Unavailable | Throttled) for fault in (read, stopped.fault))
        return Examined(found, UNREACHABLE if gone else REFUSED)
    return Examined(found, FINDINGS if found.findings else 0)
