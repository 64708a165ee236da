"""Every example of settings sets the mode of each of its services, and does not rely on the default."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.config import find, load
from autoscaler.config.model import Config
from autoscaler.demo.load import synthetic_load
from autoscaler.demo.play import settings_of
from tests.deploy.stack import REQUIRED, deployed, filled_in
from tests.docs.pages import ASSIGNED, PAGES, ROOT, blocks

NAMES_A_SERVICE = re.compile(r"AUTOSCALER_(?:SERVICES__\w+__|DEFAULTS__)?MAX_TASKS\b|^\[services\.", re.MULTILINE)
YAML = re.compile(r"Name: (AUTOSCALER_[A-Z_]+), Value: \"?([^\"}]+)\"?\}")
SPELT = re.compile(r"\bAUTOSCALER_[A-Z_]+=\S+")


class Example(NamedTuple):
    """Settings from one place: variables, or the text of a file."""

    place: str
    variables: Mapping[str, str]
    file: str = ""

    def __str__(self) -> str:
        return self.place


def of_block(place: str, language: str, text: str) -> Example:
    """Return the settings in a block of a page: a file, the environment of a task, or assignments."""
    if language == "toml":
        return Example(place, {}, text)
    if pairs := YAML.findall(text):
        return Example(place, dict(pairs))
    lines = (ASSIGNED.match(line.strip()) for line in text.splitlines())
    return Example(place, {one[1]: shlex.split(one[2], comments=True)[0] for one in lines if one})


def in_pages() -> Iterator[Example]:
    for page in PAGES:
        for block in blocks(page):
            if NAMES_A_SERVICE.search(block.text):
                yield of_block(str(block), block.language, block.text)


def in_config() -> Iterator[Example]:
    for path in sorted((ROOT / "config").iterdir()):
        text = path.read_text()
        if path.suffix == ".toml":
            yield Example(f"config/{path.name}", {}, text)
        else:
            lines = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
            yield Example(f"config/{path.name}", {name: value for name, _, value in lines})


def in_deploy() -> Iterator[Example]:
    [container] = deployed(REQUIRED)["TaskDefinition"]["ContainerDefinitions"]
    yield Example("deploy/cloudformation.yaml", {one["Name"]: one["Value"] for one in container["Environment"]})
    [container] = json.loads(filled_in("task-definition.json"))["containerDefinitions"]
    yield Example("deploy/task-definition.json", {one["name"]: one["value"] for one in container["environment"]})


def in_help() -> Iterator[Example]:
    for name, command in {"": main, **main.commands}.items():
        text = (command.help or "").replace("\\\n", " ")
        for line in text.splitlines():
            if NAMES_A_SERVICE.search(line):
                yield Example(f"autoscaler {name} --help", dict(pair.split("=", 1) for pair in SPELT.findall(line)))


EXAMPLES = [
    *in_pages(), *in_config(), *in_deploy(), *in_help(),
    Example("the demo", settings_of(synthetic_load(20, 0), 1)),
]  # fmt: skip


def read(example: Example, folder: Path) -> Config:
    path = folder / "autoscaler.toml"
    path.write_text(example.file)
    return load({**example.variables} | ({"AUTOSCALER_CONFIG_FILE": str(path)} if example.file else {}))


def unnamed(config: Config) -> list[str]:
    """Return the keys of the services without a configured mode."""
    return [each.ref.key for each in config.services if each.mode_setting.is_default]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_names_the_mode_of_each_service(example: Any, tmp_path: Path) -> None:
    config = read(example, tmp_path)
    assert config.services
    assert unnamed(config) == []


def test_an_example_of_discovery_names_the_mode_in_each_profile(tmp_path: Path) -> None:
    files = [block.text for page in PAGES for block in blocks(page) if "discover_clusters" in block.text]
    files = [text for text in files if "[profiles." in text]
    assert files
    for text in files:
        (tmp_path / "a.toml").write_text(text)
        profiles = find({"AUTOSCALER_CONFIG_FILE": str(tmp_path / "a.toml")}).whole.profiles
        assert all("mode" in profile for profile in profiles.values()), text


def test_init_names_the_mode_in_the_file_and_in_the_task(tmp_path: Path) -> None:
    options = ["--cluster", "prod", "--service", "orders", "--queues", "orders", "--out", str(tmp_path / "made")]
    ended = CliRunner().invoke(main, ["init", *options], env={"AWS_REGION": "eu-west-1"})
    assert ended.exit_code == 0, ended.output
    [container] = json.loads((tmp_path / "made" / "task-definition.json").read_text())["containerDefinitions"]
    task = Example("init's task", {one["name"]: one["value"] for one in container["environment"]})
    file = Example("init's file", {}, (tmp_path / "made" / "autoscaler.toml").read_text())
    assert [unnamed(read(example, tmp_path)) for example in (task, file)] == [[], []]


def test_every_place_has_examples_and_a_missing_mode_is_detected(tmp_path: Path) -> None:
    places = " ".join(map(str, EXAMPLES))
    for name in ("settings.md", "migrating.md", "deploying.md", "many-services.env", "--help", "demo"):
        assert name in places
    without = EXAMPLES[0]._replace(variables={"AUTOSCALER_CLUSTER": "c", "AUTOSCALER_SERVICE": "s",
        "AUTOSCALER_QUEUES": "q", "AUTOSCALER_MAX_TASKS": "2"}, file="")  # fmt: skip
    assert unnamed(read(without, tmp_path)) == ["s"]
