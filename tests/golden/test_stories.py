"""Every story is decided as its file says. The format is described in `story.py` and `world.py`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.model import Rule
from tests.golden.changes import STORIES, changes
from tests.golden.playing import play
from tests.golden.story import StoryError, StoryOutcome, parse, read, write

FILES = sorted(STORIES.glob("*.story"))
SHORT = """A title

A sentence.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | visible | happened => demand | target | rules
0:00..0:20 | 4       | 40      |          => 4      | 4      |
# A note.
0:30       |         | 80      |          => 8      | 8      |
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_story_is_decided_as_its_file_says(path: Path) -> None:
    story = read(path)
    difference = changes(story, play(story))
    if difference:
        pytest.fail(f"{difference}\nIf the change is intended, run: python -m tests.golden --write", pytrace=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_table_is_formatted_as_written(path: Path) -> None:
    assert write(read(path)) == path.read_text(encoding="utf-8")


def test_every_rule_binds_in_a_story() -> None:
    decided = {rule for path in FILES for row in read(path).rows for rule in row.outcome.rules.split(", ")}
    learned = {Rule.SMALL_STEP_STABILIZATION}  # needs estimators, which stories do not have: tests/core/test_latency.py
    assert decided - {""} == set(Rule) - learned


def test_a_changed_row_is_shown_below_the_old_row() -> None:
    story = parse("short", SHORT.replace("8      |\n", "9      |\n"))
    assert changes(story, play(story)) == (
        "short.story (A title): 1 of 2 rows\n"
        "  time | desired | visible | happened => demand | target | rules\n"
        "- 0:30 |         | 80      |          => 8      | 9      |\n"
        "+ 0:30 |         | 80      |          => 8      | *8*    |"
    )


def test_a_range_of_polls_with_different_outcomes_becomes_several_rows() -> None:
    text = SHORT.replace("max_tasks = 20", 'max_tasks = 20\nscale_out.limits = [{ tasks = 1, per = "20s" }]')
    story = parse("short", text.replace("40     ", "60     "))
    played = play(story)
    assert [(row.polls, row.outcome) for row in played] == [
        ((0, 10), StoryOutcome("6", "5", "rate_limit")),
        ((20,), StoryOutcome("6", "6", "")),
        ((30,), StoryOutcome("8", "6", "rate_limit")),
    ]
    assert [row.cells for row in played] == [{"desired": "4", "visible": "60"}, {}, {"visible": "80"}]
    assert played[2].notes == ("# A note.",)
    assert play(replace(story, rows=played)) == played


def test_a_written_story_is_read_back_unchanged() -> None:
    story = parse("short", SHORT)
    assert parse("short", write(story)) == story


@pytest.mark.parametrize(
    ("written", "replacement", "message"),
    [
        ("[policy]", "[wishes]", "a story must have a title"),
        ("A sentence.", "", "a story must have a title"),
        ("visible", "vissible", "unknown column vissible"),
        ("| happened =>", "=>", "the header must be time"),
        ("0:00..0:20", "0:00..0:25", "not a range of polls"),
        ("0:30  ", "0:20  ", "time goes back"),
        ("0:30  ", "30s   ", "not a time such as 1:30"),
        ("| 80      |          =>", "| 80      | drift 2  =>", "unknown event 'drift 2'"),
        ("| 80      |          =>", "|          =>", "different numbers of cells"),
        ("40      |          =>", "40      |", "no =>"),
        ("| 4       | 40", "|         | 40", "the first row must have a desired count"),
    ],
)
def test_an_invalid_story_is_an_error_with_its_reason(written: str, replacement: str, message: str) -> None:
    with pytest.raises(StoryError, match=re.escape(message)):
        play(parse("short", SHORT.replace(written, replacement)))
