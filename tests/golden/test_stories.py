"""Every story ends as it is told. What a story means is said in `story.py` and `world.py`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.model import Rule
from tests.golden.changes import STORIES, changes
from tests.golden.story import Outcome, StoryError, parse, read, write
from tests.golden.telling import tell

FILES = sorted(STORIES.glob("*.story"))
SHORT = """A title

A sentence.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time       | desired | waiting | happened => demand | target | rules
0:00..0:20 | 4       | 40      |          => 4      | 4      |
# A note.
0:30       |         | 80      |          => 8      | 8      |
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_story_ends_as_it_is_told(path: Path) -> None:
    story = read(path)
    difference = changes(story, tell(story))
    if difference:
        pytest.fail(f"{difference}\nIf that is meant: python -m tests.golden --write", pytrace=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_table_is_aligned_as_it_would_be_written(path: Path) -> None:
    assert write(read(path)) == path.read_text(encoding="utf-8")


def test_every_rule_decides_in_some_story() -> None:
    decided = {rule for path in FILES for row in read(path).rows for rule in row.outcome.rules.split(", ")}
    learned = {Rule.SMALL_STEP_STABILIZATION}  # needs estimators, and stories have none: tests/core/test_latency.py
    assert decided - {""} == set(Rule) - learned


def test_what_changed_stands_under_what_was() -> None:
    story = parse("short", SHORT.replace("8      |\n", "9      |\n"))
    assert changes(story, tell(story)) == (
        "short.story (A title): 1 of 2 rows\n"
        "  time | desired | waiting | happened => demand | target | rules\n"
        "- 0:30 |         | 80      |          => 8      | 9      |\n"
        "+ 0:30 |         | 80      |          => 8      | *8*    |"
    )


def test_a_range_whose_ticks_no_longer_agree_is_written_as_several_rows() -> None:
    text = SHORT.replace("max_tasks = 20", 'max_tasks = 20\nscale_out.limits = [{ tasks = 1, per = "20s" }]')
    story = parse("short", text.replace("40     ", "60     "))
    told = tell(story)
    assert [(row.ticks, row.outcome) for row in told] == [
        ((0, 10), Outcome("6", "5", "rate_limit")),
        ((20,), Outcome("6", "6", "")),
        ((30,), Outcome("8", "6", "rate_limit")),
    ]
    assert [row.cells for row in told] == [{"desired": "4", "waiting": "60"}, {}, {"waiting": "80"}]
    assert told[2].notes == ("# A note.",)
    assert tell(replace(story, rows=told)) == told


def test_a_story_that_was_written_is_read_as_it_was() -> None:
    story = parse("short", SHORT)
    assert parse("short", write(story)) == story


@pytest.mark.parametrize(
    ("written", "instead", "wrong"),
    [
        ("[policy]", "[wishes]", "a story has a title"),
        ("A sentence.", "", "a story has a title"),
        ("waiting", "weighting", "nobody knows the column weighting"),
        ("| happened =>", "=>", "from time to happened"),
        ("0:00..0:20", "0:00..0:25", "no range of ticks"),
        ("0:30  ", "0:20  ", "time goes back"),
        ("0:30  ", "30s   ", "no time, such as 1:30"),
        ("| 80      |          =>", "| 80      | drift 2  =>", "nobody knows what 'drift 2' means"),
        ("| 80      |          =>", "|          =>", "more or fewer cells"),
        ("40      |          =>", "40      |", "no =>"),
        ("| 4       | 40", "|         | 40", "how many tasks were desired"),
    ],
)
def test_a_story_that_cannot_be_understood_is_an_error_that_says_so(written: str, instead: str, wrong: str) -> None:
    with pytest.raises(StoryError, match=re.escape(wrong)):
        tell(parse("short", SHORT.replace(written, instead)))
