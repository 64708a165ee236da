"""The figures of the last recorded campaign, which `docs/guarantees.md` shows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FIGURES = Path(__file__).parent / "figures.json"


@dataclass(frozen=True, slots=True)
class Figures:
    """One campaign. `polls`: service-polls at the ports; `crash_polls`: those of the runs that crash at every await.
    `failures`: violations that are not known; `known`: those under a known failure.
    """

    date: str
    first_seed: int
    seeds: int
    polls: int
    faults: int
    crash_seeds: int
    crash_awaits: int
    crash_polls: int
    adapter_seeds: int
    adapter_polls: int
    seconds: int
    failures: int
    known: int

    def sentence(self) -> str:
        """Return the figures as one sentence."""
        return (
            f"{self.polls:,} service-polls at the ports ({self.seeds} seeds with {self.faults:,} drawn faults, and "
            f"{self.crash_seeds} seeds with a crash at each of {self.crash_awaits:,} awaits) and "
            f"{self.adapter_polls:,} through the real adapters ({self.adapter_seeds} seeds) in {self.seconds} s: "
            f"{self.failures} violations, and {self.known} under known failures"
        )


def write_figures(figures: Figures) -> None:
    FIGURES.write_text(json.dumps(asdict(figures), indent=2) + "\n")


def read_figures() -> Figures | None:
    """Return the recorded figures (None: no campaign was recorded)."""
    return Figures(**json.loads(FIGURES.read_text())) if FIGURES.exists() else None
