"""Write the robustness page in Markdown: the criteria, one table per latency target, and the cases without a notice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from autoscaler.core.figures import several
from autoscaler.sim.scenarios import SCENARIOS
from autoscaler.sim.tuning import MET_FRACTION
from bench.robustness.criteria import RobustnessCase, cases, judged, percent
from bench.robustness.making import RobustnessCell

MOST_LISTED = 12
"""Failures of one criterion that are listed."""


def page(cells: Sequence[RobustnessCell], seeds: int, took_s: float) -> str:
    """Return the page."""
    return "\n".join(
        [*_head(seeds, took_s), *_criteria(cells), *_tables(cells), *_silent(cells), *_scenarios(cells), ""]
    )


def _head(seeds: int, took_s: float) -> Iterator[str]:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    yield "# Robustness"
    yield ""
    took = several(round(took_s / 60), "minute")
    yield f"Generated on {day} by `make robustness` in {took}, with {several(seeds, 'seed')} for each case."
    yield ""
    yield (
        "Each [scenario](#scenarios) is a workload as people have it, in the simulated world of "
        "[simulate](commands.md#simulate). Nothing is configured for this autoscaler except the latency target and the "
        "bounds (0 to 5,000 tasks). `keda:latency` is KEDA with the queue length that its operator would compute from "
        "the latency target and the processing time; the AWS policies have the target that AWS recommends. "
        "[Other autoscalers](peers.md) describes them."
    )
    yield ""


def _criteria(cells: Sequence[RobustnessCell]) -> Iterator[str]:
    yield "## Criteria"
    yield ""
    yield "| criterion | result | cases | not met in |"
    yield "|---|---|--:|---|"
    for each in judged(cells):
        met = each.cases - len(each.failures)
        listed = "; ".join(each.failures[:MOST_LISTED])
        more = len(each.failures) - MOST_LISTED
        rest = f"; and {more} more" if more > 0 else ""
        yield f"| {each.text} | **{each.verdict}** | {met} of {each.cases} | {listed}{rest} |"
    yield ""


def _tables(cells: Sequence[RobustnessCell]) -> Iterator[str]:
    for latency_s in dict.fromkeys(cell.latency_s for cell in cells):
        group = [case for case in cases(cells) if case.ours.latency_s == latency_s]
        peers = list(dict.fromkeys(peer.policy for case in group for peer in case.peers))
        yield f"## Latency target {latency_s:g} s"
        yield ""
        yield (
            "`late`: share of messages received after the target. `worst`: longest wait beyond the target, over all "
            "seeds. `cost`: billed task time / work. `peak`: most running tasks. `notice`: whether this autoscaler "
            "reported that the target is at risk. Columns of peers: late, worst, cost, peak."
        )
        yield ""
        yield "| scenario | late | worst | cost | peak | notice |" + "".join(f" {policy} |" for policy in peers)
        yield "|---|--:|--:|--:|--:|---|" + "--:|" * len(peers)
        yield from (_line(case, peers) for case in group)
        yield ""


def _line(case: RobustnessCase, peers: Sequence[str]) -> str:
    ours, known = case.ours, {peer.policy: peer for peer in case.peers}
    notice = "yes" if ours.noticed else "no"
    others = (_figures(known[policy]) if policy in known else "–" for policy in peers)
    return f"| {ours.scenario} | {' | '.join(_texts(ours))} | {notice} | {' | '.join(others)} |".replace("|  |", "|")


def _texts(cell: RobustnessCell) -> tuple[str, str, str, str]:
    worst = f"{cell.worst_late_s:,.0f} s" if cell.worst_late_s else "–"
    return percent(cell.late), worst, f"{cell.cost_per_work:.2f}", f"{cell.peak_tasks:,}"


def _figures(cell: RobustnessCell) -> str:
    return ", ".join(_texts(cell))


def _silent(cells: Sequence[RobustnessCell]) -> Iterator[str]:
    """Yield the cases that miss the target without a notice, with the hours of the late messages."""
    silent = [case.ours for case in cases(cells) if case.ours.late > MET_FRACTION and not case.ours.noticed]
    if not silent:
        return
    yield "## Missed without a notice"
    yield ""
    yield "| scenario | latency target | late | late messages in each hour of the first seed |"
    yield "|---|--:|--:|---|"
    for cell in silent:
        hours = ", ".join(f"{count:,}" for count in cell.late_by_hour)
        yield f"| {cell.scenario} | {cell.latency_s:g} s | {percent(cell.late)} | {hours} |"
    yield ""


def _scenarios(cells: Sequence[RobustnessCell]) -> Iterator[str]:
    yield "## Scenarios"
    yield ""
    yield "`autoscaler simulate --scenario poison` runs a scenario; `--report` draws it."
    yield ""
    yield "| scenario | what is special |"
    yield "|---|---|"
    for name in dict.fromkeys(cell.scenario for cell in cells):
        yield f"| `{name}` | {SCENARIOS[name].sentence} |"
