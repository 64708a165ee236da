"""A reader who computes the number of tasks from the words of a term alone, as a person would with a calculator.

Each pattern is one wording. Numbers in a text have three significant digits, so the result is approximate.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf

_N = r"([0-9][0-9,.]*(?: x 10\^[0-9]+)?|less than 0\.001)"
_TASKS = _N + " tasks?"

PATTERNS: tuple[tuple[str, Callable[..., float]], ...] = (
    (
        f"to receive {_N} waiting or expected messages? within {_N} s: the present {_TASKS} can receive at least {_N}, "
        f"each further task {_N} after its start",
        lambda messages, _, tasks, received, each: tasks + (messages - received) / each,
    ),
    (
        f"to receive {_N} waiting or expected messages? within {_N} s: the present {_TASKS} can receive at least {_N}",
        lambda messages, _, tasks, received: tasks * messages / received,
    ),
    (f"no message is due within {_N} s", lambda _: 0.0),
    (
        f"for half of the load, {_N}, and a standing backlog in one latency target, {_N}:",
        lambda half, rest: half + rest,
    ),
    (f"a load of {_N} tasks is less than half a task", lambda _: 0.0),
    (
        f"for {_N} messages?/s x {_N} s / {_N} per task = {_N}, and {_N} of headroom",
        lambda rate, takes, slots, load, headroom: rate * takes / slots + headroom,
    ),
    (
        f"for {_N} messages?/s, the mean over a third of the latency target, x {_N} s / {_N} per task = {_N}",
        lambda rate, takes, slots, load: load if abs(load - rate * takes / slots) <= 0.02 * load + 0.1 else inf,
    ),
    (
        f"with a slot for each of {_N} messages? at {_N} per task, and {_N} spare tasks",
        lambda n, slots, more: n / slots + more,
    ),
    (f"{_N} tasks? can meet the latency target; up to {_N} tasks? would be kept", lambda tasks, _: tasks),
    (f"no more than the present {_TASKS}", lambda tasks: tasks),
    (
        f"{_N} messages? can wait: the first is due in {_N} s, and a task will be requested in about {_N} s",
        lambda *_: 0.0,
    ),
    (
        f"no more than one slot for each message: {_N} in the queues, {_N} expected, {_N} per task",
        lambda messages, coming, slots: (messages + coming) / slots,
    ),
    (f"more than {_TASKS} complete no more messages", lambda tasks: tasks),
    (f"to test with {_TASKS} whether more help", lambda tasks: tasks),
    (f"more than {_TASKS} receive nothing", lambda tasks: tasks),
    (f"it is not known whether more than {_TASKS} help", lambda tasks: tasks),
    (f"no message waits: {_TASKS} of the present {_N} tasks? are tried", lambda tasks, _: tasks),
    (
        f"to receive {_N} messages? in half of the latency target, or in what is left of it: {_N} per slot, the first "
        f"at once, and {_N} slots? per task",
        lambda messages, receives, slots: messages / receives / slots if messages else 0.0,
    ),
    (
        f"for the {_N} messages? in flight that the running tasks can hold, {_N} per task",
        lambda messages, slots: messages / slots,
    ),
    (
        f"backlog {_N}, {_N} in flight([^,0-9]*not counted[^,0-9]*)?(?:[^,0-9]*), (?:{_N} delayed, )?{_N} per task",
        lambda waiting, held, uncounted, delayed, per: (waiting + (0 if uncounted else held) + (delayed or 0)) / per,
    ),
    (
        f"the oldest message of .* has waited {_N} s of {_N} s with {_TASKS}",
        lambda age, limit, tasks: tasks * min(2.0, age / limit) if limit else 0.0,
    ),
    (f"there is work for {_N}", lambda tasks: tasks),
    (f"not above {_TASKS} by more than its noise", lambda tasks: tasks),
    (f"fewer than {_TASKS} only after", lambda tasks: tasks),
    (f"not fewer than {_TASKS}: up to", lambda tasks: tasks),
    (f"up to {_TASKS} within", lambda tasks: tasks),
    (f"with its slope and noise {_TASKS}", lambda tasks: tasks),
    (f"; at least {_TASKS}", lambda tasks: tasks),
    (f"the count changed in it: at least {_TASKS}", lambda tasks: tasks),
    (f" was(?: at)? {_N}(?: %)? on {_TASKS}, target {_N}", lambda value, tasks, target: value * tasks / target),
    (f" is {_N}, target {_N} per task", lambda value, target: value / target),
    (f" = {_N}$", lambda value: value),
)


def computed(text: str) -> float | None:
    """Return the number of tasks that the text gives (None: no pattern matches)."""
    for pattern, formula in PATTERNS:
        found = re.search(pattern, text)
        if found is not None:
            return formula(*(_value(each) for each in found.groups()))
    return None


def _value(text: str | None) -> float | None:
    """Return the number in the text. A text without digits is true."""
    if text is None:
        return None
    if not re.search("[0-9]", text):
        return 1.0
    if text.startswith("less"):
        return 0.0
    number, _, power = text.replace(",", "").partition(" x 10^")
    return float(number) * 10.0 ** int(power or 0)
