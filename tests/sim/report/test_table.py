"""The comparison table on a terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from autoscaler.sim.report.comparison import Study
from autoscaler.sim.report.table import lines, show
from tests.sim.report.made import judged, scored

RUNS = [
    scored("ours", late_fraction=0.0031, cost_per_work=2.15, lost_work_fraction=0.0),
    scored("target-tracking", late_fraction=0.101, cost_per_work=13.3, cost_per_oracle=8.8, lost_work_fraction=0.016),
    scored("keda:1", late_fraction=0.093, cost_per_work=2.91, launches_per_day=1234),
    scored("clairvoyant", late_fraction=0.0, cost_per_work=1.31, cost_per_oracle=1.0),
]
PAIRED = [
    scored(name, seed=seed, cost_per_work=cost * seed) for name, cost in (("ours", 2), ("keda", 3)) for seed in (1, 2)
]


def as_text(study: Study, width: int | None = None) -> str:
    """Return the table as plain text. `width` None: no limit."""
    return "".join(f"{line.plain}\n" for line in lines(study, width))


def rows(text: str, first: str = "ours") -> list[str]:
    """Return the heading and the body of the first table."""
    found = text.splitlines()
    start = next(at for at, line in enumerate(found) if line.startswith(first))
    return found[start - 2 : start + 4]


def columns(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def test_each_policy_has_a_row_with_its_figures_and_the_best_are_marked() -> None:
    table = rows(as_text(judged(*RUNS)))
    assert columns(table[2]) == ["ours", "0.31*", "1.0", "20.0", "40.0", "2.15*", "1.50*", "0.00*", "20", "100*"]
    assert columns(table[3]) == [
        "target-tracking",
        "10.10",
        "1.0",
        "20.0",
        "40.0",
        "13.30",
        "8.80",
        "1.60",
        "20",
        "100*",
    ]
    assert columns(table[5])[1:6] == ["0.00", "1.0", "20.0", "40.0", "1.31"]


def test_columns_are_right_aligned() -> None:
    table = rows(as_text(judged(*RUNS)))
    points = [[found.start() for found in re.finditer(r"\.", line)] for line in table[2:]]
    assert all(line == points[0] for line in points)


def test_no_line_has_trailing_spaces_or_escape_codes() -> None:
    text = as_text(judged(*RUNS))
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "\x1b" not in text


def test_without_a_terminal_there_is_no_color_and_no_line_wrap() -> None:
    stream = io.StringIO()
    show(judged(*RUNS), Console(file=stream, width=40))
    assert stream.getvalue() == as_text(judged(*RUNS))


def test_on_a_terminal_the_best_values_are_colored() -> None:
    stream = io.StringIO()
    show(judged(*RUNS), Console(file=stream, force_terminal=True, width=200, color_system="standard", no_color=False))
    assert re.search(r"\x1b\[1;32m +2\.15\*", stream.getvalue())


@pytest.mark.parametrize("width", [20, 44, 60, 80, 100, 120])
def test_no_row_is_wider_than_the_terminal_and_hidden_columns_are_listed(width: int) -> None:
    table = rows(as_text(judged(*RUNS), width))
    assert all(len(line) <= max(width, len("target-tracking  10.10 ")) for line in table)
    assert "late" in table[0]
    left_out = re.search("hidden, terminal too narrow: (.+)", as_text(judged(*RUNS), width))
    shown = len(columns(table[3])) - 1
    assert shown + (len(left_out[1].split(", ")) if left_out else 0) == 9


def test_a_narrow_terminal_shows_lateness_waits_and_cost() -> None:
    table = rows(as_text(judged(*RUNS), 60))
    assert columns(table[2]) == ["ours", "0.31*", "20.0", "2.15*", "1.50*"]


def test_several_seeds_show_intervals_and_the_differences_to_ours() -> None:
    text = as_text(judged(*PAIRED))
    # ours 2 and 4: mean 3, t(1) x sqrt(2) / sqrt(2) = 12.706; keda costs 1 and 2 more.
    assert "3.00 ±12.71*" in text
    assert "Difference to ours, seed by seed" in text
    difference = text[text.index("Difference") :].splitlines()[3]
    assert difference.startswith("keda")
    assert "+1.50 ±6.35" in difference


def test_one_seed_shows_no_intervals_and_no_differences() -> None:
    text = as_text(judged(*RUNS))
    assert "±" not in text
    assert "Difference" not in text


def test_each_policy_has_a_verdict() -> None:
    text = as_text(judged(*RUNS))
    assert "\ntarget-tracking  worse in both: 6.2 times the cost of ours" in text
    assert "\nclairvoyant      the limit" in text


def test_the_heading_describes_the_workload() -> None:
    first, second, *_ = as_text(judged(*RUNS)).splitlines()
    assert re.fullmatch(r"orders: \d+ messages in 6 minutes, work for [\d.]+ tasks on average, seed 1", first)
    assert second == "late: first received more than 1 minute after arrival"


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "a\rb", "a\u202eb"])
def test_control_characters_in_a_name_are_replaced(name: str) -> None:
    text = as_text(judged(scored("ours"), scored(name), name=name))
    assert name not in text
    assert text.count("�") >= 2


def test_markup_in_a_name_is_shown_as_text() -> None:
    stream = io.StringIO()
    show(judged(scored("ours"), scored("[bold]keda[/bold]")), Console(file=stream, force_terminal=True, width=200))
    assert "[bold]keda[/bold]" in stream.getvalue()


def test_the_row_of_ours_is_bold() -> None:
    line = next(line for line in lines(judged(*RUNS)) if line.plain.startswith("ours"))
    assert "bold" in str(line.style)
