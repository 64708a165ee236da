"""Read the evidence behind a diagnosis: task definitions, log tails, service deployments, subnets, quotas.

Every call only reads, and each of them is optional: what could not be read is said, with the permission that shows it.
Only what the causes call for is read, in at most 13 calls and `WHOLE_S` seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import DESCRIBE_TASK_DEFINITION, Api, Holder, Purpose, ResourceForm
from autoscaler.aws.container_logs import lines_in
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject
from autoscaler.aws.service_deployments import deployment_in, newest_in
from autoscaler.aws.stopped_tasks import gap
from autoscaler.diagnosis.definitions import STOP_TIMEOUT_S, ContainerDefinition, LogPlace, TaskDefinition
from autoscaler.diagnosis.evidence import (
    MOST_LINES,
    NO_ADDRESS,
    VCPU_QUOTAS,
    LogRequest,
    LogTail,
    Quota,
    ReadEvidence,
    ServiceDeployment,
    Subnet,
    causes_of,
    definitions_to_read,
    failing_groups,
    logs_to_read,
    wants_deployments,
)
from autoscaler.diagnosis.groups import StopGroup
from autoscaler.diagnosis.reports import NotSeen, ServiceReport, StoppedTasks
from autoscaler.errors import AutoscalerError, Denied, Garbled, NotFound, Unavailable
from autoscaler.ports import Category, Place, ServiceRef, Urgency

GET_LOG_EVENTS = Api(
    "logs:GetLogEvents", Category.LOG_READ, ResourceForm.LOG_STREAMS, Purpose.READ_CONTAINER_LOGS, Holder.COMMAND
)
LIST_SERVICE_DEPLOYMENTS = Api(
    "ecs:ListServiceDeployments",
    Category.DEPLOYMENT_READ,
    ResourceForm.SERVICE,
    Purpose.LIST_DEPLOYMENTS,
    Holder.COMMAND,
)
DESCRIBE_SERVICE_DEPLOYMENTS = Api(
    "ecs:DescribeServiceDeployments",
    Category.DEPLOYMENT_READ,
    ResourceForm.SERVICE_DEPLOYMENTS,
    Purpose.READ_DEPLOYMENTS,
    Holder.COMMAND,
)
DESCRIBE_SUBNETS = Api(
    "ec2:DescribeSubnets", Category.SUBNET_READ, ResourceForm.ANY, Purpose.READ_SUBNETS, Holder.COMMAND
)
GET_SERVICE_QUOTA = Api(
    "servicequotas:GetServiceQuota",
    Category.QUOTA_READ,
    ResourceForm.FARGATE_QUOTAS,
    Purpose.READ_QUOTAS,
    Holder.COMMAND,
)
EVIDENCE_CALLS = (
    GET_LOG_EVENTS,
    LIST_SERVICE_DEPLOYMENTS,
    DESCRIBE_SERVICE_DEPLOYMENTS,
    DESCRIBE_SUBNETS,
    GET_SERVICE_QUOTA,
)

WHOLE_S = 15.0
"""The limit for all evidence together. What was read until then is used."""

FEW_LINES = 2
"""Lines that are requested if the answer with `MOST_LINES` was too large: one line can have 1 MB."""

MOST_SUBNETS, MOST_CACHED = 20, 1_000
"""Subnets that are read: ECS allows 16 for a service. Task definitions that are kept: one never changes."""

ON_DEMAND, SPOT = "L-3032A538", "L-36FBB829"
"""Codes of the quotas of Fargate vCPUs."""


class EvidenceReader:
    """`holder`: whose credentials the calls have, for the remedy if one is denied."""

    def __init__(self, caller: Caller, holder: Holder = Holder.COMMAND) -> None:
        self._caller = caller
        self._holder = holder
        self._definitions: dict[tuple[str | None, str], TaskDefinition] = {}

    async def read(
        self, service: ServiceRef, state: ServiceReport | None, stopped: StoppedTasks, now: float
    ) -> ReadEvidence:
        """Return the evidence for the causes that are found in what was read. `now` in seconds since the epoch. Never
        raises `AutoscalerError`.
        """
        found = _Found(service)
        try:
            async with asyncio.timeout(WHOLE_S):
                await self._all(service, state, stopped, now, found)
        except TimeoutError:
            late = Unavailable(f"{service_subject(service)}: reading the evidence took longer than {WHOLE_S:g} s")
            found.gaps.append(gap("some of the evidence", late))
        return found.evidence

    async def _all(
        self, service: ServiceRef, state: ServiceReport | None, stopped: StoppedTasks, now: float, found: _Found
    ) -> None:
        groups = failing_groups(state, stopped, found.definitions, now)
        await self._read_definitions(service, definitions_to_read(groups), found)
        groups = failing_groups(state, stopped, found.definitions, now)
        await self._read_logs(service, groups, found)
        if wants_deployments(state, groups):
            await found.reading("deployments in detail", self._read_deployments(service, found), EVERY_DEPLOYMENT)
        causes = causes_of(state, groups, now)
        if state is not None and state.subnets and causes & NO_ADDRESS:
            subnets = state.subnets[:MOST_SUBNETS]
            await found.reading("free addresses", self._read_subnets(service, subnets, found), [DESCRIBE_SUBNETS])
        if causes & VCPU_QUOTAS:
            is_spot = state is not None and state.providers == ("FARGATE_SPOT",)
            code = SPOT if is_spot else ON_DEMAND
            await found.reading("the quota", self._read_quota(service, code, found), [GET_SERVICE_QUOTA])

    async def _read_definitions(self, service: ServiceRef, names: Sequence[str], found: _Found) -> None:
        for name in names:
            what = f"the task definition {name} (essential containers, logs)"
            if not await found.reading(what, self._read_definition(service, name, found), [DESCRIBE_TASK_DEFINITION]):
                return

    async def _read_definition(self, service: ServiceRef, name: str, found: _Found) -> None:
        key = service.region, name
        if key not in self._definitions:
            answer = await self._ask(DESCRIBE_TASK_DEFINITION, service, taskDefinition=name)
            self._definitions[key] = definition_in(answer.part("taskDefinition"), name)
            if len(self._definitions) > MOST_CACHED:
                del self._definitions[next(iter(self._definitions))]
        found.definitions[name] = self._definitions[key]

    async def _read_logs(self, service: ServiceRef, groups: Sequence[StopGroup], found: _Found) -> None:
        for request in logs_to_read(groups, found.definitions):
            region = request.place.region or service.region or self._caller.region()
            if request.note:
                found.logs.append(LogTail(request, region, (), request.note))
                continue
            what = f"the log of container {request.container}"
            if not await found.reading(what, self._read_log(service, request, region, found), [GET_LOG_EVENTS]):
                return

    async def _read_log(self, service: ServiceRef, request: LogRequest, region: str, found: _Found) -> None:
        try:
            events = await self._tail(service, request, region)
        except NotFound as fault:
            what = "group" if "group" in str(fault).lower() else "stream"
            why = "the container wrote nothing, or never started" if what == "stream" else "it was never created"
            found.logs.append(LogTail(request, region, (), f"there is no such log {what}: {why}"))
            return
        lines = lines_in(events)
        note = "" if lines else "the log stream is empty"
        if request.place.may_lose:
            lost = "the log mode is not set to blocking, so the newest lines can be missing"
            note = f"{note}; {lost}" if note else lost
        found.logs.append(LogTail(request, region, lines, note))

    async def _tail(self, service: ServiceRef, request: LogRequest, region: str) -> tuple[ResponsePart, ...]:
        """Return the newest events, in at most two calls: CloudWatch may return an empty page before the last one."""
        place = Place(region)
        named = {"logGroupName": request.place.group, "logStreamName": request.stream, "startFromHead": False}
        try:
            answer = await self._ask(GET_LOG_EVENTS, service, place, limit=MOST_LINES, **named)
        except Garbled:
            answer = await self._ask(GET_LOG_EVENTS, service, place, limit=FEW_LINES, **named)
            return answer.parts_if_any("events")
        events = answer.parts_if_any("events")
        if not events and answer.has("nextBackwardToken"):
            token = answer.word("nextBackwardToken")
            answer = await self._ask(GET_LOG_EVENTS, service, place, limit=MOST_LINES, nextToken=token, **named)
            events = answer.parts_if_any("events")
        return events

    async def _read_deployments(self, service: ServiceRef, found: _Found) -> None:
        listed = await self._ask(
            LIST_SERVICE_DEPLOYMENTS, service, cluster=service.cluster, service=service.service, maxResults=20
        )
        arns = newest_in(listed)
        if arns:
            answer = await self._ask(DESCRIBE_SERVICE_DEPLOYMENTS, service, serviceDeploymentArns=arns)
            each = [deployment_in(one) for one in answer.parts_if_any("serviceDeployments")]
            found.deployments += sorted(each, key=lambda one: -(one.began or 0.0))

    async def _read_subnets(self, service: ServiceRef, subnets: Sequence[str], found: _Found) -> None:
        answer = await self._ask(DESCRIBE_SUBNETS, service, SubnetIds=list(subnets))
        for one in answer.parts_if_any("Subnets"):
            zone = clean(one.word_or("AvailabilityZone", "zone unknown"))
            found.subnets.append(Subnet(clean(one.word("SubnetId")), zone, one.count("AvailableIpAddressCount")))

    async def _read_quota(self, service: ServiceRef, code: str, found: _Found) -> None:
        answer = await self._ask(GET_SERVICE_QUOTA, service, ServiceCode="fargate", QuotaCode=code)
        quota = answer.part("Quota")
        value = quota.body.get("Value")
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise quota.unreadable("Value", "a number", value)
        found.quotas.append(Quota(clean(quota.word_or("QuotaName", code)), float(value)))

    async def _ask(
        self, api: Api, service: ServiceRef, place: Place | None = None, /, **parameters: object
    ) -> ResponsePart:
        if place is None:
            place = Place(service.region) if self._holder is Holder.COMMAND else service.place
        row = api._replace(holder=self._holder)
        return await self._caller.ask(row, service_subject(service), place, Urgency.BACKGROUND, **parameters)


EVERY_DEPLOYMENT = (LIST_SERVICE_DEPLOYMENTS, DESCRIBE_SERVICE_DEPLOYMENTS)


class _Found:
    """What was read so far."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self.definitions: dict[str, TaskDefinition] = {}
        self.logs: list[LogTail] = []
        self.deployments: list[ServiceDeployment] = []
        self.subnets: list[Subnet] = []
        self.quotas: list[Quota] = []
        self.gaps: list[NotSeen] = []

    async def reading(self, what: str, read: Awaitable[None], calls: Sequence[Api]) -> bool:
        """Await one reading. An error becomes a gap. Return whether more of the kind can be read."""
        try:
            await read
        except AutoscalerError as fault:
            self.gaps.append(gap(what, fault, *calls))
            return not isinstance(fault, Denied)
        return True

    @property
    def evidence(self) -> ReadEvidence:
        return ReadEvidence(
            self.definitions,
            tuple(self.logs),
            tuple(self.deployments),
            tuple(self.subnets),
            tuple(self.quotas),
            tuple(self.gaps),
        )


