"""Situations and journal lines for the commands, and helpers that run a command without the user's environment."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any, NamedTuple

from tests.processes import ended

END_S = 60.0


def situation(current: int = 2, visible: int = 100, **more: Any) -> dict[str, Any]:
    """Return a situation with one queue and a backlog_per_task of 10."""
    return {
        "name": "orders",
        "policy": {"max_tasks": 20, "queues": ["orders"], "backlog_per_task": 10, "tolerance": 0},
        "current": current,
        "signals": {"queues": [{"name": "orders", "visible": visible, "in_flight": 0, "delayed": 0}]},
        **more,
    }


def journal_line(of: dict[str, Any], target: int, *rules: str, **more: Any) -> dict[str, Any]:
    """Return a line as the daemon logs it, with one step per rule. The count before each rule is arbitrary."""
    steps = [{"rule": rule, "from": 7, "to": target, "reason": "as recorded"} for rule in rules]
    named = {"service": "orders", "ecs_service": "orders-worker", "cluster": "prod"}
    decided = {"current": of["current"], "target": target, "verdict": "scale_out", "steps": steps}
    return {"ts": "2026-11-23T08:30:00.000Z", "event": "scaled", **named, **decided, "situation": of, **more}


def text(*lines: object) -> bytes:
    """Return JSON lines."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


class Ended(NamedTuple):
    """The exit code and the output of an ended process."""

    code: int
    out: bytes
    err: str

    @property
    def answers(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def environ(**settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*", **settings}


async def autoscaler(*arguments: str, stdin: bytes | str = b"", **settings: str) -> Ended:
    """Run the command as a separate process and return its result."""
    process = await started(*arguments, **settings)
    try:
        async with asyncio.timeout(END_S):
            out, err = await process.communicate(stdin.encode() if isinstance(stdin, str) else stdin)
    finally:
        await ended(process)
    assert process.returncode is not None
    return Ended(process.returncode, out, err.decode())


async def started(*arguments: str, **settings: str) -> asyncio.subprocess.Process:
    """Start the command as a separate process with pipes for its three streams."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "autoscaler", *arguments, stdin=pipe, stdout=pipe, stderr=pipe,
        env=environ(**settings), limit=2**26,
    )  # fmt: skip
