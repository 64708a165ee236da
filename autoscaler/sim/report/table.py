"""Render the comparison for a terminal as aligned text. With colours, the best values and the row of this autoscaler
are highlighted.

Lines are never wrapped. In a narrow terminal the less important columns are hidden, and a line names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from autoscaler.core.figures import number
from autoscaler.pricing import NoPrice
from autoscaler.sim.report.comparison import (
    COST,
    LATE,
    LOST,
    ORACLE,
    TASK_HOURS,
    ComparisonRow,
    MeanWithInterval,
    Measure,
    PolicyComparison,
    Study,
    compare,
    measures,
    notices,
    polls,
    saving,
    span,
    verdict,
)

BEST = "*"
GAP = "  "
MOST_IMPORTANT = ("late_fraction", "wait_p95_s", TASK_HOURS, COST.field, ORACLE.field, LOST.field)
"""The most important columns, in order: if not all columns fit, these are hidden last, from the end."""


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of a column, all of one width; the first two are the heading. `best`: the marked rows, from 0."""

    measure: Measure
    cells: tuple[str, ...]
    best: frozenset[int]


def show(study: Study, console: Console) -> None:
    """Print the table, on a terminal with colours and within its width."""
    width = console.width if console.is_terminal else None
    for line in lines(study, width):
        console.print(line, soft_wrap=True, highlight=False)


def lines(study: Study, width: int | None = None) -> Iterator[Text]:
    """Yield the load, the table, the differences to this autoscaler (with several seeds), and a verdict per policy."""
    columns = measures(study)
    comparison = compare(study.runs, columns)
    yield from _head(study)
    yield from _block(comparison, columns, comparison.rows, width, against=False)
    yield Text(f"{BEST} best in its column" + (", without the clairvoyant" if _has_limit(comparison) else ""), "dim")
    ours, others = comparison.ours, [row for row in comparison.rows if row.against and row is not comparison.ours]
    if ours is not None and others and len(ours.seeds) > 1:
        yield Text()
        yield Text(f"Difference to {ours.label}, seed by seed (mean and 95 % confidence interval)", "bold")
        yield from _block(comparison, columns, others, width, against=True)
    yield Text()
    yield from _verdicts(comparison)
    yield from _money(study)
    if (polled := polls(study.runs)) is not None:
        yield Text()
        yield Text(_printable(polled), "dim")
    if sentences := list(notices(study.runs)):
        yield Text()
        yield from map(Text, sentences)


def _head(study: Study) -> Iterator[Text]:
    load = study.workload
    seeds = f"seed {study.seeds[0]}" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds"
    jobs = f"{len(load.arrivals_s):,} messages in {span(load.length_s)}"
    work = f"work for {number(study.mean_tasks)} tasks on average"
    yield Text(f"{_printable(load.name)}: {jobs}, {work}, {seeds}", "bold")
    if study.scenario:
        yield Text(f"scenario: {study.sentence}")
    yield Text(f"late: first received more than {span(study.latency_s)} after arrival")
    yield Text()


def _money(study: Study) -> Iterator[Text]:
    """Yield the saving and the price of a task."""
    if study.price is None:
        return
    yield Text()
    if (saved := saving(study)) is not None:
        yield Text(_printable(saved.sentence), "bold")
    price = f"no dollars: {study.price.text}" if isinstance(study.price, NoPrice) else f"price: {study.price.text}"
    yield Text(_printable(price), "dim")


def _has_limit(comparison: PolicyComparison) -> bool:
    return len(comparison.competitors) < len(comparison.rows)


def _block(
    comparison: PolicyComparison,
    measured: Sequence[Measure],
    rows: Sequence[ComparisonRow],
    width: int | None,
    *,
    against: bool,
) -> Iterator[Text]:
    names = ["", "", *(_printable(row.label) for row in rows)]
    names = [name.ljust(max(map(len, names))) for name in names]
    columns, hidden = _fit([_column(comparison, rows, m, against) for m in measured], len(names[0]), width)
    for at, name in enumerate(names):
        line = Text(name, "bold" if at > 1 and rows[at - 2] is comparison.ours else "")
        for column in columns:
            line.append(GAP).append(column.cells[at], "green" if at - 2 in column.best else "")
        line.rstrip()
        line.stylize("dim" if at < 2 else "")
        yield line
    if hidden:
        yield Text(f"hidden, terminal too narrow: {', '.join(column.measure.title for column in hidden)}", "dim")


def _column(comparison: PolicyComparison, rows: Sequence[ComparisonRow], measure: Measure, against: bool) -> Column:
    best = frozenset() if against else comparison.best(measure)
    marked = frozenset(at for at, row in enumerate(rows) if row.label in best)
    cells = [*_heading(measure), *(_cell(row, measure, against, at in marked) for at, row in enumerate(rows))]
    width = max(map(len, cells))
    return Column(measure, tuple(cell.rjust(width) for cell in cells), marked)


def _heading(measure: Measure) -> tuple[str, str]:
    """Return the two lines of the heading, with a space at the end, where cells have the mark."""
    first, slash, second = measure.title.partition(" / ")
    if slash:
        return f"{first} / ", f"{second} "
    return f"{first} ", f"{measure.unit} "


def _cell(row: ComparisonRow, measure: Measure, against: bool, best: bool) -> str:
    figures = row.against if against and row.against else row.figures
    text = _interval(measure, figures[measure.field], signed=against)
    return text + (BEST if best else " ")


def _interval(measure: Measure, known: MeanWithInterval, *, signed: bool) -> str:
    mean = measure.signed(known.mean) if signed else measure.text(known.mean)
    return mean if known.half_width is None else f"{mean} ±{measure.text(known.half_width)}"


def _fit(columns: Sequence[Column], taken: int, width: int | None) -> tuple[list[Column], list[Column]]:
    """Return the columns that fit next to the names, and the hidden ones, both in order. `LATE` always fits."""
    if width is None:
        return list(columns), []
    rank = {field: at for at, field in enumerate(MOST_IMPORTANT)}
    left, shown = width - taken, set()
    for column in sorted(columns, key=lambda column: rank.get(column.measure.field, len(rank))):
        left -= len(GAP) + len(column.cells[0])
        if left < 0 and column.measure is not LATE:
            break
        shown.add(column.measure.field)
    fits = [column for column in columns if column.measure.field in shown]
    return fits, [column for column in columns if column.measure.field not in shown]


def _verdicts(comparison: PolicyComparison) -> Iterator[Text]:
    longest = max(len(_printable(row.label)) for row in comparison.rows)
    for row in comparison.rows:
        name = Text(_printable(row.label).ljust(longest), "bold" if row is comparison.ours else "")
        yield name.append(GAP).append(verdict(row, comparison), "not bold")


def _printable(name: str) -> str:
    """Replace control characters: a name from a file or an argument must not control the terminal or end the line."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)