# The containers of a task definition.


def definition_in(found: ResponsePart, name: str) -> TaskDefinition:
    """Return the containers with their logs, needs and limits. Raises `Unreadable`."""
    platform = found.part("runtimePlatform") if found.has("runtimePlatform") else None
    architecture = "" if platform is None else clean(platform.word_or("cpuArchitecture", ""))
    return TaskDefinition(
        name,
        tuple(map(_container, found.parts("containerDefinitions"))),
        _number(found, "memory"),
        architecture,
    )


def _container(found: ResponsePart) -> ContainerDefinition:
    needs = found.parts_if_any("dependsOn")
    return ContainerDefinition(
        clean(found.word("name"), 255),
        clean(found.word_or("image", ""), 255),
        not found.has("essential") or found.flag("essential"),
        tuple((clean(one.word("containerName"), 255), clean(one.word("condition"))) for one in needs),
        found.count("memory") if found.has("memory") else None,
        float(found.count("stopTimeout")) if found.has("stopTimeout") else STOP_TIMEOUT_S,
        _log_place(found.part("logConfiguration")) if found.has("logConfiguration") else None,
        found.has("firelensConfiguration"),
    )


MOST_OPTION = 512
"""Characters of a name of a log group or stream."""


def _log_place(found: ResponsePart) -> LogPlace:
    options = found.part("options") if found.has("options") else ResponsePart(found.call, {})
    names = ("awslogs-group", "awslogs-region", "awslogs-stream-prefix")
    group, region, prefix = (
        options.word_or(name, "")[:MOST_OPTION] if options.body.get(name) else "" for name in names
    )
    may_lose = options.body.get("mode") != "blocking"
    return LogPlace(clean(found.word("logDriver")), group, region, prefix, may_lose)


def _number(found: ResponsePart, name: str) -> int | None:
    """Return the task's memory in MiB (None: not given, or in another form)."""
    text = found.word_or(name, "") if found.body.get(name) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
