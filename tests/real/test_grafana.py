"""The dashboards have the types of Grafana's schema. Requires npm: `make test-real`."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.real.grafana import PACKAGES, errors, install, written

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of Grafana and TypeScript."""
    installed = tmp_path_factory.mktemp("grafana")
    install(installed, *PACKAGES)
    return installed


def test_the_dashboards_have_the_types_of_grafanas_schema(folder: Path) -> None:
    assert errors(folder, written()) == ""


def _first(dashboards: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(panel for panel in dashboards[0]["panels"] if panel["type"] == kind)


def test_a_wrong_name_or_value_is_found(folder: Path) -> None:
    wrong = deepcopy(written())
    _first(wrong, "stat")["options"]["colorMode"] = "values"
    _first(wrong, "timeseries")["fieldConfig"]["defaults"]["custom"]["fillOpacities"] = 5
    _first(wrong, "table")["options"]["sortBy"][0]["descending"] = True
    wrong[0]["refreshed"] = "30s"
    found = errors(folder, wrong)
    assert all(name in found for name in ('"values"', "fillOpacities", "descending", "refreshed")), found
