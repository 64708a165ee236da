"""Named metrics: the source of a value and its target, and the formula that uses the metrics' names.

The settings of a source in a metric's table are declared by the source itself (`autoscaler/sources/`), which this
package does not import. The program passes its table of sources to `use_sources` before it reads settings.

Invariants: a metric has at most one target; a metric without a target must be used by a formula. A metric has at most
one source; only a service's settings require it.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self, TypeAlias, cast

from pydantic import GetCoreSchemaHandler, create_model, model_validator
from pydantic_core import CoreSchema, core_schema

from autoscaler.config.groups import Group, meant, schema_of, table
from autoscaler.config.quoting import WrongValue, may_be_secret, quote
from autoscaler.config.values import ItemsKind, ValueKind, number
from autoscaler.core import formula
from autoscaler.core.formula import FUNCTIONS
from autoscaler.core.policy import MetricPolicy
from autoscaler.ports import MetricRequest

QUEUE_SIGNALS = frozenset({"visible", "in_flight", "delayed", "oldest_age_s"})
"""Names of the queues' values in a formula."""

COUNTS = frozenset({"running", "current"})
"""Names of the task counts in a formula."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
_POSITIVE = number(lambda target: target > 0, "above 0", {"exclusiveMinimum": 0})


class SignalDeclaration(Protocol):
    """A signal source, as far as the settings know it. `values`: its names in a formula, besides those of metrics."""

    @property
    def values(self) -> frozenset[str]: ...


class MetricDeclaration(SignalDeclaration, Protocol):
    """A source of metrics. `fields`: its settings in a metric's table; those without a default are required."""

    fields: type[Group]

    def request(self, fields: Any, region: str | None) -> MetricRequest:
        """Return what to read. `region`: the Region of the service."""


class _SourceTable:
    """The table of sources. It is loaded at the first use, which most commands never reach."""

    load: Callable[[], Iterable[SignalDeclaration]] | None = None


def use_sources(load: Callable[[], Iterable[SignalDeclaration]]) -> None:
    """Use this table of sources from now on. `load` returns it, and is called at the first use."""
    _SourceTable.load = load
    for cached in (_sources, _kinds, signals, metric_fields):
        cached.cache_clear()


@cache
def _sources() -> tuple[SignalDeclaration, ...]:
    if _SourceTable.load is None:
        raise RuntimeError("the settings have no table of signal sources: call autoscaler.config.use_sources first")
    return tuple(_SourceTable.load())


@cache
def _kinds() -> tuple[MetricDeclaration, ...]:
    return tuple(cast("MetricDeclaration", source) for source in _sources() if hasattr(source, "fields"))


@cache
def signals() -> frozenset[str]:
    """Return the names that a formula may use in addition to the metrics."""
    return COUNTS.union(*(source.values for source in _sources()))


def _taken() -> frozenset[str]:
    """Return the names that no metric can have. A journal stores the queues next to the metrics, as `queues`."""
    return signals() | FUNCTIONS.keys() | {"queues"}


def _name(value: object) -> str:
    name = value if isinstance(value, str) else ""
    if not _NAME.fullmatch(name):
        how = "a lowercase letter, then at most 40 lowercase letters, digits and _"
        raise WrongValue(f"{quote(value)} is not a valid name of a metric: {how}")
    if name in _taken() or keyword.iskeyword(name):
        raise WrongValue(f"the name {name} is reserved. Choose another name")
    return name


_NAMES = ValueKind("metric's name", _name, {"type": "string", "pattern": f"^{_NAME.pattern}$"})


