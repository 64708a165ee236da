"""Every command line on every page is one that there is, and those that ask nobody end well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from tests.docs.pages import PAGES, Command, commands

ALL = list({f"{each.variables} {each.words}": each for page in PAGES for each in commands(page)}.values())
SAFE = {"check", "completion", "dashboards", "decide", "init", "iam-policy", "settings"}
"""They ask neither AWS nor a daemon, and write only where they are told to."""

SETTINGS = """
[defaults]
cluster = "prod"
region = "eu-west-1"
max_tasks = 20

[services.orders]
queues = ["arn:aws:sqs:eu-west-1:123456789012:orders"]
service = "orders"

[services.orders-worker]
queues = ["mail"]
service = "orders-worker"
mode = "shadow"

[services.elsewhere]
queues = ["refunds"]
service = "elsewhere"
role_arn = "arn:aws:iam::999999999999:role/autoscaler"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOSCALER_CONFIG_FILE", "autoscaler.toml")
    for name, text in {"autoscaler.toml": SETTINGS, "daemon.log": "", "load.csv": ""}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def is_run(command: Command) -> bool:
    """`simulate` is among them where it makes its load, and plays one policy on one setting."""
    name, *words = command.words
    if name == "simulate":
        return "ours" in words and not {"--from-cloudwatch", "--sweep"} & {*words}
    return name in SAFE and (name != "dashboards" or "--out" in words)


@pytest.mark.parametrize("command", ALL, ids=str)
def test_a_command_line_is_one_that_there_is(command: Any, place: Path) -> None:
    name, *words = command.words
    assert name in main.commands
    if words:  # a name alone is a mention
        assert main.commands[name].make_context(name, list(words)).params


@pytest.mark.parametrize("command", [each for each in ALL if is_run(each)], ids=str)
def test_a_command_line_that_asks_nobody_ends_well(command: Any, place: Path) -> None:
    given = [] if command.words != ["init"] else ["--cluster", "prod", "--service", "orders", "--queues", "orders"]
    ended = CliRunner().invoke(main, [*command.words, *given], env=command.variables)
    assert ended.exit_code == 0, ended.output


def test_there_are_pages_with_commands_that_are_run() -> None:
    assert len(ALL) > 50
    assert sum(map(is_run, ALL)) > 15
