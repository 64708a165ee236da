"""Each command has help with an example, a section in the docs, shell completion, and plain error messages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.cli.printing import PROGRAMS
from tests.cli.spoken import autoscaler, environ
from tests.operating.settings import LEAST

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(main.commands)
PROCESS_ONLY = {"run", "decide", "demo", "simulate", "replay", "completion"}
"""Commands whose output is a log, JSON lines, a picture, a file or a script."""


def help_of(name: str) -> str:
    result = CliRunner().invoke(main, [name, "--help"], prog_name="autoscaler")
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example_that_starts_with_the_command(name: Any) -> None:
    shown = help_of(name)
    assert re.search(r"(?:Examples?|which changes nothing):", shown), name
    assert f"autoscaler {name}" in shown.partition("\n\n")[2]


@pytest.mark.parametrize("name", sorted(set(NAMES) - PROCESS_ONLY))
def test_every_command_that_prints_a_report_has_a_json_option(name: Any) -> None:
    assert "--json" in help_of(name)


FILE = """
[services.mail]
cluster = "prod"
service = "mail-worker"
queues = ["mail"]
max_tasks = 9
"""


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_the_option_for_the_settings_file(name: Any) -> None:
    assert re.search(r"^ +--config FILE ", help_of(name), re.MULTILINE)
    result = CliRunner().invoke(main, [name, "--config", "nowhere.toml"])
    assert result.exit_code == 2
    assert "File 'nowhere.toml' does not exist" in result.stderr


def test_the_option_for_the_settings_file_overrides_the_variable_only_for_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mail", "refunds"):
        (tmp_path / f"{name}.toml").write_text(FILE.replace("mail", name))
    monkeypatch.setenv("AUTOSCALER_CONFIG_FILE", str(tmp_path / "refunds.toml"))
    for options, service in (["--config", str(tmp_path / "mail.toml")], "mail"), ([], "refunds"):
        result = CliRunner().invoke(main, ["check", "--json", *options])
        assert json.loads(result.stdout)["services"] == [service]
    before = CliRunner().invoke(main, ["--config", str(tmp_path / "mail.toml"), "check", "--json"])
    assert json.loads(before.stdout)["services"] == ["mail"], "the option can be before the command too"
    monkeypatch.delenv("AUTOSCALER_CONFIG_FILE")
    assert CliRunner().invoke(main, ["check", "--config", str(tmp_path / "mail.toml")]).exit_code == 0
    assert CliRunner().invoke(main, ["check"]).exit_code == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_a_section_in_the_docs(name: Any) -> None:
    assert f"\n## {name}\n" in (ROOT / "docs" / "commands.md").read_text() or name == "resume"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_AUTOSCALER_COMPLETE" in result.stdout


@pytest.mark.parametrize("script", PROGRAMS)
def test_help_version_and_completion_show_the_name_of_the_called_script(script: str) -> None:
    def shown(*words: str) -> str:
        place = Path(sysconfig.get_path("scripts")) / script
        return subprocess.run([place, *words], env=environ(), capture_output=True, text=True, check=True).stdout

    assert shown("--help").startswith(f"Usage: {script} [OPTIONS]")
    assert shown("check", "--help").startswith(f"Usage: {script} check ")
    assert shown("--version").startswith(f"{script}, version ")
    script_of_bash = shown("completion", "bash")
    assert f"_{script.replace('-', '_').upper()}_COMPLETE=bash_complete" in script_of_bash
    assert script_of_bash.rstrip().splitlines()[-1].strip("; ").endswith("_completion_setup")
    assert re.search(rf"complete -o nosort -F \w+ {script}$", script_of_bash, re.MULTILINE)


def test_the_package_declares_both_names_of_the_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == dict.fromkeys(PROGRAMS, "autoscaler.cli:main")
    assert project["name"] in PROGRAMS, "uvx and pipx run the command that has the package's name"


@pytest.mark.parametrize(
    ("words", "expected"),
    [("autoscaler pau", "pause"), ("autoscaler pause or", "orders"), ("autoscaler explain o", "orders")],
)
async def test_commands_and_the_keys_of_services_are_completed(words: str, expected: str) -> None:
    completion = {
        "_AUTOSCALER_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    ended = await autoscaler(**(LEAST | completion))
    assert ended.out.decode().split() == [f"plain,{expected}"]


async def test_the_keys_of_a_file_that_the_command_line_names_are_completed(tmp_path: Path) -> None:
    (tmp_path / "mail.toml").write_text(FILE)
    words = f"autoscaler explain --config {tmp_path / 'mail.toml'} m"
    completion = {"_AUTOSCALER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4"}
    assert (await autoscaler(**completion)).out.decode().split() == ["plain,mail"]


async def test_with_invalid_settings_no_key_is_completed_and_nothing_is_printed() -> None:
    completion = {"_AUTOSCALER_COMPLETE": "bash_complete", "COMP_WORDS": "autoscaler pause o", "COMP_CWORD": "2"}
    ended = await autoscaler(AUTOSCALER_SERVICE="orders", **completion)
    assert (ended.out.strip(), ended.err) == (b"", "")


@pytest.mark.parametrize("command", ["completion bash", "check", "iam-policy", "dashboards --json --out "])
def test_a_failed_write_to_stdout_is_reported_in_a_sentence(command: str, tmp_path: Path) -> None:
    line = f"{sys.executable} -m autoscaler {command}{tmp_path if command.endswith(' ') else ''} >/dev/full"
    ended = subprocess.run(line, shell=True, env=environ(**LEAST), capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "Reading the input or writing the output failed: No space left on device\n"


@pytest.mark.parametrize(
    ("mode", "is_reported"), [({}, True), ({"AUTOSCALER_MODE": "shadow"}, True), ({"AUTOSCALER_MODE": "active"}, False)]
)
def test_check_reports_how_to_activate_a_service_in_shadow(mode: Any, is_reported: bool) -> None:
    settings = {"CLUSTER": "prod", "SERVICE": "orders", "QUEUES": "orders", "MAX_TASKS": "9"}
    env = {f"AUTOSCALER_{name}": value for name, value in settings.items()} | mode
    for options in ([], ["--json"]):
        result = CliRunner().invoke(main, ["check", *options], env=env)
        assert result.exit_code == 0
        assert ("set AUTOSCALER_MODE=active" in result.stdout) is is_reported
        assert ("`mode` is not set" in result.stdout) is (mode == {})


def test_check_names_the_clusters_where_services_are_discovered() -> None:
    result = CliRunner().invoke(main, ["check"], env={"AUTOSCALER_DISCOVER_CLUSTERS": "prod,test"})
    assert result.stdout == "Settings are valid: services are discovered in prod, test\n"
