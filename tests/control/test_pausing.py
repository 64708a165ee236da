"""The tag that pauses: what it may say, when it ends, and what one that nobody can read means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.control.pausing import MOST_TASKS, TagPause, TagWatch, read_tag
from autoscaler.core.model import Missing
from autoscaler.core.policy import Pause

SIX = datetime(2026, 11, 23, 18, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "meant"),
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
def test_what_it_may_say(text: str, meant: TagPause) -> None:
    assert read_tag(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "true", "none", "-1", "1.5", "²", "٣", str(MOST_TASKS + 1), "9" * 5000, "all until", "all until soon",
        "in until 2026-13-01T00:00Z", "all 2026-11-23T18:00Z", "all,in", "until 2026-11-23T18:00Z", "all until 18:00",
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_how_to_write_it(text: str) -> None:
    wrong = read_tag(text)
    assert isinstance(wrong, Missing)
    assert "`all`, `in`, `out` or a number" in wrong.reason
    assert "until 2026-11-23T18:00Z" in wrong.reason
    assert len(wrong.reason) < 400


@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    assert isinstance(read_tag(text), TagPause | Missing)


def test_it_ends_at_its_time_and_not_before() -> None:
    watch = TagWatch()
    assert watch.look("out until 2026-11-23T18:00Z", SIX - 0.1) == (Pause.OUT, None)
    assert watch.look("out until 2026-11-23T18:00Z", SIX) == (None, None)


def test_without_a_tag_nothing_is_paused() -> None:
    watch = TagWatch()
    assert watch.look("4", 0.0) == (4, None)
    assert watch.look(None, 0.0) == (None, None)


def test_one_that_cannot_be_read_pauses_everything_where_none_was_in_force() -> None:
    paused, wrong = TagWatch().look("al", 0.0)
    assert paused is Pause.ALL
    assert wrong is not None


def test_one_that_cannot_be_read_lets_the_pause_before_it_go_on_until_that_ends() -> None:
    watch = TagWatch()
    watch.look("in until 2026-11-23T18:00Z", SIX - 20)
    paused, wrong = watch.look("in untill 2026-11-23T20:00Z", SIX - 10)
    assert (paused, wrong is None) == (Pause.IN, False)
    assert watch.look("in untill 2026-11-23T20:00Z", SIX)[0] is Pause.ALL


def test_a_tag_that_was_removed_is_not_remembered() -> None:
    watch = TagWatch()
    watch.look("in", 0.0)
    watch.look(None, 1.0)
    assert watch.look("inn", 2.0)[0] is Pause.ALL


def test_a_tag_that_is_mended_holds_again() -> None:
    watch = TagWatch()
    watch.look("al", 0.0)
    assert watch.look("out", 1.0) == (Pause.OUT, None)
