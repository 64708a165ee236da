"""The table of signal sources: each row fits the settings and the core, and a new row needs no other change."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

import autoscaler.sources as table
from autoscaler.aws.arns import Home, Right
from autoscaler.config import ServiceConfig, json_schema, load, use_sources
from autoscaler.config.fields import ServiceFields
from autoscaler.config.groups import Group, leaves, required
from autoscaler.config.metrics import sources_in_words
from autoscaler.config.values import whole
from autoscaler.control.observing import Observer
from autoscaler.core import demand
from autoscaler.core.model import Fleet, Measurement, MetricReading, Missing, Observation
from autoscaler.ports import MetricPort, MetricRequest, ServiceRef
from autoscaler.sources import METRIC_SOURCES, SOURCES, connect_metrics
from autoscaler.sources.source import Connection, MetricSource, ProbeAccess
from tests.config.spoken import flat, only, problems
from tests.control.fakes import FakePorts, ports_of
from tests.operating.settings import QUEUE_CALLS

HOME = Home("eu-west-1", "123456789012")


def test_each_row_has_its_own_name() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)


def test_the_settings_that_select_a_source_exist() -> None:
    known = {leaf.path[0] for leaf in leaves(ServiceFields)}
    assert {name for source in SOURCES for name in source.settings} <= known


def test_the_sources_declare_exactly_the_names_that_the_core_offers_to_a_formula() -> None:
    declared = [name for source in SOURCES for name in source.values]
    assert len(set(declared)) == len(declared)
    offered = demand._named(Observation(0.0, Fleet(1, 1, 0, 0.0)), [], {})
    assert {*declared, "running", "current"} == offered.keys()


def test_no_two_sources_have_settings_of_the_same_name_in_a_metric() -> None:
    names = [name for source in METRIC_SOURCES for name in source.fields.model_fields]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("source", METRIC_SOURCES, ids=lambda source: source.name)
def test_the_text_of_the_setting_metrics_names_the_settings_of_every_source(source: MetricSource[Any]) -> None:
    [text] = [leaf.meaning for leaf in leaves(ServiceFields) if leaf.path == ("metrics",)]
    tables = [set(re.findall(r"\w+", names)) for names in re.findall(r"\{([^{}]*)\}", text.replace("={...}", ""))]
    fields = set(source.fields.model_fields)
    assert any(fields <= names for names in tables), (
        f"autoscaler/config/fields.py, `metrics`: add {{{', '.join(fields)}}}"
    )


@dataclass(frozen=True, slots=True)
class DiceRequest(MetricRequest):
    sides: int


class DiceFields(Group):
    sides: Annotated[int, whole(1, 100)] = required("Dice: number of sides.")


class DiceSource(MetricSource[DiceFields]):
    """A source as a contributor would write it, in one file."""

    name = "dice"
    fields = DiceFields
    requests = DiceRequest
    closed = False

    def request(self, fields: DiceFields, region: str | None) -> DiceRequest:
        return DiceRequest(fields.sides)

    @asynccontextmanager
    async def connect(self, connection: Connection) -> AsyncIterator[MetricPort[DiceRequest]]:
        yield Dice(connection)
        self.closed = True


class Dice:
    def __init__(self, connection: Connection) -> None:
        self._clock = connection.clock

    async def measure(self, service: ServiceRef, request: DiceRequest, /) -> Measurement | Missing:
        return Measurement(float(request.sides), self._clock())


@pytest.fixture
def dice(monkeypatch: pytest.MonkeyPatch) -> Iterator[DiceSource]:
    """Add one row to the table."""
    row = DiceSource()
    monkeypatch.setattr(table, "SOURCES", (*SOURCES, row))
    monkeypatch.setattr(table, "METRIC_SOURCES", (*METRIC_SOURCES, row))
    monkeypatch.setattr("autoscaler.control.observing.SOURCES", (*SOURCES, row))
    use_sources(lambda: table.SOURCES)
    yield row
    use_sources(lambda: SOURCES)


def service_with(**item: object) -> ServiceConfig:
    service: ServiceConfig = only(load(flat(METRICS=json.dumps({"roll": item}))))
    return service


def error_of(**item: object) -> str:
    return problems(flat(METRICS=json.dumps({"roll": item})))["AUTOSCALER_METRICS"]


def test_a_new_row_has_its_settings_in_the_file_and_in_the_schema(dice: DiceSource) -> None:
    assert service_with(sides=6, target_per_task=2).metrics == (("roll", DiceRequest(6)),)
    schema: Any = json_schema()
    item = schema["$defs"]["service"]["properties"]["metrics"]["additionalProperties"]["anyOf"][0]
    assert item["properties"]["sides"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "Dice: number of sides.",
    }


def test_errors_name_a_new_row(dice: DiceSource) -> None:
    assert error_of(sides=0, target_per_task=2) == "roll, sides: 0 is out of range: from 1 to 100"
    assert "did you mean sides?" in error_of(side=6, target_per_task=2)
    assert sources_in_words().endswith(", or sides")
    assert error_of(target_per_task=2).endswith(f"Set {sources_in_words()}")
    assert "set only one source" in error_of(sides=6, namespace="App", metric="Lag", target_per_task=2)


def test_a_new_row_is_connected_read_and_closed(dice: DiceSource) -> None:
    service = service_with(sides=6, target_per_task=2)

    async def poll() -> tuple[MetricReading, ...]:
        world: Any = FakePorts()
        async with connect_metrics(Connection(world, lambda: 5.0, lambda: 0.0, 1.0)) as metrics:
            ports: Any = ports_of(world)
            object.__setattr__(ports, "metrics", metrics)
            seen = await Observer(service, ports, 10.0).observe(Fleet(1, 1, 0, 0.0), service.policy, None)
            return seen.metrics

    assert asyncio.run(poll()) == (MetricReading("roll", Measurement(6.0, 5.0)),)
    assert dice.closed


def test_a_new_row_needs_no_permission_and_has_a_check(dice: DiceSource) -> None:
    service = service_with(sides=6, target_per_task=2)
    access: Any = ProbeAccess(ports_of(FakePorts()))
    assert [probe.what for probe in dice.probes(service, access)] == ["metric roll"]
    assert list(dice.rights(service, HOME)) == []
    assert dice.cloudwatch_metrics(service) == 0


def permissions_of(service: ServiceConfig) -> set[str]:
    rights: list[Right] = [right for source in SOURCES for right in source.rights(service, HOME)]
    return {right.api.name for right in rights}


def test_only_the_sources_that_a_service_uses_need_permissions() -> None:
    counts, minutes = set(QUEUE_CALLS), {"cloudwatch:GetMetricData"}
    assert permissions_of(only(load(flat()))) == counts | minutes
    assert permissions_of(only(load(flat(QUEUE_MINUTES="false")))) == counts
    assert permissions_of(only(load(flat(QUEUE_MINUTES="false", CPU_TARGET_PERCENT="50")))) == counts | minutes
    assert permissions_of(only(load(flat(QUEUE_MINUTES="false", FORMULA="cpu_percent / 10")))) == counts | minutes
