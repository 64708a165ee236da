"""A service without a mode is in shadow, and the reported way to activate it works in every style of settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoscaler.config import find, load, notes, shadow_note, shadow_notes
from autoscaler.config.discovering import TaggedService, discovered
from autoscaler.config.model import ServiceConfig
from autoscaler.core.policy import Mode

FLAT = {
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "orders",
    "AUTOSCALER_MAX_TASKS": "9",
    "AUTOSCALER_ACCEPTABLE_LATENCY": "5m",
}
MANY = {name.replace("AUTOSCALER_", "AUTOSCALER_SERVICES__Orders-x__"): value for name, value in FLAT.items()}
FILE = '[services.Orders-x]\ncluster = "prod"\nservice = "orders"\nqueues = ["orders"]\nmax_tasks = 9\n'


@dataclass
class Style:
    """A way to configure one service. If `tags` is empty, the service is configured by name."""

    variables: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def service(self, folder: Path) -> ServiceConfig:
        path = folder / "a.toml"
        path.write_text(self.file)
        environ = {**self.variables} | ({"AUTOSCALER_CONFIG_FILE": str(path)} if self.file else {})
        if self.tags:
            tags = {f"autoscaler:{name}": value for name, value in self.tags.items()}
            return discovered(TaggedService("prod", "orders", tags), find(environ))
        [service] = load(environ).services
        return service

    def activated(self, how: str) -> Style:
        """Return this style after the instruction `how` is applied."""
        if variable := re.fullmatch(r"set (\S+)=active", how):
            return Style({**self.variables, variable[1]: "active"}, self.file, self.tags)
        if place := re.fullmatch(r'set mode = "active" \(a\.toml: (.+)\.mode\)', how):
            lines = re.sub(rf"(?m)^\[{re.escape(place[1])}\]$", rf'[{place[1]}]\nmode = "active"', self.file)
            lines = re.sub(r'(mode = "active"\n(?:.+\n)*?)mode = "shadow"\n', r"\1", lines)
            return Style(self.variables, lines, self.tags)
        assert "in the profile of the settings file that its tag autoscaler:profile names" in how
        tags = {name: value for name, value in self.tags.items() if name != "mode"}
        return Style(self.variables, f'{self.file}[profiles.new]\nmode = "active"\n', tags | {"profile": "new"})


TAGS = {"queues": "orders", "max_tasks": "9"}
CLUSTERS = 'discover_clusters = ["prod"]\n'
SHADOW, PROFILE = 'mode = "shadow"\n', "[profiles.batch]\nmax_tasks = 9\n"
STYLES = {
    "flat": (Style(FLAT), True, "set AUTOSCALER_MODE=active"),
    "flat, set": (Style(FLAT | {"AUTOSCALER_MODE": "shadow"}), False, "set AUTOSCALER_MODE=active"),
    "many": (Style(MANY), True, "set AUTOSCALER_SERVICES__Orders-x__MODE=active"),
    "many, by defaults": (
        Style(MANY | {"AUTOSCALER_DEFAULTS__MODE": "shadow"}),
        False,
        "set AUTOSCALER_SERVICES__Orders-x__MODE=active",
    ),
    "file": (Style(file=FILE), True, 'set mode = "active" (a.toml: services.Orders-x.mode)'),
    "file, set": (Style(file=FILE + SHADOW), False, 'set mode = "active" (a.toml: services.Orders-x.mode)'),
    "file, by defaults": (
        Style(file=f"[defaults]\n{SHADOW}{FILE}"),
        False,
        'set mode = "active" (a.toml: services.Orders-x.mode)',
    ),
    "file, overridden by a variable": (
        Style({"AUTOSCALER_SERVICES__ORDERS_X__MODE": "shadow"}, FILE),
        False,
        "set AUTOSCALER_SERVICES__ORDERS_X__MODE=active",
    ),
    "file, and a variable's defaults": (
        Style({"AUTOSCALER_DEFAULTS__MODE": "shadow"}, FILE),
        False,
        'set mode = "active" (a.toml: services.Orders-x.mode)',
    ),
    "tags": (Style(file=CLUSTERS, tags=TAGS), True, None),
    "tags with a mode": (Style(file=CLUSTERS, tags=TAGS | {"mode": "shadow"}), False, None),
    "tags, and defaults with a mode": (Style(file=f'{CLUSTERS}[defaults]\nmode = "active"\n', tags=TAGS), True, None),
    "tags and a profile": (Style(file=CLUSTERS + PROFILE, tags=TAGS | {"profile": "batch"}), True, None),
    "a profile with a mode": (
        Style(file=CLUSTERS + PROFILE + SHADOW, tags=TAGS | {"profile": "batch"}),
        False,
        'set mode = "active" (a.toml: profiles.batch.mode)',
    ),
}


@pytest.mark.parametrize(("style", "is_default", "how"), STYLES.values(), ids=STYLES.keys())
def test_the_reported_way_to_activate_a_service_activates_it(
    style: Style, is_default: bool, how: str | None, tmp_path: Path
) -> None:
    service = style.service(tmp_path)
    assert (service.policy.mode, service.mode_setting.is_default) == (Mode.SHADOW, is_default)
    assert service.activation is not None
    assert how in {None, service.activation}
    note = shadow_note(service)
    assert note is not None
    assert service.activation in note
    assert ("`mode` is not set" in note) is is_default
    after = style.activated(service.activation).service(tmp_path)
    assert (after.policy.mode, after.activation, shadow_note(after)) == (Mode.ACTIVE, None, None)


@pytest.mark.parametrize("mode", [Mode.ACTIVE, Mode.SCALE_OUT_ONLY])
def test_a_service_that_is_not_in_shadow_has_no_shadow_note(mode: Mode) -> None:
    assert shadow_notes(load(FLAT | {"AUTOSCALER_MODE": mode})) == ()


def test_every_service_in_shadow_has_a_shadow_note_which_is_separate_from_other_notes() -> None:
    other = {"CLUSTER": "prod", "SERVICE": "b", "QUEUES": "b", "MAX_TASKS": "9", "ACCEPTABLE_LATENCY": "5m"}
    config = load(MANY | {f"AUTOSCALER_SERVICES__B__{name}": value for name, value in other.items()})
    assert [note.partition(":")[0] for note in shadow_notes(config)] == ["b", "orders-x"]
    assert not set(notes(config)) & set(shadow_notes(config))


def test_equality_of_services_ignores_how_the_mode_is_set() -> None:
    assert load(FLAT) == load(FLAT | {"AUTOSCALER_MODE": "shadow"})
