"""Named faults in the answers about one service or its queue. The answers about all others stay correct.

A call about one resource can fail in every way that a connection can fail. In an answer about several resources
(DescribeServices, GetMetricData), a poison changes only the service's own part. Two poisons refuse the whole call
because of one of its members, as AWS itself does (`REFUSES_ALL`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from tests.fakeaws.cbor import Stamp
from tests.fakeaws.faults import FakeFault, FakeFaults, changed, raw, refused, sent, skewed, with_fields, without
from tests.fakeaws.replies import Manner

COUNTS, QUEUE_URL, SERVICES, MINUTES = "GetQueueAttributes", "GetQueueUrl", "DescribeServices", "GetMetricData"
UPDATE, TARGETS, TASKS, PROTECTION = "UpdateService", "DescribeScalableTargets", "ListTasks", "GetTaskProtection"

OF_QUEUES = {COUNTS, QUEUE_URL}
VISIBLE = "ApproximateNumberOfMessages"
BIG = 10 * 2**20
HUGE = 10**30
DRIP_S = 0.2


class Poison(NamedTuple):
    """A fault of one operation. `of_queue`: it changes the metrics of the queue instead of the service."""

    operation: str
    fault: FakeFault
    of_queue: bool = False


def _count(value: object) -> FakeFault:
    return with_fields(Attributes={VISIBLE: value, f"{VISIBLE}NotVisible": "0", f"{VISIBLE}Delayed": "0"})


def _one_minute(value: object, *more: object) -> FakeFault:
    """A datapoint with this value, and further values without a timestamp."""
    return changed(lambda part: part | {"Timestamps": [Stamp(1_800_000_000.0)], "Values": [value, *more]})


def _in_tag(part: dict[str, object]) -> dict[str, object]:
    return part | {"tags": [{"key": "autoscaler:paused", "value": "x" * 100_000}, {"key": 7}]}


def _over_again(answer: dict[str, object]) -> dict[str, object]:
    """The next page is always the first page again."""
    return answer | {"NextToken": "0"}


_PADDED = raw(b'{"Attributes":{"' + VISIBLE.encode() + b'":"' + b" " * BIG + b'"}}')
_EVENT = {"id": "1", "message": "unable to place a task " + "x" * BIG, "createdAt": Stamp(1_800_000_000.0)}

POISONS: Mapping[str, Poison] = {
    # the queue: calls about one queue
    "counts_hang": Poison(COUNTS, sent(Manner.HANG)),
    "counts_drip": Poison(COUNTS, sent(Manner.DRIP, DRIP_S)),
    "counts_late": Poison(COUNTS, sent(Manner.WHOLE, 30.0)),
    "counts_reset": Poison(COUNTS, sent(Manner.RESET)),
    "counts_cut_halfway": Poison(COUNTS, sent(Manner.CUT)),
    "counts_500": Poison(COUNTS, refused("InternalError", status=500)),
    "counts_503": Poison(COUNTS, refused("ServiceUnavailable", status=503)),
    "counts_denied": Poison(COUNTS, refused("AccessDeniedException", status=403)),
    "counts_throttled": Poison(COUNTS, refused("RequestThrottled", query="RequestThrottled")),
    "counts_clock_skewed": Poison(COUNTS, skewed(3600.0)),
    "counts_of_no_queue": Poison(COUNTS, refused("QueueDoesNotExist", query="AWS.SimpleQueueService.NonExistentQueue")),
    "counts_half_json": Poison(COUNTS, raw(b'{"Attributes":{"Approx')),
    "counts_html": Poison(COUNTS, raw(b"<html>proxy</html>", 200, "text/html")),
    "counts_no_utf8": Poison(COUNTS, raw(b"\xff\xfe\x00{")),
    "counts_a_list": Poison(COUNTS, raw(b"[]")),
    "counts_nested": Poison(COUNTS, raw(b'{"Attributes":' * 100_000)),
    "counts_10_mb": Poison(COUNTS, _PADDED),
    "counts_nan": Poison(COUNTS, _count("NaN")),
    "counts_huge": Poison(COUNTS, _count(str(HUGE))),
    "counts_4300_digits": Poison(COUNTS, _count("9" * 5000)),
    "counts_negative": Poison(COUNTS, _count("-1")),
    "counts_a_number": Poison(COUNTS, _count(3)),
    "counts_missing": Poison(COUNTS, without("Attributes")),
    "counts_null": Poison(COUNTS, with_fields(Attributes=None)),
    "url_hangs": Poison(QUEUE_URL, sent(Manner.HANG)),
    "url_elsewhere": Poison(QUEUE_URL, with_fields(QueueUrl="http://[bad")),
    "url_missing": Poison(QUEUE_URL, without("QueueUrl")),
    # the service's own part of an answer about several services
    "service_no_counts": Poison(SERVICES, without("desiredCount", "runningCount")),
    "service_nan": Poison(SERVICES, with_fields(desiredCount=float("nan"))),
    "service_huge": Poison(SERVICES, with_fields(runningCount=HUGE)),
    "service_negative": Poison(SERVICES, with_fields(pendingCount=-1)),
    "service_text_for_count": Poison(SERVICES, with_fields(desiredCount="two")),
    "service_no_name": Poison(SERVICES, without("serviceName")),
    "service_null": Poison(SERVICES, changed(lambda _: None)),
    "service_a_text": Poison(SERVICES, changed(lambda _: "service")),
    "service_draining": Poison(SERVICES, with_fields(status="DRAINING")),
    "service_daemon": Poison(SERVICES, with_fields(schedulingStrategy="DAEMON")),
    "service_deployments_null": Poison(SERVICES, with_fields(deployments=[None, {"status": 1}])),
    "service_times_of_year_0": Poison(SERVICES, with_fields(deployments=[{"status": "PRIMARY", "createdAt": -1e300}])),
    "service_event_10_mb": Poison(SERVICES, with_fields(events=[_EVENT])),
    "service_bad_tags": Poison(SERVICES, changed(_in_tag)),
    "service_denied": Poison(SERVICES, refused("AccessDeniedException", "not authorized")),
    "service_bad_arn": Poison(SERVICES, refused("InvalidParameterException", "Invalid identifier")),
    # the metrics of the service and its queue, in answers about several metrics
    "minutes_nan": Poison(MINUTES, _one_minute(float("nan"))),
    "minutes_infinite": Poison(MINUTES, _one_minute(float("inf"))),
    "minutes_negative": Poison(MINUTES, _one_minute(-1.0)),
    "minutes_unequal": Poison(MINUTES, _one_minute(1.0, 2.0)),
    "minutes_internal_error": Poison(MINUTES, with_fields(StatusCode="InternalError", Timestamps=[], Values=[])),
    "minutes_forbidden": Poison(MINUTES, with_fields(StatusCode="Forbidden", Timestamps=[], Values=[])),
    "minutes_never_complete": Poison(MINUTES, with_fields(StatusCode="PartialData")),
    "minutes_endless": Poison(MINUTES, replace(with_fields(StatusCode="PartialData"), whole=_over_again)),
    "minutes_without_values": Poison(MINUTES, without("Values")),
    "minutes_of_a_queue_nan": Poison(MINUTES, _one_minute(float("nan")), of_queue=True),
    # other calls about one service
    "update_hangs": Poison(UPDATE, sent(Manner.HANG)),
    "update_denied": Poison(UPDATE, refused("AccessDeniedException", status=400)),
    "update_another_count": Poison(
        UPDATE, changed(lambda part: {"service": part["service"] | {"desiredCount": 10**6}})
    ),
    "update_no_service": Poison(UPDATE, without("service")),
    "targets_endless": Poison(TARGETS, with_fields(NextToken="0")),
    "targets_hang": Poison(TARGETS, sent(Manner.HANG)),
    "tasks_endless": Poison(TASKS, with_fields(nextToken="0")),
    "protection_missing": Poison(PROTECTION, with_fields(protectedTasks=[])),
}

REFUSES_ALL = {"service_denied", "service_bad_arn"}
"""Every call that includes that service is refused; calls without it succeed."""


def poison(faults: FakeFaults, name: str, service: str, queue: str) -> None:
    """Apply the named poison to the answers about that service or its queue, until `heal`."""
    operation, fault, of_queue = POISONS[name]
    faults.script(operation, fault, queue if of_queue or operation in OF_QUEUES else service)
