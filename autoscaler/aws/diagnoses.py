"""The daemon's diagnosis of a service: DescribeServices, ListTasks and DescribeTasks of one page of stopped tasks."""

from __future__ import annotations

import asyncio

from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import Holder
from autoscaler.aws.clients import Clocks
from autoscaler.aws.stopped_tasks import TaskReader, not_seen
from autoscaler.diagnosis.concluding import Diagnosis, concluded
from autoscaler.diagnosis.delivered import DeliveredEvidence
from autoscaler.diagnosis.reports import ServiceReport
from autoscaler.ports import ServiceRef


class EcsDiagnoses:
    """Reads with the daemon's credentials, or the role of the service, and the lowest priority."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._reader = TaskReader(caller, Holder.DAEMON)
        self._wall = clocks.wall

    async def diagnose(self, service: ServiceRef, delivered: DeliveredEvidence) -> Diagnosis:
        """See `DiagnosisPort`."""
        read, stopped = await self._reader.examined(service)
        gaps = tuple(not_seen(read, stopped, Holder.DAEMON))
        if isinstance(read, ServiceReport):
            read = read._replace(events=delivered.with_events(read.events))
        # in a thread: a hundred events and thirty tasks take 20 ms, in which other services can be polled
        return await asyncio.to_thread(concluded, read, delivered.added_to(stopped), gaps, self._wall())
