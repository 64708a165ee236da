"""Situations for `decide` from a seeded generator: values at and next to thresholds, where decisions differ.

They use the names of the commit that added this file; `--renames` translates them for other commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

Json = dict[str, Any]

WINDOWS_S = [0, 15, 60, 300]
EDGES_S = sorted({max(0.0, edge + step) for edge in (0, 15, 30, 45, 60, 120, 300, 3600) for step in (-1, -0.001, 0, 1)})
QUEUES = ["orders", "mail", "reports"]


def situations(count: int, seed: int) -> Iterator[Json]:
    """Yield `count` situations, the same for the same seed on every version of Python."""
    random = Random(seed)
    for number in range(count):
        yield {"name": f"s{number:05d}", **_situation(random)}


def _situation(random: Random) -> Json:
    queues = QUEUES[: random.choice([0, 1, 1, 1, 2, 3])]
    policy = _policy(random, queues)
    low, high = policy["min_tasks"], policy["max_tasks"]
    calm = random.random() < 0.5
    anywhere = [0, 0, 1, 2, low, high, random.randint(0, 40)]
    current = random.randint((low + high) // 2, high) if calm else random.choice(anywhere)
    drawn: Json = {"policy": policy, "current": current}
    if random.random() < 0.5:
        drawn |= {
            "running": max(0, current + random.choice([0, 0, -1, -current, -(current // 2), 2])),
            "pending": random.randint(0, 3),
        }
    if random.random() < 0.4:
        tenth = current * 1.1
        drawn["demand"] = random.choice(
            [0, 1, current, int(tenth), int(tenth) + 1, int(current * 0.9), high, random.randint(0, 90)]
        )
    if "demand" not in drawn or random.random() < 0.2:
        drawn["signals"] = _signals(random, policy, queues, current, calm=calm)
        if queues and random.random() < 0.4:
            drawn["knowledge"] = _knowledge(random, drawn["signals"]["queues"])
    if random.random() < 0.7:
        drawn["history"] = _history(random, current, calm=calm)
    if random.random() < 0.2:
        drawn["deployment"] = {"in_progress": random.random() < 0.8, "age_s": random.choice(EDGES_S)}
    if random.random() < 0.3:
        drawn["protected"] = random.choice([0, 1, current, random.randint(0, current + 2)])
    if random.random() < 0.1:
        drawn["trouble"] = {"because": "it could not place a task", "age_s": random.choice(EDGES_S)}
    if random.random() < 0.1:
        drawn["stop_timeout"] = {"seconds": random.choice([2, 30, 120]), "container": "app"}
    if queues and random.random() < 0.25:
        _focus(random, drawn)
    if random.random() < 0.01:
        drawn |= random.choice([{"nonsense": 1}, {"current": -1}, {"demand": "many"}, {"protected": 1.5}])
    return drawn


def _focus(random: Random, drawn: Json) -> None:
    """Change a situation so that a rarely met rule binds, or all but one of the rule's conditions hold."""
    for key in ("demand", "deployment", "trouble", "knowledge"):
        drawn.pop(key, None)
    policy, just = drawn["policy"], random.choice([-1, 0, 1])
    for key in ("paused", "fallback", "activation"):
        policy.pop(key, None)
    policy |= {"min_tasks": 0, "max_tasks": 40, "queues": ["orders"]}
    queue: Json = {"name": "orders", "visible": 300, "in_flight": random.choice([0, 4, 10]), "delayed": 0}
    history: Json = {"demands": [], "changes": []}
    drawn |= {"current": 10, "running": 10, "pending": 0, "signals": {"queues": [queue]}, "history": history}
    match random.choice(
        ["stalled", "trouble", "circles", "slower", "fifo", "small_step", "fallback", "unseen", "zero"]
    ):
        case "stalled":
            drawn["running"] = random.choice([5, 9, 10])
            history["starting"] = {"tasks": 5, "age_s": random.choice([60, 300]) + just}
        case "trouble":
            drawn |= {"running": 5, "trouble": {"because": "it could not place a task", "age_s": 100 + just}}
            history["starting"] = {"tasks": 5, "age_s": 100}
        case "circles":
            minutes = range(random.choice([2, 3, 4, 5, 6]), 0, -1)
            flow = {"received": random.choice([1, 10, 60]), "deleted": 0, "tasks": 10, "waiting": 300}
            history["flows"] = [{**flow, "age_s": 60 * back} for back in minutes]
        case "slower":
            counts = [5] * random.choice([3, 5]) + [10] * random.choice([2, 3, 5])
            flow = {"received": 100, "deleted": 100 + just, "waiting": random.choice([0, 300])}
            ages = range(60 * len(counts), 0, -60)
            history["flows"] = [{**flow, "tasks": n, "age_s": age} for n, age in zip(counts, ages, strict=True)]
        case "fifo":
            queue["groups_in_flight"] = random.choice([0, 4, 9, 10, 20])
            history["idle_for_s"] = 180 + just
        case "small_step":
            queue |= {"visible": random.choice([0, 5]), "in_flight": 0}
            policy |= {"acceptable_latency": "60s", "processing_time": "5s", "patience": "120s", "scale_in": {}}
            drawn["knowledge"] = _knowledge(random, [queue])
            history["demands"] = [{"age_s": random.choice([119, 120, 121]), "tasks": random.choice([9, 10, 11])}]
            history["demands"].append({"age_s": 30, "tasks": random.choice([4, 5, 6])})
        case "fallback":
            after, behavior = (
                random.choice([1, 2, 3]),
                random.choice(["static", "current_if_higher", "current_if_lower"]),
            )
            policy["fallback"] = {"behavior": behavior, "tasks": 10 + 4 * just, "after": after}
            drawn["signals"] = {"queues": [None]}
            history["failures"] = max(0, after + just)
        case "unseen":
            queue |= {"visible": 0, "in_flight": 0}
            messages = random.choice([0, 1, 600])
            unseen = {"messages": messages, "deleted": messages, "age_s": random.choice([60, 119, 180, 300])}
            drawn["signals"]["unseen"] = {**unseen, "compared": random.random() < 0.7}
            history["idle_for_s"] = 3600
        case "zero":
            queue |= {"visible": 0, "in_flight": 0}
            history["demands"] = [{"age_s": age + just, "tasks": 0} for age in (60, 40, 20)]


