"""A text that names variables names the file and the key where the setting is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.config import find
from autoscaler.config.loading import LoadedSettings
from autoscaler.config.locating import located, located_in

FILE = """
rate_share_percent = 50
[defaults]
cluster = "prod"
max_tasks = 5
[services.orders]
service = "orders-worker"
queues = ["orders"]
[services.mail]
service = "mail"
queues = ["mail"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> LoadedSettings:
    (tmp_path / "a.toml").write_text(FILE)
    return find({"AUTOSCALER_CONFIG_FILE": str(tmp_path / "a.toml"), "AUTOSCALER_SERVICES__MAIL__SERVICE": "mailer"})


@pytest.mark.parametrize(
    ("name", "key", "place"),
    [
        ("AUTOSCALER_SERVICE", "orders", "services.orders.service in a.toml"),
        ("AUTOSCALER_SERVICE", "mail", "AUTOSCALER_SERVICES__MAIL__SERVICE"),
        ("AUTOSCALER_CLUSTER", "mail", "defaults.cluster in a.toml"),
        ("AUTOSCALER_REGION", "orders", "services.orders.region in a.toml"),
        ("AUTOSCALER_SCALE_IN__COOLDOWN", "orders", "services.orders.scale_in.cooldown in a.toml"),
        ("AUTOSCALER_RATE_SHARE_PERCENT", "orders", "rate_share_percent in a.toml"),
        ("AUTOSCALER_RATE_SHARE_PERCENT", None, "rate_share_percent in a.toml"),
        ("AUTOSCALER_INTERVAL", "orders", "AUTOSCALER_INTERVAL"),
        ("AUTOSCALER_SERVICE", None, "AUTOSCALER_SERVICE"),
        ("AUTOSCALER_SERVICE", "found-by-tag", "AUTOSCALER_SERVICE"),
        ("AUTOSCALER_UNKNOWN", "orders", "AUTOSCALER_UNKNOWN"),
        ("AUTOSCALER_SERVICES__<KEY>__SERVICE", "orders", "AUTOSCALER_SERVICES__<KEY>__SERVICE"),
        ("AUTOSCALER_MODE=active", "orders", "AUTOSCALER_MODE=active"),
    ],
)
def test_a_variable_becomes_the_place_where_its_setting_is_written(
    settings: LoadedSettings, name: str, key: str | None, place: str
) -> None:
    assert located(f"check {name}, and the Region", settings, key) == f"check {place}, and the Region"


def test_variables_of_a_single_service_stay() -> None:
    names = {"CLUSTER": "prod", "SERVICE": "orders", "QUEUES": "orders", "MAX_TASKS": "9"}
    settings = find({f"AUTOSCALER_{name}": value for name, value in names.items()})
    text = "check AUTOSCALER_CLUSTER, AUTOSCALER_SERVICE and the Region"
    assert located(text, settings, "orders") == located(text, settings) == text


def test_every_text_of_a_json_value_is_located_except_those_of_a_situation(settings: LoadedSettings) -> None:
    of = {
        "a": ["AUTOSCALER_CLUSTER", 1, None],
        "b": {"c": "AUTOSCALER_CLUSTER"},
        "situation": {"d": "AUTOSCALER_CLUSTER"},
    }
    place = "defaults.cluster in a.toml"
    assert located_in(of, settings, "orders") == {
        "a": [place, 1, None], "b": {"c": place}, "situation": {"d": "AUTOSCALER_CLUSTER"},
    }  # fmt: skip