class _OfTheSources:
    """Validates a metric's table with the settings of all sources (`metric_fields`)."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda item: metric_fields().model_validate(item))


class TargetFields(Group):
    """The settings that a metric of every source has."""

    target_per_task: Annotated[float | None, _POSITIVE] = meant(None, "Value that one task can handle.")
    target_value: Annotated[float | None, _POSITIVE] = meant(None, "Value to keep, independent of the task count.")


class MetricFields(Group):
    """The settings of one metric to scale on. `metric_fields` adds them: those of the sources, and the targets."""

    if TYPE_CHECKING:
        target_per_task: float | None
        target_value: float | None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wrong = [*_of_targets(self), *_of_source(self)]
        if wrong:
            raise WrongValue("; ".join(wrong))
        return self


Metrics: TypeAlias = dict[Annotated[str, _NAMES], Annotated[MetricFields, _OfTheSources()]]


def _groups() -> list[type[Group]]:
    return [*(kind.fields for kind in _kinds()), TargetFields]


@cache
def metric_fields() -> type[MetricFields]:
    """Return the group of a metric's table: the settings of every source, all optional, and the targets."""
    own: dict[str, Any] = {}
    for group in _groups():
        for name, declared in group.model_fields.items():
            [mark] = [mark for mark in declared.metadata if isinstance(mark, ValueKind)]
            own[name] = (Annotated[Any, mark], meant(None, declared.description or ""))
    return create_model("MetricFields", __base__=MetricFields, **own)


def _of_targets(item: MetricFields) -> Iterator[str]:
    if item.target_per_task is not None and item.target_value is not None:
        yield "set target_per_task or target_value, not both"


def _of_source(item: MetricFields) -> Iterator[str]:
    used = [kind for kind in _kinds() if _given(item, kind)]
    if len(used) > 1:
        yield f"set only one source: {sources_in_words()}"
    for kind in used[:1]:
        required = _required(kind)
        if not _given(item, kind).keys() >= set(required):
            yield f"set {'both ' if len(required) == 2 else ''}{' and '.join(required)}"


def _given(item: MetricFields, kind: MetricDeclaration) -> dict[str, Any]:
    values = ((name, getattr(item, name, None)) for name in kind.fields.model_fields)
    return {name: value for name, value in values if value is not None}


def _required(kind: MetricDeclaration) -> list[str]:
    """Return the required settings of the source, in the order of its declaration."""
    return [name for name, declared in kind.fields.model_fields.items() if declared.is_required()]


def sources_in_words() -> str:
    """Return the sources' required settings: `namespace and metric, or prometheus and query`."""
    return ", or ".join(" and ".join(_required(kind)) for kind in _kinds())


_METRICS_TABLE = table(
    "metrics",
    '{"lag": {"namespace": "App", "metric": "Lag", "dimensions": {"Name": "orders"}, "target_per_task": 100}}',
    _NAMES,
    MetricFields,
)


class _MetricsKind(ItemsKind):
    """The kind of the table of metrics. Its JSON Schema has the settings of all sources."""

    __slots__ = ()

    def described(self) -> dict[str, Any]:
        names = {**_NAMES.schema, "not": {"enum": sorted(_taken())}}
        items = self.schema["additionalProperties"]["anyOf"][1:]
        own = {"anyOf": [schema_of(metric_fields()), *items]}
        return {**self.schema, "propertyNames": names, "additionalProperties": own}


METRICS = _MetricsKind(_METRICS_TABLE.words, _METRICS_TABLE.read, _METRICS_TABLE.schema, _METRICS_TABLE.show)


def source_of(item: MetricFields, region: str | None) -> MetricRequest | None:
    """Return what to read for the metric (None: it has no source). `region`: the Region of the service."""
    for kind in _kinds():
        given = _given(item, kind)
        if given and given.keys() >= set(_required(kind)):
            return kind.request(kind.fields.model_construct(**given), region)
    return None


def metric_policy(name: str, item: MetricFields) -> MetricPolicy:
    return MetricPolicy(name, target_per_task=item.target_per_task, target_value=item.target_value)


def _formula(value: object) -> str:
    given = value.strip() if isinstance(value, str) else ""
    if not isinstance(value, str) or may_be_secret(given):
        raise WrongValue(f"{quote(given)} is not a formula")
    try:
        formula.parse(given)
    except ValueError as error:
        raise WrongValue(str(error)) from error
    return given


FORMULA = ValueKind("formula", _formula, {"type": "string", "minLength": 1, "maxLength": formula.MOST_CHARACTERS})