def _policy(random: Random, queues: list[str]) -> Json:
    low = random.choice([0, 0, 0, 1, 2, 6])
    high = low + random.choice([0 if low else 1, 3, 10, 30, 100])
    policy: Json = {"min_tasks": low, "max_tasks": high}
    if queues:
        latency = random.choice(["30s", "60s", "300s"])
        policy |= {"queues": queues, "acceptable_latency": latency}
        if len(queues) > 1 and random.random() < 0.3:
            policy["queues"] = [queues[0], *({"name": name, "acceptable_latency": "45s"} for name in queues[1:])]
    optional: dict[str, list[Any]] = {
        "processing_time": ["0.05s", "1s", "5s", "600s"],
        "task_concurrency": [1, 2, 10],
        "workers": ["self_protecting", "draining", "unsafe"],
        "busy_floor": [True, False],
        "count_in_flight": [True, False],
        "count_delayed": [True, False],
        "learn": [True, False],
        "tolerance": [0.0, 0.1, 0.5],
        "patience": ["0s", "60s", "120s"],
        "stalled_after": ["60s", "300s"],
        "launch_per_minute": [1, 10, 500],
        "mode": ["active", "active", "scale_out_only", "shadow"],
        "paused": ["all", "in", "out", low, high, (low + high) // 2, high + 1],
        "rivals": ["warn", "refuse"],
        "deployments": [{"hold_scale_in": False}, {"at_most": "60s"}],
        "activation": [{"messages": 10, "reads": 2}, {"reads": 3}, {"messages": 1}],
    }
    policy |= {name: random.choice(values) for name, values in optional.items() if random.random() < 0.2}
    if not queues or random.random() < 0.2:
        policy |= random.choice(
            [
                {"cpu_target_percent": 60},
                {"memory_target_percent": 80},
                {"cpu_target_percent": 60, "memory_target_percent": 80},
                {"metrics": {"jobs": {"namespace": "App", "metric": "Jobs", "target_per_task": 5}}},
                {"metrics": {"load": {"namespace": "App", "metric": "Load", "target_value": 50}}},
            ]
        )
    if queues and random.random() < 0.15:
        policy["backlog_per_task"] = random.choice([0.5, 5, 100])
    if random.random() < 0.2:
        behavior = random.choice(["hold", "static", "current_if_higher", "current_if_lower"])
        tasks = {} if behavior == "hold" else {"tasks": random.randint(low, high)}
        policy["fallback"] = {"behavior": behavior, **tasks, "after": random.choice([1, 2, 3])}
    for direction in ("scale_out", "scale_in"):
        if random.random() < 0.5:
            policy[direction] = _direction(random)
    return policy


def _direction(random: Random) -> Json:
    limits: list[Json] = [
        {random.choice(["tasks", "percent"]): random.choice([1, 4, 10, 50, 100]), "per": random.choice(["15s", "60s"])}
        for _ in range(random.choice([0, 1, 2]))
    ]
    return {
        "cooldown": f"{random.choice(WINDOWS_S)}s",
        "stabilization": f"{random.choice(WINDOWS_S)}s",
        "limits": limits,
        "select": random.choice(["max", "max", "min", "disabled"]),
    }


def _signals(random: Random, policy: Json, queues: list[str], current: int, *, calm: bool) -> Json:
    signals: Json = {}
    read = random.choice([0.0, 0.95, 0.95, 1.0, 1.0, 1.0, 1.0, 1.0])
    if queues:
        signals["queues"] = [
            _queue(random, name, current, calm=calm) if random.random() < read else None for name in queues
        ]
        if random.random() < 0.03:
            signals["queues"].pop()
    for signal, target in (("cpu", 60), ("memory", 80)):
        if f"{signal}_target_percent" in policy and random.random() < read:
            percents = [0, target - 1, target, target + 0.5, target * 1.1, 200, None, random.randint(0, 1500) / 10]
            percent = random.choice(percents)
            signals |= {f"{signal}_percent": percent, f"{signal}_age_s": random.choice([0, 60, 180, 300, 301])}
            if random.random() < 0.5:
                signals[f"{signal}_tasks"] = random.choice([0, 1, current, current + 2])
    if "metrics" in policy:
        names = policy["metrics"]
        signals["metrics"] = {name: random.choice([0, 4.9, 5, 50, 51, 500, None]) for name in names}
    if random.random() < 0.1:
        signals["flow"] = {
            "received": random.choice([0, 20, 60]),
            "deleted": random.choice([0, 20, 21]),
            "tasks": current,
            "age_s": random.choice(EDGES_S),
        }
    if queues and random.random() < 0.1:
        messages = random.choice([0, 1, 600])
        signals["unseen"] = {"messages": messages, "deleted": messages, "age_s": random.choice([0, 60, 179, 300])}
    if queues and random.random() < 0.05:
        signals["unreceived"] = queues[:1]
    return signals


def _queue(random: Random, name: str, current: int, *, calm: bool) -> Json:
    slots = current * random.choice([1, 2, 10])
    busy = [0, 0, 1, 9, 10, 11, slots, random.randint(0, 500), 10**6]
    queue: Json = {
        "name": name,
        "visible": random.choice([0, 0, 1, current // 2, current]) if calm else random.choice(busy),
        "in_flight": random.choice([0, 0, 1, current // 2, current] if calm else [0, current, slots, slots + 1, 100]),
        "delayed": random.choice([0, 0, 0, 5]),
        "age_s": random.choice([0, 1, 29, 30, 31]),
    }
    if random.random() < 0.5:
        queue["oldest_age_s"] = random.choice([0, 29, 30, 44.9, 45, 59.9, 60, 61, 299, 300, 301, 5000])
    if random.random() < 0.15:
        queue["groups_in_flight"] = random.choice([0, 1, current, 50])
    if random.random() < 0.02:
        queue["visible"] = random.choice([-1, 0.5])
    return queue


def _history(random: Random, current: int, *, calm: bool) -> Json:
    apart = [-5, -3, -1, 0, 0] if calm else [-5, -1, 0, 1, 5, 20]
    history: Json = {
        "demands": [
            {"age_s": random.choice(EDGES_S), "tasks": max(0, current + random.choice(apart))}
            for _ in range(random.choice([0, 1, 2, 5]))
        ]
    }
    if random.random() < 0.7:
        history["changes"] = [
            {"age_s": random.choice(EDGES_S), "tasks": random.choice([-10, -1, 1, 4, 50])}
            for _ in range(random.choice([0, 1, 2, 3]))
        ]
    if random.random() < 0.3:
        history["flows"] = [_flow(random, current, 60.0 * back) for back in range(random.choice([1, 2, 3, 5, 8]))][::-1]
    if random.random() < 0.2:
        history["starting"] = {"tasks": random.choice([0, current // 2, current]), "age_s": random.choice(EDGES_S)}
    optional: dict[str, list[Any]] = {
        "known_for_s": EDGES_S,
        "idle_for_s": EDGES_S,
        "failures": [0, 1, 2, 3, 4],
        "expected": [0, current, current + 3],
        "off": [True, False],
        "waking": [0, 1, 2, 3],
        "lapsed": [True, False],
    }
    return history | {name: random.choice(values) for name, values in optional.items() if random.random() < 0.25}


def _flow(random: Random, current: int, age_s: float) -> Json:
    minute = {"received": random.choice([0, 20, 60]), "deleted": random.choice([0, 0, 0, 20, 21]), "age_s": age_s}
    return {**minute, "tasks": random.choice([1, current, current, current * 2]), "waiting": random.choice([0, 50])}


def _knowledge(random: Random, queues: list[Json | None]) -> Json:
    """Return the learned estimates. The ages of the visible messages are near the limits at which they are late."""
    processing_s = random.choice([0.05, 1.0, 5.0, 12.0, 600.0])
    rate_per_s = random.choice([0.0, 0.1, 1.0, 10.0])
    estimate = {"weight": random.choice([0.0, 1.0, 100.0]), "age_s": 0.0}
    load = rate_per_s * processing_s
    return {
        "processing_s": {"value": processing_s, **estimate},
        "slow_s": processing_s * random.choice([1, 3]),
        "spread": 1.0,
        "concurrency": {"value": 1.0, **estimate},
        "start_s": {"value": random.choice([2.0, 50.0]), **estimate},
        "start_late_s": 75.0,
        "rate_per_s": {"value": rate_per_s, **estimate},
        "load": load,
        "lasting_load": load * random.choice([0.5, 1, 2]),
        "interval_s": 10.0,
        "received": 1000.0,
        "late": random.choice([0.0, 3.0]),
        "queues": [_learned(random, queue, rate_per_s) for queue in queues if queue is not None],
        "starting": random.choice([[], [[20.0, 2]], [[1.0, 1], [60.0, 5]]]),
        "arriving": random.random() < 0.7,
    }


def _learned(random: Random, queue: Json, rate_per_s: float) -> Json:
    visible = max(0, int(queue["visible"]))
    waiting = [[random.choice([1.0, 29.0, 30.0, 59.0, 60.0, 61.0, 400.0]), float(visible)]] if visible else []
    return {
        "name": queue["name"],
        "waiting": waiting,
        "coming": [[10.0 * step, 10.0 * rate_per_s] for step in range(1, random.choice([2, 7]))],
    }
