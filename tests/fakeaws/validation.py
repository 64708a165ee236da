"""A request is as the SDK's own model of the service has it, and an UpdateService changes the count, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.session import Session
from botocore.validate import ParamValidator

CHANGES = {"UpdateService": {"cluster", "service", "desiredCount"}}
"""What a change must carry, and no more: any other parameter would start a deployment."""

MOST = {
    "DescribeServices": ("services", 10),
    "GetTaskProtection": ("tasks", 100),
    "GetMetricData": ("MetricDataQueries", 500),
}
"""The longest list that an operation takes, of that parameter. The SDK does not look at it."""

MOST_RESULTS = 100


def problems(service: str, operation: str, asked: dict[str, Any]) -> list[str]:
    """What is wrong with a request, each in a sentence; none: it is as documented."""
    shape = _model(service, operation).input_shape
    assert shape is not None, "every operation that is used here has an input"
    return [
        *_of_model(shape, asked),
        *_not_listed(shape, asked, operation),
        *_too_long(operation, asked),
        *_more_or_less(operation, asked),
    ]


@cache
def _session() -> Session:
    return Session()


@cache
def _model(service: str, operation: str) -> OperationModel:
    return _session().get_service_model(service).operation_model(operation)


def _of_model(shape: Shape, asked: dict[str, Any]) -> list[str]:
    report = ParamValidator().validate(asked, shape)
    return [report.generate_report()] if report.has_errors() else []


def _not_listed(shape: Shape, asked: Any, where: str) -> Iterator[str]:
    """Texts that are none of those which the model lists."""
    match shape:
        case StructureShape() if isinstance(asked, dict):
            for name in asked.keys() & shape.members.keys():
                yield from _not_listed(shape.members[name], asked[name], f"{where}.{name}")
        case ListShape() if isinstance(asked, list):
            for each in asked:
                yield from _not_listed(shape.member, each, f"{where}[]")
        case _:
            listed: list[str] = getattr(shape, "enum", None) or []
            if listed and asked not in listed:
                yield f"{where} is {asked!r}, none of {', '.join(listed)}"


def _too_long(operation: str, asked: dict[str, Any]) -> Iterator[str]:
    name, most = MOST.get(operation, ("", 0))
    if name and len(asked.get(name) or ()) > most:
        yield f"{operation} takes at most {most} {name}, not {len(asked[name])}"
    if int(asked.get("maxResults") or 0) > MOST_RESULTS:
        yield f"{operation} gives at most {MOST_RESULTS} maxResults, not {asked['maxResults']}"


def _more_or_less(operation: str, asked: dict[str, Any]) -> Iterator[str]:
    wanted = CHANGES.get(operation, asked.keys())
    if asked.keys() != wanted:
        told = ", ".join(sorted(asked))
        yield f"{operation} must carry {', '.join(sorted(wanted))} and nothing else; it carries {told}"
