"""Every setting on every page exists, and every example of settings is accepted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import Config, find, load, reference, waking_notes
from autoscaler.config.discovering import TaggedService, discovered
from autoscaler.config.fields import GlobalFields
from autoscaler.errors import ConfigError
from tests.docs.pages import ASSIGNED, PAGES, SPAN, blocks, name_of, prose

KNOWN = {row.variable for row in reference()}
PLACEHOLDERS = {"AUTOSCALER_NAME", "AUTOSCALER_SERVICES__<KEY>__NAME", "AUTOSCALER_DEFAULTS__NAME"}
"""Placeholders on the page of all settings."""

GROUP = re.compile(r"_SERVICES__(?:<KEY>|[A-Z_]+?)__|_DEFAULTS__")

OURS = [block for page in PAGES for block in blocks(page)]
FILES = [block for block in OURS if block.language == "toml"]
VARIABLES = [block for block in OURS if "AUTOSCALER_MAX_TASKS=" in block.text or "__MAX_TASKS=" in block.text]
SAID = sorted({(name_of(page), span) for page in PAGES for span in SPAN.findall(prose(page))})
WORDS = [(page, span) for page, span in SAID if re.fullmatch(r"(?!ignore_changes)[a-z][a-z_.]+ = [^<>]+", span)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_is_a_setting(page: Any) -> None:
    named = set(re.findall(r"AUTOSCALER_[A-Z0-9_]+(?:<[A-Z]+>[A-Z0-9_]+)?", page.read_text())) - PLACEHOLDERS
    assert {GROUP.sub("_", name) for name in named if not name.endswith("__")} <= KNOWN


@pytest.mark.parametrize("block", FILES, ids=str)
def test_a_file_is_accepted(block: Any, tmp_path: Path) -> None:
    assert loaded(block.text, tmp_path)


@pytest.mark.parametrize("block", [block for block in FILES if block.page == "docs/examples.md"], ids=str)
def test_an_example_can_meet_its_latency_target_with_the_first_message(block: Any, tmp_path: Path) -> None:
    assert waking_notes(loaded(block.text, tmp_path)) == ()


@pytest.mark.parametrize("block", VARIABLES, ids=str)
def test_variables_are_accepted(block: Any) -> None:
    matches = [ASSIGNED.match(line.strip()) for line in block.text.splitlines()]
    assigned = {match[1]: match[2] for match in matches if match}
    assert load({name: shlex.split(value, comments=True)[0] for name, value in assigned.items()}).services


@pytest.mark.parametrize(("page", "span"), WORDS)
def test_a_setting_in_a_sentence_is_accepted(page: Any, span: Any, tmp_path: Path) -> None:
    name = span.partition(" ")[0]
    least = {"cluster": '"prod"', "service": '"w"', "queues": '["q"]', "max_tasks": "20"}
    table = "[services.w]\n" + "".join(f"{key} = {value}\n" for key, value in least.items() if key != name)
    assert loaded(f"{span}\n{table}" if name in GlobalFields.model_fields else f"{table}{span}\n", tmp_path)


def test_the_tags_are_accepted_with_the_file_in_the_example_above(tmp_path: Path) -> None:
    [page] = [page for page in PAGES if page.name == "settings.md"]
    [command] = [block for block in blocks(page) if "tag-resource" in block.text]
    [settings] = [block for block in FILES if "discover_clusters" in block.text and "settings.md" in block.page]
    words = shlex.split(command.text.replace("\\\n", " "))
    tags = dict(pair for word in words for pair in re.findall(r"^key=(.+?),value=(.+)$", word))
    service = discovered(TaggedService("prod", "orders-worker", tags), find(written(settings.text, tmp_path)))
    assert (service.ref.key, service.policy.mode.value) == ("prod-orders-worker", "active")
    assert (service.policy.max_tasks, [queue.name for queue in service.queues]) == (20, ["orders", "exports"])


def test_there_are_examples() -> None:
    assert min(len(FILES), len(VARIABLES)) >= 2
    assert len(WORDS) >= 8


def written(text: str, folder: Path) -> dict[str, str]:
    place = folder / "autoscaler.toml"
    place.write_text(text)
    return {"AUTOSCALER_CONFIG_FILE": str(place)}


def loaded(text: str, folder: Path) -> Config:
    """Return the settings. Raises `ConfigError` if they have an error."""
    return load(written(text, folder))


def test_a_mistake_is_detected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_taks"):
        loaded("[defaults]\nmax_taks = 3\n", tmp_path)
