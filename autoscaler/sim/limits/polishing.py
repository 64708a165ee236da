"""The fewest messages: every way to do one thing differently is tried, until none is cheaper."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from autoscaler.sim.limits.chains import NOTHING, Chain, Roster, cost_s, joined, single
from autoscaler.sim.limits.episode import FEW, Episode

Row = tuple[int, ...]
Rows = tuple[Row, ...]


def polished(episode: Episode, roster: Roster, *, thorough: bool) -> Roster:
    """No dearer than the roster, and no neighbour of it is cheaper, where there are few messages; else as it was.

    `thorough`: from more starts than this one, which takes about as many times as long as there are messages.
    """
    if len(episode.arrivals_s) > FEW:
        return roster
    search = _Search(episode)
    starts = [roster, *search.by_turns()] if thorough else [roster]
    return min((search.descended(start) for start in starts), key=search.cost_s)


class _Search:
    """Among rows of messages: one for each task of the start, and the others in the order of launch."""

    def __init__(self, episode: Episode) -> None:
        self._start_up_s = episode.start_up_s.tolist()
        self._least_billed_s = episode.least_billed_s
        self._at_start = episode.tasks_at_start
        self._singles = [single(episode, message) for message in range(len(episode.arrivals_s))]
        self._chains: dict[Row, Chain | None] = {(): NOTHING}

    def cost_s(self, roster: Roster) -> float:
        return cost_s(roster, self._start_up_s, self._least_billed_s)

    def by_turns(self) -> Iterator[Roster]:
        """So many launched tasks, each message to the next of them in turn: from one task to one for each message."""
        messages = range(len(self._singles))
        for tasks in range(1, len(messages) + 1):
            rows = tuple(tuple(messages[first::tasks]) for first in range(tasks))
            if (roster := self._roster(((),) * self._at_start + rows)) is not None:
                yield roster

    def descended(self, roster: Roster) -> Roster:
        """The steepest way down from there, to its end."""
        while True:
            best = min(self._neighbours(roster), key=self.cost_s)
            if self.cost_s(best) > self.cost_s(roster) - 1e-9:
                return roster
            roster = best

    def _neighbours(self, roster: Roster) -> Iterator[Roster]:
        """As it is, and with one thing done differently."""
        yield roster
        for rows in _ways(tuple(chain.messages for chain in roster.at_start + roster.launched), self._at_start):
            if (other := self._roster(rows)) is not None:
                yield other

    def _roster(self, rows: Rows) -> Roster | None:
        """None: something would be late."""
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


def _ways(rows: Rows, at_start: int) -> Iterator[Rows]:
    """Some messages in a row go elsewhere, or two tasks exchange what they do from some point on."""
    for source, row in enumerate(rows):
        for first, end in combinations(range(len(row) + 1), 2):
            yield from _placed(_with(rows, {source: row[:first] + row[end:]}), row[first:end], at_start)
    for one, other in combinations(range(len(rows)), 2):
        for ours in range(len(rows[one]) + 1):
            for theirs in range(len(rows[other]) + 1):
                yield _with(rows, _crossed(rows, one, ours, other, theirs))


def _placed(rows: Rows, some: Row, at_start: int) -> Iterator[Rows]:
    """They go to a place in a row, or to a task of their own."""
    for to, row in enumerate(rows):
        for place in range(len(row) + 1):
            yield _with(rows, {to: row[:place] + some + row[place:]})
    for place in range(at_start, len(rows) + 1):
        yield (*rows[:place], some, *rows[place:])


def _with(rows: Rows, changed: dict[int, Row]) -> Rows:
    return tuple(changed.get(index, row) for index, row in enumerate(rows))


def _crossed(rows: Rows, one: int, ours: int, other: int, theirs: int) -> dict[int, Row]:
    return {
        one: rows[one][:ours] + rows[other][theirs:],
        other: rows[other][:theirs] + rows[one][ours:],
    }
