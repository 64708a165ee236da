"""Progress is shown only on a terminal and is cleared at the end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from autoscaler.cli.output import CLEAR, EVERY, progress
from autoscaler.inspection.deciding import JournalLine

LINES = [JournalLine(number, b"x\n", 2 * number) for number in range(1, 2 * EVERY + 1)]


class ProgressTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress_text(monkeypatch: pytest.MonkeyPatch, err: io.StringIO, out: io.StringIO, file: Path) -> str:
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr("sys.stdout", out)
    with progress(file) as watched:
        assert list(watched(LINES)) == LINES
    return err.getvalue()


def test_on_a_terminal_progress_is_shown_and_then_cleared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x\n" * 2 * EVERY)
    shown = progress_text(monkeypatch, ProgressTerminal(), io.StringIO(), file)
    assert shown == f"{CLEAR}2,000 lines, 50%{CLEAR}4,000 lines, 100%{CLEAR}"
    assert "%" not in progress_text(monkeypatch, ProgressTerminal(), io.StringIO(), Path("-"))


@pytest.mark.parametrize(("err", "out"), [(io.StringIO, io.StringIO), (ProgressTerminal, ProgressTerminal)])
def test_without_a_terminal_or_with_the_report_on_it_no_progress_is_shown(
    monkeypatch: pytest.MonkeyPatch, err: Any, out: Any, tmp_path: Path
) -> None:
    assert progress_text(monkeypatch, err(), out(), tmp_path) == ""
