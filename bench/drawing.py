"""Draw the pictures of the docs: `python -m bench.drawing` writes them to `docs/pictures`.

`burst.svg`: a simulation of half an hour with a burst. `walk.svg`: one decision, rule by rule. `overview.svg`: the
daemon between AWS and its users.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from autoscaler.core.engine import decide
from autoscaler.sim.chance import DurationDistribution, stream
from autoscaler.sim.model import MINUTE_S, Floats, Workload, WorldSettings
from autoscaler.sim.ours import Ours, SimulatedSettings
from autoscaler.sim.play import play
from autoscaler.situation import decode

FOLDER = Path("docs/pictures")
MINUTES, SERVICE_S, LATENCY_S = 30, 5.0, 60.0
WIDTH, LEFT, RIGHT = 760, 56, 16
INK, PALE, WAITING, TASKS, RUNNING = "#334155", "#cbd5e1", "#b45309", "#1d4ed8", "#0d9488"
ROW, MOST = 62, 50
SITUATION = {
    "name": "orders",
    "policy": {
        "queues": ["orders"],
        "max_tasks": 20,
        "acceptable_latency": "60s",
        "processing_time": "5s",
        "scale_out": {"limits": [{"percent": 200, "per": "60s"}]},
    },
    "current": 8,
    "signals": {"queues": [{"name": "orders", "visible": 270, "in_flight": 40, "delayed": 0}]},
}
"""8 tasks, 270 messages visible and 40 in flight; at most 20 tasks, and at most three times as many per minute."""

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
    f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">'
    '<rect width="100%" height="100%" rx="6" fill="#fff"/>'
)


def burst() -> str:
    """Return the picture of a load of 4 tasks, with 24 tasks for five minutes."""
    load = _load()
    outcome = play(load, WorldSettings(), 1, Ours(SimulatedSettings(LATENCY_S, max_tasks=60).policy()))
    at = np.arange(0.0, MINUTES * MINUTE_S, 5.0)
    arrived, received = (np.searchsorted(np.sort(each), at) for each in (load.arrivals_s, outcome.received_s))
    waiting = (arrived - received).astype(np.float64)
    longest_s = float(np.max(outcome.received_s - load.arrivals_s))
    desired, running = (_values_at(at, steps) for steps in (outcome.desired, outcome.running))
    messages = f"{len(load.arrivals_s):,} messages in {MINUTES} minutes"
    label = f"A burst: {messages}; latency target {LATENCY_S:.0f} s, longest wait {longest_s:.0f} s"
    parts = [
        HEAD.format(width=WIDTH, height=360, label=label),
        _text(LEFT, 22, label),
        _panel(at, [(waiting, WAITING, "backlog")], 40, 110),
        _panel(at, [(desired, TASKS, "desired tasks"), (running, RUNNING, "running tasks")], 190, 130),
        *(_text(_x(minute * MINUTE_S), 345, f"{minute} min", "middle") for minute in range(0, MINUTES + 1, 5)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _load() -> Workload:
    rng = stream(1, "picture")
    minute = np.arange(MINUTES)
    tasks = np.where((minute >= 8) & (minute < 13), 24.0, 4.0)
    counts = rng.poisson(tasks / SERVICE_S * MINUTE_S)
    arrivals = np.sort(np.repeat(minute * MINUTE_S, counts) + rng.uniform(0.0, MINUTE_S, counts.sum()))
    service = DurationDistribution("lognormal", SERVICE_S, 1.0).sample(rng, len(arrivals))
    return Workload("burst", arrivals, service, MINUTES * MINUTE_S, MINUTE_S, counts.astype(float), np.zeros(0))


def _values_at(at: Floats, steps: Sequence[tuple[float, int]]) -> Floats:
    """Return the value of a step series at each instant."""
    begins, counts = np.array(steps, dtype=float).T
    answer: Floats = counts[np.searchsorted(begins, at, side="right") - 1]
    return answer


def _x(at: float) -> float:
    return LEFT + at / (MINUTES * MINUTE_S) * (WIDTH - LEFT - RIGHT - 20)


def _panel(at: Floats, lines: Sequence[tuple[Floats, str, str]], top: int, height: int) -> str:
    """Return step lines on one axis from 0 to their maximum, with their names in their colours."""
    most, floor = max(float(values.max()) for values, _, _ in lines), top + height
    axis = f'<path d="M{LEFT} {floor}H{WIDTH - RIGHT}" stroke="{PALE}"/>' + _text(LEFT - 8, floor + 4, "0", "end")
    drawn = [axis, _text(LEFT - 8, top + 14, f"{most:.0f}", "end")]
    for number, (values, colour, name) in enumerate(lines):
        corners = zip(at.repeat(2)[1:], values.repeat(2), strict=False)
        points = " ".join(f"{_x(x):.0f},{floor - y / most * (height - 10):.0f}" for x, y in corners)
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
        drawn.append(_text(LEFT + 12, top + 14 + 18 * number, name, colour=colour))
    return "\n".join(drawn)


def walk() -> str:
    """Return the picture of the decision on `SITUATION`: the required tasks, and the result of each rule."""
    policy, memory, seen = decode(SITUATION)
    decision = decide(policy, memory, seen)
    vote = decision.votes[0]
    rows = [("demand", vote.tasks, vote.tasks, vote.reason)]
    rows += [(step.rule.replace("_", " "), step.start, step.end, step.reason) for step in decision.steps]
    label = f"One decision: {decision.current} tasks now, target {decision.target}"
    height = 84 + ROW * len(rows)
    axis = height - 34
    parts = [HEAD.format(width=WIDTH, height=height, label=label), _text(24, 24, label)]
    parts += [_row(number, *row) for number, row in enumerate(rows)]
    parts.append(f'<path d="M{_tasks_x(0)} {axis}H{_tasks_x(MOST)}" stroke="{PALE}"/>')
    parts += [_text(_tasks_x(tasks), axis + 20, str(tasks), "middle") for tasks in range(0, MOST, 10)]
    return "\n".join([*parts, _text(_tasks_x(MOST), axis + 20, "tasks", "end"), "</svg>\n"])


def _row(number: int, name: str, before: int, after: int, reason: str) -> str:
    """Return the count before and after a rule, with an arrow if it changed."""
    y = 58 + ROW * number
    begin, end = _tasks_x(before), _tasks_x(after)
    drawn = [_text(24, y + 5, name, colour=TASKS), _text(24, y + 23, reason)]
    if before != after:
        drawn.append(f'<circle cx="{begin}" cy="{y}" r="6" fill="none" stroke="{WAITING}" stroke-width="2"/>')
        drawn.append(f'<path d="M{begin - 7} {y}H{end + 12}" stroke="{WAITING}" stroke-width="2"/>')
        drawn.append(f'<path d="M{end + 8} {y}l8 -5v10z" fill="{WAITING}"/>')
    drawn.append(f'<circle cx="{end}" cy="{y}" r="6" fill="{TASKS}"/>')
    return "\n".join([*drawn, _text(end, y - 11, str(after), "middle", TASKS)])


def _tasks_x(tasks: int) -> int:
    return 340 + round(tasks / MOST * (WIDTH - 340 - 24))


STEPS = ("read", "estimate, demand", "rules, decision", "write")
OUTPUTS = (
    ("page, explain", "why this count"),
    ("JSON log", "can be replayed"),
    ("Prometheus", "Grafana, alerts"),
)


def overview() -> str:
    """Return the picture of the daemon: what it reads, what it writes, and where its results are."""
    label = "The daemon reads SQS, CloudWatch and ECS, and writes the desired count"
    parts = [HEAD.format(width=WIDTH, height=OVERVIEW_HEIGHT, label=label), ARROW_HEAD, *_surroundings()]
    parts += [_box((42 + 172 * n, 164, 150, 46), (step,), TASKS) for n, step in enumerate(STEPS)]
    parts += [_arrow((192 + 172 * n, 187), (213 + 172 * n, 187)) for n in range(len(STEPS) - 1)]
    for n, (name, content) in enumerate(OUTPUTS):
        parts.append(_box((250 + 165 * n, 296, 156, 58), (name, content)))
        parts.append(_arrow((328 + 165 * n, 222), (328 + 165 * n, 296)))
    return "\n".join([*parts, "</svg>\n"])


OVERVIEW_HEIGHT = 370
ARROW_HEAD = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="5" markerHeight="5" orient="auto">'
    f'<path d="M0 0L10 5L0 10z" fill="{WAITING}"/></marker></defs>'
)


def _surroundings() -> list[str]:
    """Return AWS around the daemon, with the calls and how often they are made."""
    return [
        _text(24, 24, "The daemon reads and sets one number; the messages do not pass through it"),
        _box((24, 44, 190, 58), ("SQS queue", "visible, in flight, delayed")),
        _box((546, 44, 190, 58), ("ECS service", "your workers")),
        _arrow((214, 73), (546, 73), colour=INK),
        _text(380, 67, "messages", "middle"),
        _box((24, 296, 190, 58), ("CloudWatch", "minutes of the queue, CPU")),
        f'<rect x="24" y="138" width="712" height="84" rx="6" fill="none" stroke="{TASKS}"/>',
        _text(382, 156, "autoscaler", "middle", TASKS),
        _arrow((90, 102), (90, 164)),
        _text(82, 126, "5 to 10 s", "end"),
        _arrow((90, 296), (90, 210)),
        _text(98, 264, "each minute"),
        _arrow((576, 102), (576, 122), (150, 122), (150, 164)),
        _text(380, 116, "tasks, deployments, events", "middle"),
        _arrow((680, 164), (680, 102)),
        _text(672, 126, "desiredCount", "end"),
    ]


def _box(place: tuple[int, int, int, int], lines: Sequence[str], colour: str = INK) -> str:
    """Return a box with its lines of text in the middle."""
    x, y, width, height = place
    first = y + height / 2 + 5 - 9 * (len(lines) - 1)
    texts = [_text(x + width / 2, round(first + 18 * n), line, "middle", colour) for n, line in enumerate(lines)]
    frame = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="#fff" stroke="{PALE}"/>'
    return "\n".join([frame, *texts])


def _arrow(*corners: tuple[int, int], colour: str = WAITING) -> str:
    path = "L".join(f"{x} {y}" for x, y in corners)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" marker-end="url(#head)"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = INK) -> str:
    return f'<text x="{x:.0f}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def main() -> None:
    for name, picture in {"burst.svg": burst(), "walk.svg": walk(), "overview.svg": overview()}.items():
        (FOLDER / name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
