"""Compute the decision for a recorded situation: the output of `decide` for one line, and the decision that `replay`
compares with a journal.

Invariant: every input line has exactly one output line. The output for a line that cannot be read has `name` and
`error` only.
"""

from __future__ import annotations

import json
from typing import Any

from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.errors import ConfigError
from autoscaler.inspection.lines import MOST_BYTES, JournalLine, parsed
from autoscaler.situation import decision_of, decode


class UnreadableSituation(ValueError):
    """The situation is invalid. The message lists every problem."""


def decision_on(situation: object) -> dict[str, Any]:
    """Return the decision on a situation, as `decide` prints it. Raises `UnreadableSituation` with every problem."""
    try:
        policy, memory, seen = decode(situation)
    except ConfigError as error:
        raise UnreadableSituation("; ".join(map(str, error.problems))) from None
    except RecursionError:
        raise UnreadableSituation("the JSON is nested too deeply") from None
    decision = decide(policy, memory, seen)
    return decision_of(decision, sentence(policy, decision, seen))


def answer(line: JournalLine) -> dict[str, Any]:
    """Return the decision on the line's situation, or `{"name", "error"}`. `name` None: no name could be read."""
    situation: object = None
    try:
        situation = _situation(line)
        return decision_on(situation)
    except ValueError as error:
        return {"name": _name(situation), "error": str(error)}


def printed(content: dict[str, Any]) -> bytes:
    """Return one line of JSON in ASCII: no name in it can end the line, move the cursor or fail to encode."""
    return json.dumps(content).encode("ascii") + b"\n"


def _situation(line: JournalLine) -> object:
    if line.content is None:
        raise ValueError(f"line too long: the maximum is {MOST_BYTES:,} bytes")
    return parsed(line.content)


def _name(situation: object) -> str | None:
    name = situation.get("name") if isinstance(situation, dict) else None
    return name if isinstance(name, str) else None
