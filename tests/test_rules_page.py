"""The rules page describes every rule, in the order in which rules are applied, with settings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoscaler.config import reference
from autoscaler.core.model import Rule
from autoscaler.core.rules import RULES

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "rules.md").read_text()
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.+?)(?=\n##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def settings() -> set[str]:
    return {setting.file_key.removeprefix("services.<key>.") for setting in reference()}


def test_the_page_names_exactly_the_existing_rules() -> None:
    assert sorted(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)) == sorted(Rule)


def test_the_rules_are_in_the_order_in_which_they_are_applied() -> None:
    applied = [rule for rule, _ in RULES]
    assert [rule for rule in SECTIONS if rule in applied] == applied


@pytest.mark.parametrize("rule", Rule)
def test_a_rule_describes_when_it_applies_and_names_existing_settings(rule: Rule) -> None:
    meaning, _, governed = SECTIONS[rule].partition("Governed by: ")
    assert meaning.startswith("Applies "), "begin the section with `Applies`"
    form = r"nothing\.\s*|(`[a-z_.]+`(, |\.\s*))+"
    assert re.fullmatch(form, governed), "end the section with `Governed by: ` and settings, or `Governed by: nothing.`"
    assert set(re.findall(r"`([a-z_.]+)`", governed)) <= settings()
