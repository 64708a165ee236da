"""`dashboards` writes files to a folder, with an alarm for each configured queue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from autoscaler.cli import main
from autoscaler.monitoring import files

SETTINGS = {
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders-worker",
    "AUTOSCALER_QUEUES": "orders",
    "AUTOSCALER_MAX_TASKS": "20",
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def run(out: Path, *options: str, **settings: str) -> Result:
    return CliRunner().invoke(main, ["dashboards", "--out", str(out), *options], env=settings)


def test_without_settings_the_alarm_has_parameters(tmp_path: Path) -> None:
    result = run(tmp_path / "new" / "folder")
    assert result.exit_code == 0
    assert "one queue, which its parameters set" in result.stderr
    assert {path.name: path.read_text() for path in (tmp_path / "new" / "folder").iterdir()} == files(None)


def test_with_settings_there_is_an_alarm_for_each_queue(tmp_path: Path) -> None:
    result = run(tmp_path, **SETTINGS)
    assert result.exit_code == 0
    assert "OrdersOldestMessage" in (tmp_path / "queue-alarms.yaml").read_text()
    assert result.stdout.splitlines() == [str(tmp_path / path.name) for path in map(Path, result.stdout.split())]


def test_with_json_stdout_is_only_json(tmp_path: Path) -> None:
    names = json.loads(run(tmp_path, "--json").stdout)["files"]
    assert all(Path(name).is_file() for name in names)
    assert len(names) == 5


def test_invalid_settings_exit_with_2_and_nothing_is_written(tmp_path: Path) -> None:
    result = run(tmp_path / "new", **SETTINGS | {"AUTOSCALER_MAX_TASKS": "ten"})
    assert result.exit_code == 2
    assert "AUTOSCALER_MAX_TASKS" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(tmp_path / "file" / "folder")
    assert result.exit_code == 2
    assert "--out" in result.stderr
    assert "Choose a writable directory" in result.stderr


RUNBOOK = "https://docs.example.com/autoscaler/runbook.html"


def test_with_the_address_of_the_runbook_alerts_alarms_and_dashboards_have_links(tmp_path: Path) -> None:
    result = run(tmp_path, "--runbook-url", RUNBOOK, **SETTINGS)
    assert (result.exit_code, "--runbook-url" in result.stderr) == (0, False)
    assert f'runbook_url: "{RUNBOOK}#autoscalerslomissed"' in (tmp_path / "rules.yml").read_text()
    assert f"{RUNBOOK}#oldest-message" in (tmp_path / "queue-alarms.yaml").read_text()
    assert f'"url": "{RUNBOOK}"' in (tmp_path / "autoscaler-fleet.json").read_text()


def test_without_the_address_the_command_says_that_alerts_have_no_link(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert "No --runbook-url: the alerts name their section of docs/runbook.md and have no link." in result.stderr
    assert "runbook_url" not in (tmp_path / "rules.yml").read_text()


@pytest.mark.parametrize(
    "url",
    [
        "docs/runbook.md",
        "ftp://docs.example.com/runbook",
        "javascript:alert(1)",
        "https://",
        "https:///runbook",
        "https://docs.example.com/a runbook",
        "https://docs.example.com/runbook\n",
        "https://docs.example.com/runbook#top",
        "https://user:secret@docs.example.com/runbook",
        'https://docs.example.com/"',
        "https://docs.example.com/{{ .Values }}",
        "",
    ],
)
def test_an_invalid_address_is_an_error_and_nothing_is_written(tmp_path: Path, url: str) -> None:
    result = run(tmp_path / "new", "--runbook-url", url)
    assert result.exit_code == 2
    assert "is not the address of a page: http:// or https://" in " ".join(result.stderr.split())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/runbook.html", "http://[::1]:80/r", "https://wiki.example.com/x?page=7&v=1", RUNBOOK]
)
def test_addresses_of_pages_are_accepted(tmp_path: Path, url: str) -> None:
    assert run(tmp_path, "--runbook-url", url).exit_code == 0
