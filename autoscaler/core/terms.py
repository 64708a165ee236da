"""The terms of a formula: small closures that map the values of the signals to a finite number or None.

None is an unknown value. Invariant: a term never raises, and its result is None or lies within `LARGEST` of zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

LARGEST = 1.7976931348623157e308
"""The largest finite float. Larger values on either side, and NaN, fail `-LARGEST <= x <= LARGEST`."""

Values: TypeAlias = Mapping[str, float | None]
Term: TypeAlias = Callable[[Values], float | None]
Operator: TypeAlias = Callable[[float, float], float]
Comparison: TypeAlias = Callable[[float, float], bool]


def number(value: float) -> Term:
    return lambda _: value


def signal(name: str) -> Term:
    """The signal's value. None if it is missing or not a finite number."""

    def known(values: Values) -> float | None:
        value = values.get(name)
        return value if value is not None and -LARGEST <= value <= LARGEST else None

    return known


def negative(operand: Term) -> Term:
    def negated(values: Values) -> float | None:
        value = operand(values)
        return None if value is None else -value

    return negated


def contrary(operand: Term) -> Term:
    """The operator `not`: 1.0 for zero, 0.0 for any other number."""

    def contradicted(values: Values) -> float | None:
        value = operand(values)
        return None if value is None else float(not value)

    return contradicted


def operation(combine: Operator, left: Term, right: Term) -> Term:
    """None if it would divide by zero or exceed the range of a float."""

    def combined(values: Values) -> float | None:
        one, other = left(values), right(values)
        if one is None or other is None:
            return None
        try:
            result = combine(one, other)
        except ZeroDivisionError:
            return None
        return result if -LARGEST <= result <= LARGEST else None

    return combined


def comparison(start: Term, links: list[tuple[Comparison, Term]]) -> Term:
    """A chain such as `a < b <= c`: 1.0 if every link holds, 0.0 at the first that does not."""

    def compared(values: Values) -> float | None:
        left = start(values)
        if left is None:
            return None
        for holds, term in links:
            right = term(values)
            if right is None:
                return None
            if not holds(left, right):
                return 0.0
            left = right
        return 1.0

    return compared


def until(deciding: bool, terms: list[Term]) -> Term:
    """The first value whose truth equals `deciding` (`or`: True, `and`: False), otherwise the last one."""

    def decided(values: Values) -> float | None:
        value: float | None = None
        for term in terms:
            value = term(values)
            if value is None or bool(value) is deciding:
                break
        return value

    return decided


def choice(condition: Term, then: Term, otherwise: Term) -> Term:
    def chosen(values: Values) -> float | None:
        holds = condition(values)
        if holds is None:
            return None
        return then(values) if holds else otherwise(values)

    return chosen


def first(terms: list[Term]) -> Term:
    """The first known value. None if no value is known."""

    def found(values: Values) -> float | None:
        for term in terms:
            value = term(values)
            if value is not None:
                return value
        return None

    return found


def computed(compute: Callable[..., float], terms: list[Term]) -> Term:
    def result(values: Values) -> float | None:
        arguments = [term(values) for term in terms]
        return None if None in arguments else compute(*arguments)

    return result


def clamped(value: float, low: float, high: float) -> float:
    """The value limited to the range. If low is above high, high applies: it is a cap."""
    return min(max(value, low), high)


class Function(NamedTuple):
    """The usage, and the allowed number of arguments. `most` None: unlimited."""

    usage: str
    least: int
    most: int | None
    of: Callable[[list[Term]], Term]


def _function(usage: str, compute: Callable[..., float], least: int, most: int | None) -> Function:
    return Function(usage, least, most, lambda terms: computed(compute, terms))


FUNCTIONS: Mapping[str, Function] = {
    "abs": _function("abs(x)", abs, 1, 1),
    "ceil": _function("ceil(x)", lambda x: float(math.ceil(x)), 1, 1),
    "clamp": _function("clamp(x, low, high)", clamped, 3, 3),
    "first": Function("first(a, b, 8)", 2, None, first),
    "floor": _function("floor(x)", lambda x: float(math.floor(x)), 1, 1),
    "max": _function("max(a, b)", max, 2, None),
    "min": _function("min(a, b)", min, 2, None),
}
