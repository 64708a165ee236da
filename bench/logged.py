"""Measure how much the daemon logs per service and day, in virtual time, with the daemon's code except the network.

    python -m bench.logged [SERVICES] [DAYS] [LOG_INTERVAL_S]

The load of each queue has a daily wave, is zero for half of the day, and has bursts. The services are polled every ten
seconds at most. Prints the lines and bytes per service and day by event, and the mean size of the parts of a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from autoscaler.config import Config, LogFormat, LogLevel
from autoscaler.telemetry.logs import as_json, utc
from bench.soaking import DAY_S, NOON, Region, now, services, supervisor_of
from tests.virtual import run_virtually

INTERVAL_S = 10.0
QUIET_INTERVAL_S = 60.0
COMPACT = (",", ":")


@dataclass
class CountedLog:
    """A log that counts its lines and their bytes by event, and the bytes of the parts of all decisions."""

    lines: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    decisions: int = 0

    def info(self, event: str, **fields: Any) -> None:
        self._count("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._count("warning", event, fields)

    def _count(self, level: str, event: str, fields: dict[str, Any]) -> None:
        line = as_json({"ts": utc(NOON + now()), "level": level, "event": event, **fields}, COMPACT)
        self.lines[event] += 1
        self.bytes[event] += len(line) + 1
        if fields.get("situation") is None:
            return
        self.decisions += 1
        read = json.loads(line)
        for prefix, content in (("", read), ("situation.", read["situation"])):
            for name, value in content.items():
                self.parts[prefix + name] += len(as_json({name: value}, COMPACT)) - 1


async def main(count: int, days: float, log_interval_s: float) -> CountedLog:
    """Run the daemon for this number of days, and return its log."""
    log, stopping = CountedLog(), asyncio.Event()

    async def settings() -> AsyncIterator[Config]:
        config = Config(INTERVAL_S, "", 0, LogFormat.JSON, LogLevel.INFO, (), 50, 25, (), QUIET_INTERVAL_S)
        yield replace(config, services=services(count, 0))
        await stopping.wait()

    task = asyncio.create_task(supervisor_of(Region(), log, log_interval_s).run(settings(), stopping))
    await asyncio.sleep(days * DAY_S)
    stopping.set()
    await task
    return log


if __name__ == "__main__":
    arguments = [float(each) for each in sys.argv[1:]]
    count, days, log_interval_s = (*arguments, *(20.0, 1.0, 60.0)[len(arguments) :])
    log = run_virtually(main(int(count), days, log_interval_s))
    for event in log.lines:
        lines, mb = log.lines[event] / count / days, log.bytes[event] / count / days / 1e6
        print(f"{event}: {lines:,.0f} lines, {mb:.2f} MB, {mb / lines * 1e6:,.0f} bytes each")
    print(f"all: {log.lines.total() / count / days:,.0f} lines, {log.bytes.total() / count / days / 1e6:.2f} MB")
    for part, size in log.parts.most_common(12):
        print(f"  {part}: {size / log.decisions:,.0f} bytes")
