"""Read the resident memory of a process."""

from __future__ import annotations

import os
from pathlib import Path


def resident_mb(pid: int | None = None) -> float:
    """Return the resident memory of a process (None: this one) in MiB."""
    status = Path(f"/proc/{pid or os.getpid()}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
