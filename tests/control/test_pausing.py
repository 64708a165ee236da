"""The pause tag: its format, its end, and the effect of a wrong tag."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.control.readers import MOST_TASKS, TagPause, TagWatch, read_tag
from autoscaler.core.model import Missing
from autoscaler.core.policy import Pause

SIX = datetime(2026, 11, 23, 18, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", TagPause(Pause.ALL)),
        ("in", TagPause(Pause.IN)),
        (" OUT ", TagPause(Pause.OUT)),
        ("0", TagPause(0)),
        ("12", TagPause(12)),
        ("all until 2026-11-23T18:00Z", TagPause(Pause.ALL, SIX)),
        ("7 until 2026-11-23T18:00:00", TagPause(7, SIX)),
        ("in  until 2026-11-23 18:00", TagPause(Pause.IN, SIX)),
        ("in until 2026-11-23T19:00+01:00", TagPause(Pause.IN, SIX)),
    ],
)
def test_a_valid_tag_is_parsed(text: str, expected: TagPause) -> None:
    assert read_tag(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "true", "none", "-1", "1.5", "²", "٣", str(MOST_TASKS + 1), "9" * 5000, "all until", "all until soon",
        "in until 2026-13-01T00:00Z", "all 2026-11-23T18:00Z", "all,in", "until 2026-11-23T18:00Z", "all until 18:00",
    ],
)  # fmt: skip
def test_a_wrong_tag_returns_the_expected_format(text: str) -> None:
    wrong = read_tag(text)
    assert isinstance(wrong, Missing)
    assert "`all`, `in`, `out` or a task count" in wrong.reason
    assert "until 2026-11-23T18:00Z" in wrong.reason
    assert len(wrong.reason) < 400


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_reported(text: str) -> None:
    assert isinstance(read_tag(text), TagPause | Missing)


def test_a_pause_ends_at_its_time_and_not_before() -> None:
    watch = TagWatch()
    assert watch.check("out until 2026-11-23T18:00Z", SIX - 0.1) == (Pause.OUT, None)
    assert watch.check("out until 2026-11-23T18:00Z", SIX) == (None, None)


def test_without_a_tag_nothing_is_paused() -> None:
    watch = TagWatch()
    assert watch.check("4", 0.0) == (4, None)
    assert watch.check(None, 0.0) == (None, None)


def test_a_wrong_tag_pauses_everything_if_no_pause_was_in_force() -> None:
    paused, wrong = TagWatch().check("al", 0.0)
    assert paused is Pause.ALL
    assert wrong is not None


def test_a_wrong_tag_keeps_the_previous_pause_until_its_end() -> None:
    watch = TagWatch()
    watch.check("in until 2026-11-23T18:00Z", SIX - 20)
    paused, wrong = watch.check("in untill 2026-11-23T20:00Z", SIX - 10)
    assert (paused, wrong is None) == (Pause.IN, False)
    assert watch.check("in untill 2026-11-23T20:00Z", SIX)[0] is Pause.ALL


def test_a_removed_tag_is_forgotten() -> None:
    watch = TagWatch()
    watch.check("in", 0.0)
    watch.check(None, 1.0)
    assert watch.check("inn", 2.0)[0] is Pause.ALL


def test_a_corrected_tag_is_in_force_again() -> None:
    watch = TagWatch()
    watch.check("al", 0.0)
    assert watch.check("out", 1.0) == (Pause.OUT, None)
