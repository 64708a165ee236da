"""The series of a scrape, parsed by the Prometheus client library."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from autoscaler.ports import Poll
from autoscaler.telemetry.metrics import Form, render
from tests.telemetry.polls import JournalDesk

READERS: dict[Form, Callable[[str], Iterable[Metric]]] = {Form.TEXT: read_text, Form.OPENMETRICS: read_openmetrics}

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(desk: JournalDesk, form: Form = Form.TEXT) -> Series:
    """Return every series of `/metrics` with its value. Fails if a series occurs twice."""
    series: Series = {}
    for family in READERS[form](render(desk.metrics.snapshot(), form).decode()):
        for sample in family.samples:
            name = sample.name, frozenset(sample.labels.items())
            assert name not in series, name
            series[name] = sample.value
    return series


def after(*polls: Poll) -> JournalDesk:
    desk = JournalDesk()
    for poll in polls:
        desk.record(poll)
    return desk
