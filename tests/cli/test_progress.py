"""Progress is for people at a terminal, and leaves no trace."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from autoscaler.cli.progress import CLEAR, EVERY, progress
from autoscaler.inspection.lines import Line

LINES = [Line(number, b"x\n", 2 * number) for number in range(1, 2 * EVERY + 1)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(monkeypatch: pytest.MonkeyPatch, err: io.StringIO, out: io.StringIO, file: Path) -> str:
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr("sys.stdout", out)
    with progress(file) as watched:
        assert list(watched(LINES)) == LINES
    return err.getvalue()


def test_on_a_terminal_it_says_how_far_it_is_and_clears_the_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x\n" * 2 * EVERY)
    shown = said(monkeypatch, Terminal(), io.StringIO(), file)
    assert shown == f"{CLEAR}2,000 lines, 50%{CLEAR}4,000 lines, 100%{CLEAR}"
    assert "%" not in said(monkeypatch, Terminal(), io.StringIO(), Path("-"))


@pytest.mark.parametrize(("err", "out"), [(io.StringIO, io.StringIO), (Terminal, Terminal)])
def test_elsewhere_and_where_the_report_goes_to_the_same_terminal_it_is_silent(
    monkeypatch: pytest.MonkeyPatch, err: Any, out: Any, tmp_path: Path
) -> None:
    assert said(monkeypatch, err(), out(), tmp_path) == ""
