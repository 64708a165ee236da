"""Each service contains its configured values and their origins, so that the status page can show them."""

from __future__ import annotations

from pathlib import Path

from autoscaler.config import Chosen, defaults, load
from autoscaler.config.fields import ServiceFields
from autoscaler.config.groups import leaves

FLAT = {
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "a,b=5m",
    "AUTOSCALER_MAX_TASKS": "9",
}


def chosen(environ: dict[str, str]) -> dict[str, tuple[str, str]]:
    (service,) = load(environ).services
    return {one.name: (one.value, one.origin) for one in service.chosen}


def test_only_configured_values_are_listed_with_their_origin() -> None:
    assert chosen(FLAT | {"AUTOSCALER_SCALE_IN__COOLDOWN": "90s"}) == {
        "cluster": ("prod", "AUTOSCALER_CLUSTER"),
        "service": ("orders", "AUTOSCALER_SERVICE"),
        "queues": ('["a", {"name": "b", "acceptable_latency": "300s"}]', "AUTOSCALER_QUEUES"),
        "max_tasks": ("9", "AUTOSCALER_MAX_TASKS"),
        "scale_in.cooldown": ("90s", "AUTOSCALER_SCALE_IN__COOLDOWN"),
    }


def test_the_origin_of_a_value_in_the_file_is_the_file_and_the_key(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        '[defaults]\ntolerance = 0.2\n[services.orders]\ncluster="c"\nservice="s"\nqueues=["q"]\nmax_tasks=3\n'
    )
    values = chosen({"AUTOSCALER_CONFIG_FILE": str(file), "AUTOSCALER_SERVICES__ORDERS__MAX_TASKS": "4"})
    assert values["tolerance"] == ("0.2", "a.toml: defaults.tolerance")
    assert values["max_tasks"] == ("4", "AUTOSCALER_SERVICES__ORDERS__MAX_TASKS")


def test_equality_of_services_ignores_origins() -> None:
    assert load(FLAT) == load(FLAT | {"AUTOSCALER_TOLERANCE": "0.1"})


def test_the_defaults_name_every_setting() -> None:
    assert [one.name for one in defaults()] == [".".join(leaf.path) for leaf in leaves(ServiceFields)]
    assert Chosen("scale_in.stabilization", "20s", "default") in defaults()
