"""What a scrape of a desk gives, read back by the client library."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from autoscaler.ports import Tick
from autoscaler.telemetry.metrics import Form, render
from tests.telemetry.ticks import Desk

READERS: dict[Form, Callable[[str], Iterable[Metric]]] = {Form.TEXT: read_text, Form.OPENMETRICS: read_openmetrics}

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(desk: Desk, form: Form = Form.TEXT) -> Series:
    """Every series of the page with its value. Fails where a series is there twice."""
    series: Series = {}
    for family in READERS[form](render(desk.metrics.snapshot(), form).decode()):
        for sample in family.samples:
            name = sample.name, frozenset(sample.labels.items())
            assert name not in series, name
            series[name] = sample.value
    return series


def after(*ticks: Tick) -> Desk:
    desk = Desk()
    for tick in ticks:
        desk.record(tick)
    return desk
