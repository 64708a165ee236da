"""Every command line on every page exists, and the ones that need neither AWS nor a daemon succeed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.config.names import key_of
from tests.docs.pages import PAGES, Command, commands

ALL = list({f"{each.variables} {each.words}": each for page in PAGES for each in commands(page)}.values())
SAFE = {"check", "completion", "dashboards", "decide", "init", "iam-policy", "settings"}
"""Commands that call neither AWS nor a daemon, and write only to the given folder."""

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
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files that the pages name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOSCALER_CONFIG_FILE", "autoscaler.toml")
    for name, text in {"autoscaler.toml": SETTINGS, "daemon.log": "", "load.csv": ""}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


MOST_SIMULATED = 1
"""The examples of `simulate` that are run, of those with a synthetic load, one policy and one setting: each takes eight
seconds of the processor. Of the others, the arguments are parsed.
"""


def is_run(command: Command) -> bool:
    """Return whether the test runs the command."""
    name, *words = command.words
    if name == "simulate":
        return command in SIMULATED
    return name in SAFE and (name != "dashboards" or "--out" in words)


def is_short(command: Command) -> bool:
    name, *words = command.words
    return name == "simulate" and "ours" in words and not {"--from-cloudwatch", "--sweep"} & {*words}


SIMULATED = [command for command in ALL if is_short(command)][:MOST_SIMULATED]


@pytest.mark.parametrize("command", ALL, ids=str)
def test_a_command_line_exists(command: Any, folder: Path) -> None:
    name, *words = command.words
    assert name in main.commands
    if words:  # a name alone is a mention
        assert main.commands[name].make_context(name, list(words)).params


@pytest.mark.parametrize("command", [each for each in ALL if is_run(each)], ids=str)
def test_a_command_line_without_aws_succeeds(command: Any, folder: Path) -> None:
    given = [] if command.words != ["init"] else ["--cluster", "prod", "--service", "orders", "--queues", "orders"]
    ended = CliRunner().invoke(main, [*command.words, *given], env=command.variables)
    assert ended.exit_code == 0, ended.output


def test_the_keys_in_the_commands_are_those_that_the_commands_and_variables_of_the_pages_create() -> None:
    services = [each.words[each.words.index("--service") + 1] for each in ALL if "--service" in each.words]
    assigned = [found for page in PAGES for found in re.findall(r"AUTOSCALER_SERVICE=([a-z-]+)", page.read_text())]
    created = {key_of(service) for service in (*services, *assigned)}
    named = {
        each.words[1]
        for each in ALL
        if each.words[0] in {"explain", "pause", "resume"} and each.words[1:] and not each.words[1].startswith("-")
    }
    assert named - {"KEY", "<key>", "key"} <= created


def test_pages_have_commands_that_are_run() -> None:
    assert len(ALL) > 50
    assert sum(map(is_run, ALL)) > 15
