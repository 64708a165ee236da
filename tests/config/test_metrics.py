"""A metric has one target and one source; a Prometheus server is never the machine's own metadata."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config import load
from autoscaler.config.metrics import Statistic
from autoscaler.config.prometheus import server
from autoscaler.config.quoting import WrongValue
from autoscaler.core.policy import MetricPolicy
from autoscaler.ports import CloudWatchMetric, PrometheusQuery
from tests.config.spoken import flat, only, problems, refusal

CLOUDWATCH = {"namespace": "App/Orders", "metric": "Lag", "target_per_task": 100}
PROMETHEUS = {"prometheus": "http://prometheus:9090", "query": "sum(lag)", "target_value": 40}


def told(name: str = "lag", **item: object) -> dict[str, str]:
    """A valid service with this metric."""
    return flat(METRICS=json.dumps({name: item}))


def said_of(**item: object) -> str:
    """What is wrong with the metric."""
    return problems(told(**dict[str, Any](item)))["AUTOSCALER_METRICS"]


def without(item: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in item.items() if name not in names}


def test_both_kinds_are_taken_in_the_order_in_which_they_stand() -> None:
    dimensions = {"Stream": "events", "Group": "billing"}
    metrics = {"b": CLOUDWATCH | {"dimensions": dimensions, "statistic": "samplecount"}, "a": PROMETHEUS}
    service = only(load(flat(METRICS=json.dumps(metrics), REGION="eu-west-1")))
    sorted_dimensions = (("Group", "billing"), ("Stream", "events"))
    assert service.metrics == (
        ("b", CloudWatchMetric("App/Orders", "Lag", sorted_dimensions, "SampleCount", "eu-west-1")),
        ("a", PrometheusQuery("http://prometheus:9090", "sum(lag)")),
    )
    assert service.policy.metrics == (MetricPolicy("b", target_per_task=100.0), MetricPolicy("a", target_value=40.0))


def test_the_statistic_is_the_average_unless_another_is_named() -> None:
    [(_, source)] = only(load(told(**dict[str, Any](CLOUDWATCH)))).metrics
    assert source == CloudWatchMetric("App/Orders", "Lag", (), "Average", None)


@pytest.mark.parametrize("statistic", list(Statistic))
def test_every_statistic_is_passed_on_as_cloudwatch_spells_it(statistic: Any) -> None:
    [(_, source)] = only(load(told(**dict[str, Any](CLOUDWATCH), statistic=statistic.upper()))).metrics
    assert source.statistic == statistic.value


@pytest.mark.parametrize("name", ["a", "l" * 41, "lag_2", "running_tasks"])
def test_a_metric_is_called_by_a_plain_name(name: Any) -> None:
    [(taken, _)] = only(load(told(name, **CLOUDWATCH))).metrics
    assert taken == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "Lag", "2lag", "_lag", "l" * 42, "la-g", "lag ", "läg"),
        *("visible", "in_flight", "delayed", "oldest_age_s", "cpu_percent", "memory_percent", "running", "current"),
        *("max", "first", "if", "not", "queues"),
    ],
)
def test_a_name_that_a_formula_could_not_tell_is_refused(name: Any) -> None:
    said = problems(told(name, **CLOUDWATCH))["AUTOSCALER_METRICS"]
    assert "name" in said
    assert "[key]" not in said


@pytest.mark.parametrize(
    ("item", "what"),
    [
        (without(CLOUDWATCH, "target_per_task"), "give target_per_task or target_value, or name it in the formula"),
        (CLOUDWATCH | {"target_value": 5}, "give one of target_per_task and target_value, not both"),
        (CLOUDWATCH | {"target_per_task": 0}, "lag, target_per_task: 0 is out of range"),
        (PROMETHEUS | {"target_value": -1}, "lag, target_value: -1 is out of range"),
        (PROMETHEUS | {"target_value": "much"}, "lag, target_value: 'much' is not a number"),
        (CLOUDWATCH | PROMETHEUS | {"target_value": None}, "lag, target_value"),
        (CLOUDWATCH | without(PROMETHEUS, "target_value"), "one source"),
        (PROMETHEUS | {"statistic": "Sum"}, "one source"),
        (PROMETHEUS | {"dimensions": {"A": "1"}}, "one source"),
        (without(PROMETHEUS, "query"), "prometheus and query go together"),
        (without(PROMETHEUS, "prometheus"), "prometheus and query go together"),
        (without(CLOUDWATCH, "metric"), "namespace and metric go together"),
        (without(CLOUDWATCH, "namespace"), "namespace and metric go together"),
        ({"target_value": 5, "dimensions": {"A": "1"}}, "namespace and metric go together"),
        ({"target_value": 5}, "lag: say where it is read"),
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
        (CLOUDWATCH | {"dimensions": {f"D{index}": "1" for index in range(31)}}, "31 dimensions are too many"),
        (PROMETHEUS | {"query": " "}, "lag, query"),
        (PROMETHEUS | {"query": "q" * 8001}, "lag, query"),
        (CLOUDWATCH | {"dimension": {}}, "did you mean dimensions?"),
        (CLOUDWATCH | {"unit": "Count"}, "lag, unit: is not a setting here"),
    ],
)
def test_whatever_is_wrong_in_a_metric_is_named_at_its_spot(item: Any, what: str) -> None:
    assert what in said_of(**item)


def test_a_metric_without_a_target_is_there_for_a_formula_that_names_it() -> None:
    source = without(CLOUDWATCH, "target_per_task")
    named = only(load(flat(METRICS=json.dumps({"lag": source}), FORMULA="first(lag, 8)")))
    assert [metric.name for metric in named.policy.metrics] == ["lag"]


@pytest.mark.parametrize("value", ["lag", "5", "[]", '{"lag": 5}', '{"lag": [1]}', '{"lag": '])
def test_what_is_no_table_of_metrics_is_refused(value: str) -> None:
    assert problems(flat(METRICS=value)).keys() == {"AUTOSCALER_METRICS"}


def test_every_wrong_metric_is_told_at_once() -> None:
    metrics = {
        "lag": CLOUDWATCH | {"metric": ""},
        "depth": CLOUDWATCH | {"target_value": 5},
        "Big": CLOUDWATCH,
        "good": PROMETHEUS,
    }
    said = problems(flat(METRICS=json.dumps(metrics)))["AUTOSCALER_METRICS"]
    assert all(f"{name}" in said for name in ("lag, metric", "depth: give one of", "'Big'"))
    assert "good" not in said


def test_a_services_table_of_metrics_replaces_that_of_the_defaults_whole() -> None:
    environ = told("own", **CLOUDWATCH) | {"AUTOSCALER_DEFAULTS__METRICS": json.dumps({"inherited": PROMETHEUS})}
    assert [name for name, _ in only(load(environ)).metrics] == ["own"]
    assert [name for name, _ in only(load(environ | {"AUTOSCALER_METRICS": "{}"})).metrics] == []


@pytest.mark.parametrize(
    ("formula", "meant"),
    [
        ("lagg / 5", "'lagg' is neither a signal nor one of the metrics; did you mean lag?"),
        ("visibel / 5", "did you mean visible?"),
        ("zzz + qqq", "'zzz' is neither"),
    ],
)
def test_a_formula_speaks_of_signals_and_metrics_that_there_are(formula: str, meant: str) -> None:
    assert meant in problems(told(**dict[str, Any](CLOUDWATCH)) | {"AUTOSCALER_FORMULA": formula})["AUTOSCALER_FORMULA"]


def test_a_formula_may_name_every_signal_and_the_services_metrics() -> None:
    text = "visible + in_flight + delayed + oldest_age_s + cpu_percent + memory_percent + running + current + lag"
    assert only(load(told(**dict[str, Any](CLOUDWATCH)) | {"AUTOSCALER_FORMULA": text})).policy.formula == text


@pytest.mark.parametrize("text", ["", "visible +", "visible.real", "open(1)", "f'x'", "x" * 1001, "(" * 500 + "1"])
def test_what_is_no_formula_is_refused(text: Any) -> None:
    assert problems(flat(FORMULA=text)).keys() == {"AUTOSCALER_FORMULA"}


def test_a_formula_of_broken_metrics_is_not_blamed_for_them() -> None:
    assert problems(told(**dict[str, Any](CLOUDWATCH), unit="x") | {"AUTOSCALER_FORMULA": "lag"}).keys() == {
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
def test_a_server_is_an_http_url_without_a_slash_at_its_end(text: str, taken: str) -> None:
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
def test_the_machines_own_metadata_is_no_server_however_it_is_written(host: Any) -> None:
    assert "metadata" in said_of(**PROMETHEUS | {"prometheus": f"http://{host}:80/x"})


@pytest.mark.parametrize(
    "text",
    [
        *("", "prometheus:9090", "ftp://prometheus", "file:///etc/passwd", "http://", "http:///x", "http://h:99999"),
        *("http://h?x=1", "http://h#x", "http://h/a b", "http://h\\@x", "http://h/\n", "http://[::1", "http://hö"),
        *("http://h/api/v1/query", "http://h/prefix/api/v1/query/", 5, None),
    ],
)
def test_what_is_no_server_is_refused(text: Any) -> None:
    if text == "http://h/\n":
        assert server(text) == "http://h", "white space around it is not part of the address"
        return
    with pytest.raises(WrongValue):
        server(text)


@pytest.mark.parametrize("userinfo", ["ann:hunter2", "hunter2", ":hunter2"])
def test_a_servers_password_is_refused_and_not_repeated(userinfo: str) -> None:
    said = said_of(**PROMETHEUS | {"prometheus": f"http://{userinfo}@prometheus:9090"})
    assert "password" in said
    assert "hunter2" not in said


@given(st.text(max_size=80) | st.text(max_size=60).map("http://{}".format))
def test_any_text_is_a_server_or_refused_in_a_sentence(text: Any) -> None:
    refused = refusal(lambda: server(text))
    assert refused.isprintable() if refused else server(text).startswith("http")
