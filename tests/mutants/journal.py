"""The outcomes so far, in `.cache/mutants/`: an interrupted run goes on, and a later run tests only what has changed.

An outcome holds while the test files are the same, with all that they import: of a killed mutant the file of the test
that killed it, of a survivor the files that it ran with. Survivors are run again with files that were added or changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from tests.mutants.planting import Mutant
from tests.mutants.tracing import CACHE, digests_of_tests

_JOURNAL = CACHE / "journal.jsonl"


class JournalEntry(NamedTuple):
    """The last outcome of a mutant, the test that killed it (empty: none, or the mutant ended the process before any),
    and the digests of the test files that it ran with.
    """

    outcome: str
    killer: str
    digests: dict[str, str]


class OutcomeJournal:
    """Outcomes by mutant; appended to a file, one line each."""

    def __init__(self) -> None:
        self._entries: dict[str, JournalEntry] = {}
        self._killers: dict[tuple[str, str, str, str], str] = {}
        self._digests = digests_of_tests()
        CACHE.mkdir(parents=True, exist_ok=True)
        if _JOURNAL.is_file():
            self._read(_JOURNAL.read_text().splitlines())
        self._run = _digest(json.dumps(self._digests))
        self._write({"run": self._run, "digests": self._digests})

    def _read(self, lines: Sequence[str]) -> None:
        digests: dict[str | None, dict[str, str]] = {}
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # empty, or the last line of a run that was ended
                continue
            if "digests" in row:
                digests[row.get("run")] = row["digests"]
                continue
            before = self._entries.get(row["id"])
            known = before.digests if before and before.outcome == row["outcome"] else {}
            self._entries[row["id"]] = JournalEntry(row["outcome"], row["killer"], known | digests[row.get("run")])
            if row["killer"]:
                self._killers[tuple(row["key"])] = row["killer"]

    def entry(self, mutant: Mutant) -> JournalEntry | None:
        """Return the outcome of the mutant if it still holds; survivors may need more tests (`missing`)."""
        entry = self._entries.get(self._id(mutant))
        if entry is None or entry.outcome == "survived":
            return entry
        holds = all(entry.digests.get(file) == self._digests.get(file) for file in self._files_of(entry))
        return entry if holds else None

    def last(self, mutant: Mutant) -> JournalEntry | None:
        """Return the last outcome of the mutant of the present module, also if tests were added or changed since."""
        return self._entries.get(self._id(mutant))

    def missing(self, entry: JournalEntry | None) -> list[str]:
        """Return the test files that a mutant must still run with."""
        if entry is not None and entry.outcome != "survived":
            return []
        known = entry.digests if entry else {}
        return [file for file, digest in self._digests.items() if known.get(file) != digest]

    def killer(self, mutant: Mutant) -> str | None:
        """Return the test that last killed the same change of the same line, perhaps in another version of the core."""
        return self._killers.get(mutant.key)

    def add(self, mutant: Mutant, outcome: str, killer: str) -> None:
        self._write({"run": self._run, "id": self._id(mutant), "key": mutant.key, "outcome": outcome, "killer": killer})

    def _files_of(self, entry: JournalEntry) -> list[str]:
        return [entry.killer.partition("::")[0]] if entry.killer else list(self._digests)

    def _id(self, mutant: Mutant) -> str:
        return _digest(mutant.module, mutant.source)

    def _write(self, row: dict[str, object]) -> None:
        """Append a line. It begins with a line feed, in case that the last run ended within a line."""
        with _JOURNAL.open("a") as file:
            file.write(f"\n{json.dumps(row)}")


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
