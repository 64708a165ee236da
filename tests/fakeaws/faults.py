"""What can be wrong with an answer, and of whom: scripted by operation and subject, for ever or for a few times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from tests.fakeaws.replies import Manner, Refusal, Reply

ANY = "*"

Spoil: TypeAlias = Callable[[Any], Any]
"""Makes something else of a subject's own part of an answer."""


@dataclass(frozen=True)
class Fault:
    """What AWS refuses; or what becomes of the subject's own part of an answer, of the whole answer, of its bytes."""

    refusal: Callable[[], Refusal] | None = None
    part: Spoil | None = None
    whole: Spoil | None = None
    wire: Callable[[Reply], Reply] | None = None


@dataclass
class Scripted:
    fault: Fault
    times: int | None


@dataclass
class Faults:
    """`operation` or `subject` may be `ANY`. `times` None: until it is healed."""

    _scripted: dict[tuple[str, str], list[Scripted]] = field(default_factory=dict)

    def script(self, operation: str, fault: Fault, subject: str = ANY, times: int | None = None) -> None:
        self._scripted.setdefault((operation, subject), []).append(Scripted(fault, times))

    def heal(self, subject: str | None = None) -> None:
        """Nothing is wrong with that subject any more; None: with nobody."""
        if subject is None:
            self._scripted.clear()
        else:
            self._scripted = {key: found for key, found in self._scripted.items() if key[1] != subject}

    def of(self, operation: str, subjects: Iterable[str]) -> list[tuple[str, Fault]]:
        """What is wrong with a call now, and for whom; a fault of a few times is used up by it."""
        return list(self._of(operation, subjects)) if self._scripted else []

    def _of(self, operation: str, subjects: Iterable[str]) -> Iterator[tuple[str, Fault]]:
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


def refused(code: str, message: str = "no", status: int = 400, query: str | None = None) -> Fault:
    """AWS answers with this error."""
    return Fault(refusal=lambda: Refusal(code, message, status, query))


def spoilt(spoil: Spoil) -> Fault:
    return Fault(part=spoil)


def without(*names: str) -> Fault:
    """These fields are left out."""
    return Fault(part=lambda part: {name: value for name, value in part.items() if name not in names})


def with_fields(**fields: Any) -> Fault:
    """These fields have those values."""
    return Fault(part=lambda part: part | fields)


def raw(body: bytes, status: int = 200, content_type: str = "application/x-amz-json-1.0") -> Fault:
    """These bytes are the answer."""
    return Fault(wire=lambda reply: Reply(body, status, {"Content-Type": content_type}))


def sent(manner: Manner, after_s: float = 0.0) -> Fault:
    """The answer is right, and sent in that manner."""
    return Fault(wire=lambda reply: replace(reply, manner=manner, after_s=after_s))


def skewed(seconds: float) -> Fault:
    """AWS says that the caller's clock is wrong, and its `Date` is so far off."""
    return Fault(refusal=lambda: Refusal("RequestTimeTooSkewed", f"the difference is {seconds:g} s", 403))
