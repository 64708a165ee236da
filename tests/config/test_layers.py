"""Variables override the file, and both override defaults, per setting. A problem names the layer that contains it."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import effective, load
from autoscaler.errors import ConfigError
from tests.config.spoken import FLAT, flat, many, only, problems

SERVICE = """
[services.b]
cluster = "c"
service = "s"
queues = ["q"]
max_tasks = 10
"""


@pytest.fixture
def environment(tmp_path: Path) -> Any:
    """Return a function that writes a settings file and returns variables that name it."""

    def environment(text: str, **values: str) -> dict[str, str]:
        path = tmp_path / "autoscaler.toml"
        path.write_text(text)
        variables = {f"AUTOSCALER_{name}": value for name, value in values.items()}
        return variables | {"AUTOSCALER_CONFIG_FILE": str(path)}

    return environment


def test_a_file_alone_is_enough(environment: Any) -> None:
    config = load(environment(SERVICE))
    assert only(config).ref.key == "b"
    assert only(config).policy.max_tasks == 10


@pytest.mark.parametrize("places", list(product([False, True], repeat=4)))
def test_a_services_own_value_overrides_defaults_and_variables_override_the_file(environment: Any, places: Any) -> None:
    in_env, in_file, in_env_defaults, in_file_defaults = places
    text = "[defaults]\n" + ("tolerance = 0.4\n" if in_file_defaults else "") + SERVICE
    text += "tolerance = 0.2\n" if in_file else ""
    values = {"SERVICES__B__TOLERANCE": "0.1"} if in_env else {}
    values |= {"DEFAULTS__TOLERANCE": "0.3"} if in_env_defaults else {}
    expected = [value for value, there in zip((0.1, 0.2, 0.3, 0.4), places, strict=True) if there]
    assert only(load(environment(text, **values))).policy.tolerance == (expected[0] if expected else 0.1)


def test_groups_are_merged_per_setting_and_lists_are_replaced(environment: Any) -> None:
    text = SERVICE + 'scale_in = {cooldown = "10s", limits = [{tasks = 1, per = "60s"}]}\n'
    text += (
        '[defaults]\nscale_in = {stabilization = "5m", limits = [{tasks = 9, per = "60s"}, {percent = 5, per = "60s"}]}'
    )
    scale_in = only(load(environment(text, SERVICES__B__SCALE_IN__SELECT="min"))).policy.scale_in
    assert (scale_in.cooldown_s, scale_in.stabilization_s, scale_in.select) == (10.0, 300.0, "min")
    assert [limit.tasks for limit in scale_in.limits] == [1]


def test_a_variable_overrides_a_daemon_setting_of_the_file(environment: Any) -> None:
    assert load(environment("http_port = 1\n" + SERVICE)).http_port == 1
    assert load(environment("http_port = 1\n" + SERVICE, HTTP_PORT="2")).http_port == 2


@pytest.mark.parametrize("key", ["IMAGE_RESIZE", "image_resize", "Image-Resize"])
def test_a_variable_may_name_a_service_of_the_file_in_capitals_and_with_underscores(environment: Any, key: str) -> None:
    text = SERVICE.replace("services.b", "services.image-resize")
    service = only(load(environment(text, **{f"SERVICES__{key}__MAX_TASKS": "7"})))
    assert (service.ref.key, service.policy.max_tasks) == ("image-resize", 7)


def test_services_of_the_file_and_of_variables_are_combined(environment: Any) -> None:
    config = load(environment(SERVICE) | many("A"))
    assert {service.ref.key for service in config.services} == {"a", "b"}


def test_defaults_apply_to_a_flat_service() -> None:
    assert only(load(flat(DEFAULTS__TOLERANCE="0.3"))).policy.tolerance == 0.3


def test_a_flat_service_together_with_named_services_is_an_error() -> None:
    errors = problems(flat() | many("B"))
    assert errors.keys() == {"AUTOSCALER_CLUSTER"}
    assert "AUTOSCALER_SERVICES__<KEY>__" in errors["AUTOSCALER_CLUSTER"]


@pytest.mark.parametrize("key", ["b", "orders"])
def test_a_flat_service_together_with_services_of_a_file_is_an_error(environment: Any, key: str) -> None:
    errors = problems(environment(SERVICE.replace("services.b", f"services.{key}")) | FLAT)
    assert errors.keys() == {"AUTOSCALER_CLUSTER"}


def test_a_flat_service_with_a_file_without_services_is_valid(environment: Any) -> None:
    assert only(load(environment("http_port = 1\n[defaults]\ntolerance = 0.3\n") | FLAT)).policy.tolerance == 0.3


def test_a_problem_in_a_file_names_the_file_and_the_key(environment: Any) -> None:
    text = 'interval = 10\n[defaults]\nmode = "on"\n' + SERVICE + "scale_in = {cooldown = 30}\nmin_task = 3\n"
    errors = problems(environment(text))
    assert errors.keys() == {
        "autoscaler.toml: interval",
        "autoscaler.toml: defaults.mode",
        "autoscaler.toml: services.b.scale_in.cooldown",
        "autoscaler.toml: services.b.min_task",
    }
    assert "did you mean min_tasks?" in errors["autoscaler.toml: services.b.min_task"]
    assert "'30s'" in errors["autoscaler.toml: services.b.scale_in.cooldown"]


def test_an_invalid_default_is_reported_once_even_if_it_is_overridden(environment: Any) -> None:
    text = '[defaults]\nmax_tasks = "ten"\nmode = "on"\n' + SERVICE + 'mode = "shadow"\n'
    errors = problems(environment(text) | many("A", "C"))
    assert errors == {
        "autoscaler.toml: defaults.max_tasks": "'ten' is not a whole number",
        "autoscaler.toml: defaults.mode": "'on' is not one of active, scale_out_only, shadow",
    }


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("cluster = 'c'", "cluster"),
        ("intervall = '10s'", "intervall"),
        ("config_file = 'x'", "config_file"),
        ("rate_share = 0.25", "rate_share"),
        ("defaults = 5", "defaults"),
        ("services = []", "services"),
        ("services.b = 5", "services.b"),
        ("[services.'a b']", "services.a b"),
        ("[services.'a__b']", "services.a__b"),
        ("[defaults]\nscale_out = 5", "defaults.scale_out"),
        ("[defaults.scale_out]\ncool_down = '5s'", "defaults.scale_out.cool_down"),
        ("[defaults]\nscale_out_cooldown = '5s'", "defaults.scale_out_cooldown"),
        ("[defaults]\nMax_Tasks = 5", "defaults.Max_Tasks"),
        ("[defaults]\nmetrics = 5", "defaults.metrics"),
        ("[defaults]\nmetrics.lag.target = 5", "defaults.metrics"),
        ("[defaults]\nmetrics.lag = {target_per_task = 1, dimensions = {A = 5}}", "defaults.metrics"),
        ("[defaults]\nschedules = ['0 8 * * *']", "defaults.schedules"),
        ("[defaults]\nschedule = 'office'", "defaults.schedule"),
        ("[defaults]\nformula = 8", "defaults.formula"),
        ("caps = 5", "caps"),
        ("caps.database.most = 5", "caps"),
        ("fleet_cap_percent = 0", "fleet_cap_percent"),
        ("rate_share_percent = 0", "rate_share_percent"),
        ("metrics = {}", "metrics"),
        ("[defaults]\ncaps = {}", "defaults.caps"),
        ("[defaults]\nmax_tasks = {a = 1}", "defaults.max_tasks"),
        ("[defaults]\nmax_tasks = 1.5", "defaults.max_tasks"),
        ("[defaults]\nmax_tasks = true", "defaults.max_tasks"),
        ("[defaults]\ntolerance = nan", "defaults.tolerance"),
        ("[defaults]\nbacklog_per_task = inf", "defaults.backlog_per_task"),
        ("[defaults]\nqueues = 5", "defaults.queues"),
        ("[defaults]\nqueues = [{name = 'a', latency = '5m'}]", "defaults.queues"),
        ("[defaults]\nscale_out.limits = [{tasks = 1, per = 60}]", "defaults.scale_out.limits"),
        ("[defaults]\nacceptable_latency = 2026-01-01", "defaults.acceptable_latency"),
    ],
)
def test_an_error_in_a_file_names_its_key(environment: Any, text: str, where: str) -> None:
    assert f"autoscaler.toml: {where}" in problems(environment(text))


@pytest.mark.parametrize("text", ["a = ", "[a", "a=1\na=2", "= 5", "x = " + "[" * 5000])
def test_a_file_that_is_not_toml_is_rejected(environment: Any, text: Any) -> None:
    assert "invalid TOML" in problems(environment(text))["autoscaler.toml"]


def test_a_file_that_is_not_utf8_or_too_large_is_rejected(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = '\xff'")
    assert "UTF-8" in problems({"AUTOSCALER_CONFIG_FILE": str(binary)})["binary.toml"]
    binary.write_bytes(b"#" * 10_000_001)
    assert "larger" in problems({"AUTOSCALER_CONFIG_FILE": str(binary)})["AUTOSCALER_CONFIG_FILE"]


def test_an_unreadable_file_is_reported_at_the_variable_that_names_it(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.toml"):
        errors = problems({"AUTOSCALER_CONFIG_FILE": str(path)})
        assert "cannot be read" in errors["AUTOSCALER_CONFIG_FILE"]


def test_two_keys_of_a_file_that_differ_only_in_case_are_rejected(environment: Any) -> None:
    assert (
        "Use one spelling"
        in problems(environment(SERVICE + SERVICE.replace("services.b", "services.B")))["autoscaler.toml: services.B"]
    )


def test_a_missing_required_setting_is_reported_in_the_layer_of_the_service(environment: Any) -> None:
    assert "autoscaler.toml: services.b.cluster" in problems(environment("[services.b]\nmax_tasks = 5"))
    assert "AUTOSCALER_SERVICES__B__CLUSTER" in problems({"AUTOSCALER_SERVICES__B__MAX_TASKS": "5"})
    assert "AUTOSCALER_CLUSTER" in problems({"AUTOSCALER_MAX_TASKS": "5"})


@pytest.mark.parametrize("environ", [{}, {"PATH": "/bin"}])
def test_settings_without_a_service_are_an_error(environ: Any) -> None:
    assert "no service is configured" in problems(environ)["AUTOSCALER_SERVICE"]


def test_every_effective_value_has_its_origin(environment: Any) -> None:
    text = "http_port = 1\n[defaults]\ntolerance = 0.3\n" + SERVICE
    values = {"SERVICES__B__MAX_TASKS": "7", "DEFAULTS__MODE": "shadow", "SERVICES__B__ACCEPTABLE_LATENCY": "15s"}
    rows = {row.name: (row.value, row.origin) for row in effective(environment(text, **values))}
    assert rows["AUTOSCALER_HTTP_PORT"] == ("1", "autoscaler.toml: http_port")
    assert rows["AUTOSCALER_HTTP_HOST"] == ("127.0.0.1", "default")
    derived = "derived: a third of the shortest acceptable latency, 15s; shorter for a service if it pays"
    assert rows["AUTOSCALER_INTERVAL"] == ("5s", derived)
    assert rows["AUTOSCALER_SERVICES__B__MAX_TASKS"] == ("7", "AUTOSCALER_SERVICES__B__MAX_TASKS")
    assert rows["AUTOSCALER_SERVICES__B__TOLERANCE"] == ("0.3", "autoscaler.toml: defaults.tolerance")
    assert rows["AUTOSCALER_SERVICES__B__MODE"] == ("shadow", "AUTOSCALER_DEFAULTS__MODE")
    assert rows["AUTOSCALER_SERVICES__B__QUEUES"] == ("q", "autoscaler.toml: services.b.queues")


@pytest.mark.parametrize(
    ("written", "suggestion"), [("defualts", "defaults"), ("servcies", "services"), ("intervall", "interval")]
)
def test_a_mistyped_table_of_the_file_gets_a_suggestion(tmp_path: Path, written: str, suggestion: str) -> None:
    file = tmp_path / "autoscaler.toml"
    file.write_text(f"[{written}]\ncluster = 'prod'\n")
    with pytest.raises(ConfigError) as refused:
        load({"AUTOSCALER_CONFIG_FILE": str(file)})
    assert f"autoscaler.toml: {written}: unknown setting; did you mean {suggestion}?" in str(refused.value)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "autoscaler.toml"
    file.write_bytes(b"\xef\xbb\xbf[services.a]\ncluster='c'\nservice='s'\nmax_tasks=3\nqueues=['q']\n")
    assert [service.ref.key for service in load({"AUTOSCALER_CONFIG_FILE": str(file)}).services] == ["a"]


@pytest.mark.parametrize(
    "key", ["a" + ".a" * 30_000 + " = 1", "[" + "a." * 30_000 + "a]", "x" * 9 + ".x" * 21 + " = 1"]
)
def test_a_key_with_too_many_parts_is_rejected_before_parsing(environment: Any, key: str) -> None:
    assert problems(environment(SERVICE + key + "\n")) == {
        "autoscaler.toml": f"line {(SERVICE + key).count(chr(10)) + 1}: a key may have at most 20 dots"
    }


def test_dots_in_values_and_comments_are_not_counted_as_dots_of_a_key(environment: Any) -> None:
    text = SERVICE + "# " + "." * 500 + "\n" + 'formula = "' + "1.5 + " * 25 + '1.5"\n'
    assert only(load(environment(text))).policy.formula is not None


@pytest.mark.parametrize("table", ["defaults", "services.orders"])
@pytest.mark.parametrize("name", ["interval", "http_port"])
def test_a_setting_of_the_daemon_in_a_table_of_services_is_named_as_such(table: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "autoscaler.toml"
    path.write_text(f"[{table}]\n{name} = 9\n")
    with pytest.raises(ConfigError) as refused:
        load({"AUTOSCALER_CONFIG_FILE": str(path)})
    what = f"{table}.{name}: this is a setting of the daemon. Move it to the top of the file"
    assert what in str(refused.value)
