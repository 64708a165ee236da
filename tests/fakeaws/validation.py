"""Validate requests: against the SDK's own model, and that UpdateService changes only the count."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.session import Session
from botocore.validate import ParamValidator

CHANGES = {"UpdateService": {"cluster", "service", "desiredCount"}}
"""The exact parameters of a change: any other parameter would start a deployment."""

MOST = {
    "DescribeServices": ("services", 10),
    "GetTaskProtection": ("tasks", 100),
    "GetMetricData": ("MetricDataQueries", 500),
}
"""The longest list that an operation accepts, by parameter. The SDK does not check it."""

MOST_RESULTS = 100


def problems(service: str, operation: str, body: dict[str, Any]) -> list[str]:
    """Return one sentence for each problem of a request; empty: it is valid."""
    shape = _model(service, operation).input_shape
    assert shape is not None, "every supported operation has an input"
    return [
        *_of_model(shape, body),
        *_not_listed(shape, body, operation),
        *_too_long(operation, body),
        *_more_or_less(operation, body),
    ]


@cache
def _session() -> Session:
    return Session()


@cache
def _model(service: str, operation: str) -> OperationModel:
    return _session().get_service_model(service).operation_model(operation)


def _of_model(shape: Shape, body: dict[str, Any]) -> list[str]:
    report = ParamValidator().validate(body, shape)
    return [report.generate_report()] if report.has_errors() else []


def _not_listed(shape: Shape, body: Any, where: str) -> Iterator[str]:
    """Yield the values that are not in the model's enumerations."""
    match shape:
        case StructureShape() if isinstance(body, dict):
            for name in body.keys() & shape.members.keys():
                yield from _not_listed(shape.members[name], body[name], f"{where}.{name}")
        case ListShape() if isinstance(body, list):
            for each in body:
                yield from _not_listed(shape.member, each, f"{where}[]")
        case _:
            listed: list[str] = getattr(shape, "enum", None) or []
            if listed and body not in listed:
                yield f"{where} is {body!r}, not one of {', '.join(listed)}"


def _too_long(operation: str, body: dict[str, Any]) -> Iterator[str]:
    name, most = MOST.get(operation, ("", 0))
    if name and len(body.get(name) or ()) > most:
        yield f"{operation} takes at most {most} {name}, not {len(body[name])}"
    if int(body.get("maxResults") or 0) > MOST_RESULTS:
        yield f"{operation} accepts at most {MOST_RESULTS} maxResults, not {body['maxResults']}"


def _more_or_less(operation: str, body: dict[str, Any]) -> Iterator[str]:
    required = CHANGES.get(operation, body.keys())
    if body.keys() != required:
        sent = ", ".join(sorted(body))
        yield f"{operation} must carry {', '.join(sorted(required))} and nothing else; it carries {sent}"
