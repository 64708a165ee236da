"""How much memory a process holds."""

from __future__ import annotations

import os
from pathlib import Path


def resident_mb(pid: int | None = None) -> float:
    """Of that process, in MiB (None: of this one)."""
    status = Path(f"/proc/{pid or os.getpid()}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
