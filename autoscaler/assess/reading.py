"""Read everything that an assessment needs from AWS, with as few calls as possible, and tolerate missing rights.

Only the list of services is required. Without the task definitions the size and the environment are unknown; without
CloudWatch nothing is known about the past. Each gap is named for the services that it concerns.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.assess.choosing import ChosenQueues, choose
from autoscaler.assess.recorded import (
    DAY_S,
    HOUR_S,
    LIVE,
    SAMPLES,
    TASKS_S,
    ServicePast,
    count_of_tasks,
    oldest,
    queue_metrics_of,
    summed,
    task_metrics,
)
from autoscaler.aws.operator import Survey, connect_operator
from autoscaler.aws.operator.survey import FoundDefinition, FoundService, Points, SeriesRequest, Span
from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.errors import AutoscalerError, NoCredentials
from autoscaler.operating.status import Uncounted
from autoscaler.ports import Place, QueueRef
from autoscaler.pricing import NoPrice, TaskPrice, configured, list_price
from autoscaler.sim.model import MINUTE_S

CALL_TIMEOUT_S = 20.0
"""One response may hold a full page of 100,800 datapoints."""

LATE_METRICS_S = 180.0
"""CloudWatch publishes a minute one to two minutes late: the newest ones would wrongly count as empty."""

Progress = Callable[[str, float], None]
"""Called with what is read, and the share that is done."""


class Wishes(NamedTuple):
    """What the user asks for. `queues`, `prices`: given for services by name; `price`: for all others (None: the list
    price).
    """

    cluster: str
    region: str | None
    days: int
    queues: Mapping[str, tuple[QueueRef, ...]]
    prices: Mapping[str, float]
    price: float | None = None


@dataclass(frozen=True, slots=True)
class ReadService:
    """A service with all that could be read. `recorded` None: no past; `gaps` says why, one sentence each."""

    found: FoundService
    chosen: ChosenQueues
    price: TaskPrice | NoPrice
    recorded: ServicePast | None
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadCluster:
    """`unknown`: names given by the user that are not services of the cluster. `calls`: AWS calls that were made."""

    cluster: str
    region: str
    span: Span
    services: tuple[ReadService, ...]
    unknown: tuple[str, ...]
    calls: int


class _CallCount(Uncounted):
    """The number of calls."""

    number = 0

    def made(self, *_: object, **__: object) -> None:
        self.number += 1


def read_cluster(wishes: Wishes, progress: Progress) -> ReadCluster:
    """Read the cluster. Raises `AutoscalerError` if its services cannot be listed."""
    return asyncio.run(_read(wishes, progress))


async def _read(wishes: Wishes, progress: Progress) -> ReadCluster:
    clock, calls = asyncio.get_running_loop().time, _CallCount()
    limiter = TokenBucketLimiter(clock, random.random)
    async with connect_operator(limiter, calls, clock, time.time, CALL_TIMEOUT_S) as operator:
        survey = operator.survey(Place(wishes.region))
        span = _span(time.time(), wishes.days)
        progress("listing services", 0.0)
        found = await survey.services(wishes.cluster)
        definitions = await _definitions(survey, found, lambda share: progress("reading task definitions", share))
        chosen = {one.name: _chosen(one, wishes, definitions.get(one.task_definition)) for one in found}
        requests = [request for one in found for request in _requests(wishes.cluster, one, chosen[one.name])]
        readings = _Readings(definitions, await _metrics(survey, wishes.cluster, requests, span, progress), span)
        services = tuple(_joined(one, chosen[one.name], wishes, readings) for one in found)
        known = {one.name for one in found}
        unknown = tuple(name for name in dict.fromkeys((*wishes.queues, *wishes.prices)) if name not in known)
        return ReadCluster(wishes.cluster, survey.region, span, services, unknown, calls.number)


def _span(now: float, days: int) -> Span:
    """Return the last whole hours: so that all series have whole periods and whole hours."""
    end = math.floor((now - LATE_METRICS_S) / HOUR_S) * HOUR_S
    return Span(end - days * DAY_S, end)


async def _definitions(
    survey: Survey, found: Sequence[FoundService], progress: Callable[[float], None]
) -> dict[str, FoundDefinition | AutoscalerError]:
    """Return the task definitions by ARN. A denial applies to all, so the rest is not requested."""
    arns = list(dict.fromkeys(one.task_definition for one in found if one.task_definition))
    answers: dict[str, FoundDefinition | AutoscalerError] = {}
    for done, arn in enumerate(arns):
        denial = next((each for each in answers.values() if _is_denial(each)), None)
        if denial is not None:
            answers[arn] = denial
            continue
        try:
            answers[arn] = await survey.definition(arn)
        except AutoscalerError as fault:
            answers[arn] = fault
        progress((done + 1) / len(arns))
    return answers


def _is_denial(answer: object) -> bool:
    return isinstance(answer, AutoscalerError) and answer.kind in {"denied", NoCredentials.kind}


def _chosen(
    service: FoundService, wishes: Wishes, definition: FoundDefinition | AutoscalerError | None
) -> ChosenQueues:
    environment = definition.environment if isinstance(definition, FoundDefinition) else ()
    return choose(wishes.queues.get(service.name, ()), service.tags, environment)


async def _metrics(
    survey: Survey, cluster: str, requests: Sequence[SeriesRequest], span: Span, progress: Progress
) -> Mapping[SeriesRequest, Points] | AutoscalerError:
    try:
        return await survey.series(cluster, requests, span, lambda share: progress("reading CloudWatch", share))
    except AutoscalerError as fault:
        return fault


def _requests(cluster: str, service: FoundService, chosen: ChosenQueues) -> Iterable[SeriesRequest]:
    for metric in task_metrics(cluster, service.name).values():
        yield SeriesRequest(metric, TASKS_S)
    for queue in chosen.queues:
        for metric, period_s in queue_metrics_of(queue):
            yield SeriesRequest(metric, period_s)


class _Readings(NamedTuple):
    """All answers of AWS; an error in place of what could not be read."""

    definitions: Mapping[str, FoundDefinition | AutoscalerError]
    metrics: Mapping[SeriesRequest, Points] | AutoscalerError
    span: Span


def _joined(service: FoundService, chosen: ChosenQueues, wishes: Wishes, readings: _Readings) -> ReadService:
    definition, gaps = readings.definitions.get(service.task_definition), list[str]()
    if isinstance(definition, AutoscalerError):
        gaps.append(f"size and environment unknown: {definition}")
    recorded = None
    if isinstance(readings.metrics, AutoscalerError):
        gaps.append(f"past unknown: {readings.metrics}")
    else:
        recorded, more = _recorded(wishes.cluster, service, chosen, readings.metrics, readings.span)
        gaps += more
    return ReadService(service, chosen, _price(service, wishes, definition), recorded, tuple(gaps))


def _price(
    service: FoundService, wishes: Wishes, definition: FoundDefinition | AutoscalerError | None
) -> TaskPrice | NoPrice:
    given = wishes.prices.get(service.name, wishes.price)
    if given is not None:
        return configured(given, "--task-price")
    remedy = f"pass --task-price {service.name}=DOLLARS"
    if isinstance(definition, FoundDefinition) and definition.size is not None:
        price = list_price(definition.size, service.providers)
        return price._replace(remedy=remedy) if isinstance(price, NoPrice) else price
    gap = definition.gap if isinstance(definition, FoundDefinition) else None
    return NoPrice(gap or "the task definition could not be read", remedy)


def _recorded(
    cluster: str, service: FoundService, chosen: ChosenQueues, metrics: Mapping[SeriesRequest, Points], span: Span
) -> tuple[ServicePast | None, list[str]]:
    """Return the past from the first whole hour with a datapoint on, and what is missing in it."""
    counts = {name: metrics[SeriesRequest(each, TASKS_S)] for name, each in task_metrics(cluster, service.name).items()}
    series = [[metrics[SeriesRequest(*each)] for each in queue_metrics_of(one)] for one in chosen.queues]
    seen = [min(each) for each in (*counts.values(), *(points for own in series for points in own)) if each]
    if not seen:
        return None, ["CloudWatch has no datapoint of its tasks and messages in this time"]
    start = max(span.start, math.floor(min(seen) / HOUR_S) * HOUR_S)
    size = round((span.end - start) / MINUTE_S)
    tasks = count_of_tasks(counts[LIVE], counts[SAMPLES], start, span.end, service.running)
    if tasks is None:
        return None, ["CloudWatch has no datapoint of its tasks in this time: no task ran, or the metrics are missing"]
    sent, deleted, ages, in_flight = ([own[at] for own in series] for at in range(4))
    gaps = [_unseen(queue) for queue, own in zip(chosen.queues, series, strict=True) if not any(own)]
    past = ServicePast(
        start,
        tasks,
        summed(sent, start, size),
        summed(deleted, start, size),
        oldest(ages, start, size),
        summed(in_flight, start, size * int(MINUTE_S) // TASKS_S, TASKS_S),
    )
    return past, gaps


def _unseen(queue: QueueRef) -> str:
    where = f" in account {queue.account}" if queue.account else ""
    return f"CloudWatch has no datapoint of queue {queue.name}{where}: unused, or of another account or Region"
