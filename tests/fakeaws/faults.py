"""Faults in answers, scripted by operation and subject: permanent, or for a number of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from tests.fakeaws.replies import FakeRefusal, FakeReply, Manner

ANY = "*"

PartChange: TypeAlias = Callable[[Any], Any]
"""Returns a changed value for a subject's own part of an answer."""


@dataclass(frozen=True)
class FakeFault:
    """A refusal, or a change of the subject's part of an answer, of the whole answer, or of the HTTP reply."""

    refusal: Callable[[], FakeRefusal] | None = None
    part: PartChange | None = None
    whole: PartChange | None = None
    reply: Callable[[FakeReply], FakeReply] | None = None


@dataclass
class Scripted:
    fault: FakeFault
    times: int | None


@dataclass
class FakeFaults:
    """The scripted faults. `operation` or `subject` may be `ANY`. `times` None: until `heal`."""

    _scripted: dict[tuple[str, str], list[Scripted]] = field(default_factory=dict)

    def script(self, operation: str, fault: FakeFault, subject: str = ANY, times: int | None = None) -> None:
        self._scripted.setdefault((operation, subject), []).append(Scripted(fault, times))

    def heal(self, subject: str | None = None) -> None:
        """Remove the faults of that subject; None: all faults."""
        if subject is None:
            self._scripted.clear()
        else:
            self._scripted = {key: scripted for key, scripted in self._scripted.items() if key[1] != subject}

    def of(self, operation: str, subjects: Iterable[str]) -> list[tuple[str, FakeFault]]:
        """Return the faults that apply to a call, each with its subject. Each fault with a `times` limit loses one."""
        return list(self._of(operation, subjects)) if self._scripted else []

    def _of(self, operation: str, subjects: Iterable[str]) -> Iterator[tuple[str, FakeFault]]:
        for subject in (ANY, *subjects):
            for key in ((operation, subject), (ANY, subject)):
                for scripted in list(self._scripted.get(key, ())):
                    yield subject, scripted.fault
                    self._use_up(key, scripted)

    def _use_up(self, key: tuple[str, str], scripted: Scripted) -> None:
        if scripted.times is not None:
            scripted.times -= 1
            if scripted.times <= 0:
                self._scripted[key].remove(scripted)


def refused(code: str, message: str = "no", status: int = 400, query: str | None = None) -> FakeFault:
    """Return a fault in which AWS answers with this error."""
    return FakeFault(refusal=lambda: FakeRefusal(code, message, status, query))


def changed(change: PartChange) -> FakeFault:
    return FakeFault(part=change)


def without(*names: str) -> FakeFault:
    """Return a fault that removes these fields."""
    return FakeFault(part=lambda part: {name: value for name, value in part.items() if name not in names})


def with_fields(**fields: Any) -> FakeFault:
    """Return a fault that sets these fields."""
    return FakeFault(part=lambda part: part | fields)


def raw(body: bytes, status: int = 200, content_type: str = "application/x-amz-json-1.0") -> FakeFault:
    """Return a fault that replaces the answer with these bytes."""
    return FakeFault(reply=lambda _: FakeReply(body, status, {"Content-Type": content_type}))


def sent(manner: Manner, after_s: float = 0.0) -> FakeFault:
    """Return a fault in which the answer is correct but is sent in that manner."""
    return FakeFault(reply=lambda reply: replace(reply, manner=manner, after_s=after_s))


def skewed(seconds: float) -> FakeFault:
    """Return a fault in which AWS rejects the call because of clock skew."""
    return FakeFault(refusal=lambda: FakeRefusal("RequestTimeTooSkewed", f"the difference is {seconds:g} s", 403))
