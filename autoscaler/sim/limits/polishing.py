"""Improve a plan for very few messages: try every single change until no change is cheaper."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from autoscaler.sim.limits.chains import EMPTY_CHAIN, Chain, Roster, cost_s, joined, single
from autoscaler.sim.limits.episode import FEW, Episode

Row = tuple[int, ...]
Rows = tuple[Row, ...]


def polished(episode: Episode, roster: Roster, *, thorough: bool) -> Roster:
    """Return a roster that costs at most as much and has no cheaper neighbour. More than `FEW` messages: unchanged.

    `thorough`: search from other rosters too. The search takes longer by about a factor of the number of messages.
    """
    if len(episode.arrivals_s) > FEW:
        return roster
    search = _Search(episode)
    starts = [roster, *search.round_robin()] if thorough else [roster]
    return min((search.improved(start) for start in starts), key=search.cost_s)


class _Search:
    """A local search over rows of messages: one row per task of the start, then one per launch, in their order."""

    def __init__(self, episode: Episode) -> None:
        self._start_up_s = episode.start_up_s.tolist()
        self._least_billed_s = episode.least_billed_s
        self._at_start = episode.tasks_at_start
        self._singles = [single(episode, message) for message in range(len(episode.arrivals_s))]
        self._chains: dict[Row, Chain | None] = {(): EMPTY_CHAIN}

    def cost_s(self, roster: Roster) -> float:
        return cost_s(roster, self._start_up_s, self._least_billed_s)

    def round_robin(self) -> Iterator[Roster]:
        """Yield rosters that assign the messages round-robin to 1, 2, ... launched tasks, up to one per message."""
        messages = range(len(self._singles))
        for tasks in range(1, len(messages) + 1):
            rows = tuple(tuple(messages[first::tasks]) for first in range(tasks))
            if (roster := self._roster(((),) * self._at_start + rows)) is not None:
                yield roster

    def improved(self, roster: Roster) -> Roster:
        """Return the local optimum that steepest descent reaches from the roster."""
        while True:
            best = min(self._neighbours(roster), key=self.cost_s)
            if self.cost_s(best) > self.cost_s(roster) - 1e-9:
                return roster
            roster = best

    def _neighbours(self, roster: Roster) -> Iterator[Roster]:
        """Yield the roster itself, and each possible roster with one change."""
        yield roster
        for rows in _changes(tuple(chain.messages for chain in roster.at_start + roster.launched), self._at_start):
            if (other := self._roster(rows)) is not None:
                yield other

    def _roster(self, rows: Rows) -> Roster | None:
        """Return the roster of the rows. None: a message would be late."""
        launched = [row for row in rows[self._at_start :] if row]
        chains = [chain for row in (*rows[: self._at_start], *launched) if (chain := self._chain(row)) is not None]
        if len(chains) < self._at_start + len(launched):
            return None
        return Roster(tuple(chains[: self._at_start]), tuple(chains[self._at_start :]))

    def _chain(self, row: Row) -> Chain | None:
        if row not in self._chains:
            before = self._chain(row[:-1])
            self._chains[row] = before and joined(before, self._singles[row[-1]])
        return self._chains[row]


def _changes(rows: Rows, at_start: int) -> Iterator[Rows]:
    """Yield each change: consecutive messages of a row move elsewhere, or two rows exchange their ends."""
    for source, row in enumerate(rows):
        for first, end in combinations(range(len(row) + 1), 2):
            yield from _moved(_with(rows, {source: row[:first] + row[end:]}), row[first:end], at_start)
    for one, other in combinations(range(len(rows)), 2):
        for ours in range(len(rows[one]) + 1):
            for theirs in range(len(rows[other]) + 1):
                yield _with(rows, _crossed(rows, one, ours, other, theirs))


def _moved(rows: Rows, some: Row, at_start: int) -> Iterator[Rows]:
    """Yield each move of `some` messages: to a position in a row, or to a new task."""
    for to, row in enumerate(rows):
        for position in range(len(row) + 1):
            yield _with(rows, {to: row[:position] + some + row[position:]})
    for position in range(at_start, len(rows) + 1):
        yield (*rows[:position], some, *rows[position:])


def _with(rows: Rows, changed: dict[int, Row]) -> Rows:
    return tuple(changed.get(index, row) for index, row in enumerate(rows))


def _crossed(rows: Rows, one: int, ours: int, other: int, theirs: int) -> dict[int, Row]:
    return {
        one: rows[one][:ours] + rows[other][theirs:],
        other: rows[other][:theirs] + rows[one][ours:],
    }
