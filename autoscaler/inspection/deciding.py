"""A situation decided: what `decide` answers to a line, and what `replay` compares with a journal.

Law: a line has one answer, whatever is in it; what cannot be read is answered with `error`, and nothing else.
"""

from __future__ import annotations

import json
from typing import Any

from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.errors import ConfigError
from autoscaler.inspection.lines import MOST_BYTES, Line, parsed
from autoscaler.situation import decision_of, decode


class Unreadable(ValueError):
    """A situation that cannot be decided on; the text says every reason."""


def decision_on(situation: object) -> dict[str, Any]:
    """The decision on a situation, as `decide` prints it. Raises `Unreadable` with everything that is wrong with it."""
    try:
        policy, memory, seen = decode(situation)
    except ConfigError as error:
        raise Unreadable("; ".join(map(str, error.problems))) from None
    except RecursionError:
        raise Unreadable("nested too deep") from None
    decision = decide(policy, memory, seen)
    return decision_of(decision, sentence(policy, decision, seen))


def answer(line: Line) -> dict[str, Any]:
    """The decision on the line's situation, or `{"name", "error"}`; `name` is None where none could be read."""
    situation: object = None
    try:
        situation = _situation(line)
        return decision_on(situation)
    except ValueError as error:
        return {"name": _name(situation), "error": str(error)}


def printed(content: dict[str, Any]) -> bytes:
    """One line of JSON in ASCII: no name ends it, moves a cursor, or fails in the terminal's encoding."""
    return json.dumps(content).encode("ascii") + b"\n"


def _situation(line: Line) -> object:
    if line.content is None:
        raise ValueError(f"too long: a line may have {MOST_BYTES:,} bytes")
    return parsed(line.content)


def _name(situation: object) -> str | None:
    name = situation.get("name") if isinstance(situation, dict) else None
    return name if isinstance(name, str) else None
