"""`init` prompts on a terminal and requires options elsewhere. It overwrites files only with --force."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.operating.starting import InitAnswers, steps
from tests.cli.terminal import on_a_terminal

NAMES = {
    "autoscaler.toml", "iam-policy.json", "trust-policy.json", "task-definition.json", "service.json", "rules.yml",
    "README.md",
}  # fmt: skip
GIVEN = ["--cluster", "prod", "--service", "orders", "--queues", "orders,refunds"]
REGION = "us-gov-west-1"
ANSWERS = InitAnswers("prod", "orders", ("orders", "refunds"), 60.0, 9, REGION)
BARE = {"AWS_REGION": None, "AWS_DEFAULT_REGION": None}


def init(place: Path, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["init", *arguments, "--out", str(place)], env=BARE)
    return result.exit_code, result.stdout, result.stderr


async def test_there_are_six_prompts_on_a_terminal_and_an_invalid_answer_repeats_its_prompt(tmp_path: Path) -> None:
    answers = b"prod\norders-worker\nno queue!\norders\n90\n90s\nlong\n40s\n\n"
    ended = await on_a_terminal("init", "--out", str(tmp_path / "setup"), typed=answers)
    assert ended.code == 0, ended.text
    assert ended.text.count("?") >= 6
    assert "is not a queue" in ended.text
    assert "has no unit" in ended.text
    settings = (tmp_path / "setup" / "autoscaler.toml").read_text()
    assert 'acceptable_latency = "90s"' in settings
    assert 'processing_time = "40s"' in settings
    assert "max_tasks = 10" in settings
    assert {path.name for path in (tmp_path / "setup").iterdir()} == NAMES


def test_with_options_there_is_no_prompt_and_the_next_steps_are_printed(tmp_path: Path) -> None:
    code, out, err = init(tmp_path / "setup", *GIVEN)
    assert (code, err) == (0, "")
    assert out.count("wrote ") == len(NAMES)
    assert "autoscaler doctor" in out
    assert "scale_out_only" in out


@pytest.mark.parametrize(("given", "settings"), [((), ""), (("unknown",), ""), (("2m",), 'processing_time = "120s"')])
def test_an_unknown_processing_time_is_not_set(tmp_path: Path, given: tuple[str, ...], settings: str) -> None:
    options = ["--processing-time", *given] if given else []
    assert init(tmp_path / "setup", *GIVEN, *options)[0] == 0
    written = (tmp_path / "setup" / "autoscaler.toml").read_text()
    assert settings in written
    assert ("processing_time" in written) == bool(settings)
    assert ("PROCESSING_TIME" in (tmp_path / "setup" / "task-definition.json").read_text()) == bool(settings)


def test_with_json_the_output_is_the_files_and_the_steps(tmp_path: Path) -> None:
    code, out, _ = init(tmp_path / "setup", *GIVEN, "--json")
    assert code == 0
    output = json.loads(out)
    assert {Path(name).name for name in output["files"]} == NAMES
    assert {"text", "commands"} == {key for step in output["next"] for key in step}


async def test_the_pasted_command_of_the_readme_asks_nothing_on_a_terminal(tmp_path: Path) -> None:
    """The line that is pasted after it would be the answer, and would not be run."""
    typed = b"export AUTOSCALER_CONFIG_FILE=x\n"
    ended = await on_a_terminal("init", *GIVEN, "--out", str(tmp_path / "setup"), typed=typed, AWS_REGION=REGION)
    assert ended.code == 0, ended.text
    assert "?" not in ended.text.partition("Next:")[0].replace("export AUTOSCALER_CONFIG_FILE=x", "")


@pytest.mark.parametrize("columns", [40, 80, 160])
async def test_a_shell_accepts_every_command_that_is_printed_on_a_terminal_or_in_the_readme(
    tmp_path: Path, columns: int
) -> None:
    options = ["--max-tasks", "9", "--acceptable-latency", "60s", "--processing-time", "unknown"]
    region = ["--region", REGION, "--arch", "arm64"]
    ended = await on_a_terminal(
        "init", *GIVEN, *options, *region, "--out", str(tmp_path / "set up"), columns=columns, NO_COLOR="1"
    )
    assert ended.code == 0, ended.text
    shown = ended.text.replace("\r\n", "\n").partition("Next:")[2]
    printed = "\n".join(re.findall(r"^    ((?:cd|aws|autoscaler) (?:.*\\\n)*.*)$", shown, re.MULTILINE))
    expected = 1 + len([command for step in steps(ANSWERS) for command in step.commands])
    assert len(re.findall("^(?:cd|aws|autoscaler) ", printed, re.MULTILINE)) == expected
    readme = (tmp_path / "set up" / "README.md").read_text()
    blocks = "".join(re.findall(r"^ +```sh\n(.*?)^ +```$", readme, re.MULTILINE | re.DOTALL))
    for script in (printed, blocks):
        checked = await asyncio.to_thread(
            subprocess.run, ["bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")
        words = [shlex.split(line) for line in script.replace("\\\n", " ").splitlines()]
        assert {tuple(line)[:1] for line in words} <= {("cd",), ("aws",), ("autoscaler",)}
        assert ["aws", "ecs", "create-service", "--cli-input-json", "file://service.json", "--region", REGION] in words


def test_the_default_folder_is_not_the_python_package_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["init", *GIVEN], env=BARE)
    assert result.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["autoscaler-deploy"]


def test_without_a_terminal_all_missing_options_are_reported_together(tmp_path: Path) -> None:
    code, _, err = init(tmp_path / "setup", "--service", "orders")
    assert code == 2
    assert "Pass --cluster and --queues" in err
    assert not (tmp_path / "setup").exists()


def test_files_are_overwritten_only_with_force(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    code, _, err = init(tmp_path, *GIVEN)
    assert code == 2
    assert "already contains README.md" in err
    assert {path.name for path in tmp_path.iterdir()} == {"README.md"}
    assert (tmp_path / "README.md").read_text() == "mine"
    assert init(tmp_path, *GIVEN, "--force")[0] == 0
    assert (tmp_path / "README.md").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--queues", "no queue!"], "is not a queue"),
        (["--queues", ","], "contains no queue"),
        (["--max-tasks", "0"], "0 is not in the range"),
        (["--acceptable-latency", "90"], "has no unit"),
        (["--processing-time", "soon"], "is not a duration"),
        (["--processing-time", "0s"], "init: --processing-time: "),
        (["--account", "1"], "twelve digits"),
        (["--cluster", "no cluster!"], "init: --cluster: "),
        (["--region", "nowhere"], "init: --region: "),
    ],
)
def test_invalid_options_exit_with_2_and_nothing_is_written(tmp_path: Path, arguments: Any, message: str) -> None:
    code, _, err = init(tmp_path / "setup", *GIVEN, *arguments)
    assert code == 2
    assert message in err
    assert not (tmp_path / "setup").exists()


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code, _, err = init(tmp_path / "file" / "setup", *GIVEN)
    assert code == 2
    assert "Choose another directory" in err
