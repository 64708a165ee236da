"""A metric has one target and one source. A Prometheus server is never the instance metadata service."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config import load
from autoscaler.config.quoting import WrongValue
from autoscaler.core.policy import MetricPolicy
from autoscaler.ports import CloudWatchMetric
from autoscaler.sources.cloudwatch import Statistic
from autoscaler.sources.prometheus import PrometheusQuery, server
from tests.config.spoken import flat, only, problems, refusal

CLOUDWATCH = {"namespace": "App/Orders", "metric": "Lag", "target_per_task": 100}
PROMETHEUS = {"prometheus": "http://prometheus:9090", "query": "sum(lag)", "target_value": 40}


def with_metric(name: str = "lag", **item: object) -> dict[str, str]:
    """Return the variables of a valid service with this metric."""
    return flat(METRICS=json.dumps({name: item}))


def error_of(**item: object) -> str:
    """Return the error for a service with this metric."""
    return problems(with_metric(**dict[str, Any](item)))["AUTOSCALER_METRICS"]


def without(item: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in item.items() if name not in names}


def test_both_kinds_of_metrics_are_loaded_in_their_order() -> None:
    dimensions = {"Stream": "events", "Group": "billing"}
    metrics = {"b": CLOUDWATCH | {"dimensions": dimensions, "statistic": "samplecount"}, "a": PROMETHEUS}
    service = only(load(flat(METRICS=json.dumps(metrics), REGION="eu-west-1")))
    sorted_dimensions = (("Group", "billing"), ("Stream", "events"))
    assert service.metrics == (
        ("b", CloudWatchMetric("App/Orders", "Lag", sorted_dimensions, "SampleCount", "eu-west-1")),
        ("a", PrometheusQuery("http://prometheus:9090", "sum(lag)")),
    )
    assert service.policy.metrics == (MetricPolicy("b", target_per_task=100.0), MetricPolicy("a", target_value=40.0))


def test_the_default_statistic_is_the_average() -> None:
    [(_, source)] = only(load(with_metric(**dict[str, Any](CLOUDWATCH)))).metrics
    assert source == CloudWatchMetric("App/Orders", "Lag", (), "Average", None)


@pytest.mark.parametrize("statistic", list(Statistic))
def test_every_statistic_is_spelled_as_in_cloudwatch(statistic: Any) -> None:
    [(_, source)] = only(load(with_metric(**dict[str, Any](CLOUDWATCH), statistic=statistic.upper()))).metrics
    assert source.statistic == statistic.value


@pytest.mark.parametrize("name", ["a", "l" * 41, "lag_2", "running_tasks"])
def test_a_valid_metric_name_is_accepted(name: Any) -> None:
    [(taken, _)] = only(load(with_metric(name, **CLOUDWATCH))).metrics
    assert taken == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "Lag", "2lag", "_lag", "l" * 42, "la-g", "lag ", "läg"),
        *("visible", "in_flight", "delayed", "oldest_age_s", "cpu_percent", "memory_percent", "running", "current"),
        *("max", "first", "if", "not", "queues"),
    ],
)
def test_a_metric_name_that_a_formula_cannot_use_is_rejected(name: Any) -> None:
    error = problems(with_metric(name, **CLOUDWATCH))["AUTOSCALER_METRICS"]
    assert "name" in error
    assert "[key]" not in error


@pytest.mark.parametrize(
    ("item", "what"),
    [
        (without(CLOUDWATCH, "target_per_task"), "Set target_per_task or target_value, or use it in the formula"),
        (CLOUDWATCH | {"target_value": 5}, "set target_per_task or target_value, not both"),
        (CLOUDWATCH | {"target_per_task": 0}, "lag, target_per_task: 0 is out of range"),
        (PROMETHEUS | {"target_value": -1}, "lag, target_value: -1 is out of range"),
        (PROMETHEUS | {"target_value": "much"}, "lag, target_value: 'much' is not a number"),
        (CLOUDWATCH | PROMETHEUS | {"target_value": None}, "lag, target_value"),
        (CLOUDWATCH | without(PROMETHEUS, "target_value"), "only one source"),
        (PROMETHEUS | {"statistic": "Sum"}, "only one source"),
        (PROMETHEUS | {"dimensions": {"A": "1"}}, "only one source"),
        (without(PROMETHEUS, "query"), "set both prometheus and query"),
        (without(PROMETHEUS, "prometheus"), "set both prometheus and query"),
        (without(CLOUDWATCH, "metric"), "set both namespace and metric"),
        (without(CLOUDWATCH, "namespace"), "set both namespace and metric"),
        ({"target_value": 5, "dimensions": {"A": "1"}}, "set both namespace and metric"),
        ({"target_value": 5}, "lag: the metric has no source"),
        (CLOUDWATCH | {"namespace": ":aws"}, "lag, namespace"),
        (CLOUDWATCH | {"namespace": "n" * 256}, "lag, namespace"),
        (CLOUDWATCH | {"metric": " "}, "lag, metric"),
        (CLOUDWATCH | {"metric": "m" * 256}, "lag, metric"),
        (CLOUDWATCH | {"statistic": "p99"}, "Average, Sum, Maximum, Minimum, SampleCount"),
        (CLOUDWATCH | {"statistic": "Averag"}, "did you mean Average?"),
        (CLOUDWATCH | {"dimensions": ["A"]}, "lag, dimensions"),
        (CLOUDWATCH | {"dimensions": {"A": 1}}, "lag, dimensions"),
        (CLOUDWATCH | {"dimensions": {"A": " "}}, "lag, dimensions"),
        (CLOUDWATCH | {"dimensions": {"": "1"}}, "lag, dimensions"),
        (CLOUDWATCH | {"dimensions": {f"D{index}": "1" for index in range(31)}}, "there are 31 dimensions"),
        (PROMETHEUS | {"query": " "}, "lag, query"),
        (PROMETHEUS | {"query": "q" * 8001}, "lag, query"),
        (CLOUDWATCH | {"dimension": {}}, "did you mean dimensions?"),
        (CLOUDWATCH | {"unit": "Count"}, "lag, unit: unknown setting"),
    ],
)
def test_an_error_in_a_metric_names_the_metric_and_the_field(item: Any, what: str) -> None:
    assert what in error_of(**item)


def test_a_metric_without_a_target_is_valid_if_the_formula_uses_it() -> None:
    source = without(CLOUDWATCH, "target_per_task")
    named = only(load(flat(METRICS=json.dumps({"lag": source}), FORMULA="first(lag, 8)")))
    assert [metric.name for metric in named.policy.metrics] == ["lag"]


@pytest.mark.parametrize("value", ["lag", "5", "[]", '{"lag": 5}', '{"lag": [1]}', '{"lag": '])
def test_a_value_that_is_not_a_table_of_metrics_is_rejected(value: str) -> None:
    assert problems(flat(METRICS=value)).keys() == {"AUTOSCALER_METRICS"}


def test_all_invalid_metrics_are_reported_together() -> None:
    metrics = {
        "lag": CLOUDWATCH | {"metric": ""},
        "depth": CLOUDWATCH | {"target_value": 5},
        "Big": CLOUDWATCH,
        "good": PROMETHEUS,
    }
    error = problems(flat(METRICS=json.dumps(metrics)))["AUTOSCALER_METRICS"]
    assert all(f"{name}" in error for name in ("lag, metric", "depth: set target_per_task or target_value", "'Big'"))
    assert "good" not in error


def test_the_metrics_of_a_service_replace_all_metrics_of_the_defaults() -> None:
    environ = with_metric("own", **CLOUDWATCH) | {"AUTOSCALER_DEFAULTS__METRICS": json.dumps({"inherited": PROMETHEUS})}
    assert [name for name, _ in only(load(environ)).metrics] == ["own"]
    assert [name for name, _ in only(load(environ | {"AUTOSCALER_METRICS": "{}"})).metrics] == []


@pytest.mark.parametrize(
    ("formula", "suggestion"),
    [
        ("lagg / 5", "'lagg' is neither a signal nor a metric; did you mean lag?"),
        ("visibel / 5", "did you mean visible?"),
        ("zzz + qqq", "'zzz' is neither"),
    ],
)
def test_an_unknown_name_in_a_formula_is_rejected(formula: str, suggestion: str) -> None:
    assert (
        suggestion
        in problems(with_metric(**dict[str, Any](CLOUDWATCH)) | {"AUTOSCALER_FORMULA": formula})["AUTOSCALER_FORMULA"]
    )


def test_a_formula_may_name_every_signal_and_the_services_metrics() -> None:
    text = "visible + in_flight + delayed + oldest_age_s + cpu_percent + memory_percent + running + current + lag"
    assert only(load(with_metric(**dict[str, Any](CLOUDWATCH)) | {"AUTOSCALER_FORMULA": text})).policy.formula == text


@pytest.mark.parametrize("text", ["visible +", "visible.real", "open(1)", "f'x'", "x" * 1001, "(" * 500 + "1"])
def test_an_invalid_formula_is_rejected(text: Any) -> None:
    assert problems(flat(FORMULA=text)).keys() == {"AUTOSCALER_FORMULA"}


def test_an_invalid_metric_causes_no_error_in_the_formula() -> None:
    assert problems(with_metric(**dict[str, Any](CLOUDWATCH), unit="x") | {"AUTOSCALER_FORMULA": "lag"}).keys() == {
        "AUTOSCALER_METRICS"
    }


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("http://prometheus:9090", "http://prometheus:9090"),
        (" https://metrics.example.com/prometheus/ ", "https://metrics.example.com/prometheus"),
        ("http://10.0.0.5:9090", "http://10.0.0.5:9090"),
        ("http://169.253.255.255", "http://169.253.255.255"),
        ("http://169.255.0.0", "http://169.255.0.0"),
        ("http://[fd00::254]:9090", "http://[fd00::254]:9090"),
        ("http://localhost:9090", "http://localhost:9090"),
    ],
)
def test_a_server_is_an_http_url_and_is_stored_without_a_trailing_slash(text: str, taken: str) -> None:
    assert server(text) == taken
    assert server(taken) == taken


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.0.0", "169.254.255.255", "169.254.170.2", "169.254.169.254."),
        *("2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518"),
        *("[fd00:ec2::254]", "[fd00:ec2::23]", "[fe80::1]", "[fe80::1%25eth0]", "[::ffff:169.254.169.254]"),
        "[::ffff:a9fe:a9fe]",
    ],
)
def test_the_instance_metadata_service_is_rejected_in_every_notation(host: Any) -> None:
    assert "metadata" in error_of(**PROMETHEUS | {"prometheus": f"http://{host}:80/x"})


@pytest.mark.parametrize(
    "text",
    [
        *("", "prometheus:9090", "ftp://prometheus", "file:///etc/passwd", "http://", "http:///x", "http://h:99999"),
        *("http://h?x=1", "http://h#x", "http://h/a b", "http://h\\@x", "http://h/\n", "http://[::1", "http://hö"),
        *("http://h/api/v1/query", "http://h/prefix/api/v1/query/", 5, None),
    ],
)
def test_an_invalid_server_is_rejected(text: Any) -> None:
    if text == "http://h/\n":
        assert server(text) == "http://h", "white space around it is not part of the address"
        return
    with pytest.raises(WrongValue):
        server(text)


@pytest.mark.parametrize("userinfo", ["ann:hunter2", "hunter2", ":hunter2"])
def test_a_password_in_a_server_url_is_rejected_and_not_shown(userinfo: str) -> None:
    error = error_of(**PROMETHEUS | {"prometheus": f"http://{userinfo}@prometheus:9090"})
    assert "password" in error
    assert "hunter2" not in error


@given(st.text(max_size=80) | st.text(max_size=60).map("http://{}".format))
def test_any_text_is_a_server_or_gives_a_printable_error(text: Any) -> None:
    refused = refusal(lambda: server(text))
    assert refused.isprintable() if refused else server(text).startswith("http")
