"""Formulas over named signals, for operators who need a custom rule: arithmetic on numbers, and nothing else.

Python's parser parses a formula. The closed tables of this file list the syntax that is allowed; everything else is
rejected, so a formula cannot access Python itself. A parsed formula is a tree of closures.

An unknown value stays unknown: a signal that is missing or not finite is None, and so is an operation that would divide
by zero or exceed the range of a float. An operation with a None operand is None, with three exceptions:

- `first(a, b, 8)` is the first known value, from the left;
- `a and b`, `a or b` and a chain `a < b < c` are evaluated from the left until they are decided, as in Python: `0 and
  x` is 0 even if x is missing; `x and 0` is None, because a missing number is neither true nor false;
- `a if c else b` needs c and the branch that c selects.

Invariant: if every step is a finite number, the result is Python's own, in floats; `evaluate` never raises.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeAlias

# The terms of a formula: small closures that map the values of the signals to a finite number or None.
#
# None is an unknown value. Invariant: a term never raises, and its result is None or lies within `LARGEST` of zero.

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


MOST_CHARACTERS = 1_000
MOST_PARTS = 300
MOST_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Formula:
    """A valid formula. `names`: the signals that it uses, whether or not they will have a value."""

    text: str
    names: frozenset[str]
    _term: Term = field(repr=False, compare=False)

    def evaluate(self, values: Values) -> float | None:
        """Return the formula's value, a finite number. None: it cannot be computed from `values`, and does not vote.

        A name that is not in `values` counts as None. Comparisons are 1.0 or 0.0.
        """
        result = self._term(values)
        return None if result is None else float(result)


@lru_cache(maxsize=1024)
def parse(text: str) -> Formula:
    """Parse a formula of one or several lines. The result is cached by its text.

    Raises ValueError with a sentence that names the remedy and the position, counted in characters from the first
    one that is not a space.
    """
    line = _WHITE.sub(" ", text).strip()
    _check_letters(line)
    expression = _read(line)
    _check_size(expression)
    term = _term(expression)
    names = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    return Formula(line, frozenset(names - FUNCTIONS.keys()), term)


_WHITE = re.compile(r"\s")
_TOKEN = re.compile(
    r" +|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])"
    r"|[A-Za-z][A-Za-z0-9_]*|==|!=|<=|>=|[-+*/%<>(),]"
)
_SPELLING = "write numbers as 12, 0.5 or 1e3, followed by a space or an operator"
_HINTS: Mapping[str, str] = {
    "=": "compare with ==",
    "!": "write not",
    "&": "write and",
    "|": "write or",
    "_": "the name of a signal starts with a letter",
    ".": "a signal has no attributes; write its name alone, or a number as 0.5",
    "'": "strings are not supported; write the name of a signal without quotes",
    '"': "strings are not supported; write the name of a signal without quotes",
    **dict.fromkeys("0123456789", _SPELLING),
}
_KNOWN = "allowed are numbers, names of signals, + - * / // %, comparisons, and, or, not, if, else and functions"


def _check_letters(line: str) -> None:
    """Raise ValueError unless every character belongs to an allowed token, so Python's parser never receives a string,
    a dot or a bracket.
    """
    if not line:
        raise ValueError("the formula is empty; write one such as ceil(backlog / 10), or leave the setting out")
    if len(line) > MOST_CHARACTERS:
        raise ValueError(
            f"the formula has {len(line):,} characters; at most {MOST_CHARACTERS:,} are allowed; shorten it"
        )
    position = 0
    while position < len(line):
        token = _TOKEN.match(line, position)
        if token is None:
            raise ValueError(
                f"character {position + 1}, {_shown(line[position])}: {_HINTS.get(line[position], _KNOWN)}"
            )
        position = token.end()


def _read(line: str) -> ast.expr:
    try:
        return ast.parse(line, mode="eval").body
    except SyntaxError as error:
        position = min(max(error.offset or 1, 1), len(line))
        raise ValueError(
            f"character {position}: syntax error; check for a missing operator, comma or parenthesis"
        ) from None
    except (RecursionError, MemoryError):  # Python's parser raises these if the nesting is too deep for it
        raise _too_deep() from None


def _check_size(expression: ast.expr) -> None:
    """Raise ValueError above the limits of parts and levels. They bound the recursion here and in every evaluation."""
    level: list[ast.AST] = [expression]
    parts = depth = 0
    while level:
        parts, depth = parts + len(level), depth + 1
        level = [inner for node in level for inner in ast.iter_child_nodes(node) if isinstance(inner, _NESTING)]
    if depth > MOST_DEPTH:
        raise _too_deep()
    if parts > MOST_PARTS:
        raise ValueError(f"the formula has {parts} numbers, names and operations; at most {MOST_PARTS} are allowed")


_NESTING = (ast.expr, ast.comprehension, ast.keyword)


def _too_deep() -> ValueError:
    return ValueError(
        f"the formula is nested deeper than {MOST_DEPTH} levels; shorten it, or split a long sum with parentheses"
    )


def _refusal(node: ast.expr, what: str = _KNOWN) -> ValueError:
    return ValueError(f"character {node.col_offset + 1}, {_shown(ast.unparse(node))}: {what}")


def _shown(piece: str) -> str:
    """Return a part of the formula, quoted: at most 40 characters, without control characters."""
    piece = piece if len(piece) <= 40 else piece[:39] + "…"
    return f"`{piece}`" if piece.isprintable() else ascii(piece)


_OPERATORS: Mapping[type[ast.operator], Operator] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}

_COMPARISONS: Mapping[type[ast.cmpop], Comparison] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def _term(node: ast.expr) -> Term:
    """Return the closure of a node. Raises ValueError for syntax that is not allowed."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _number(node, value)
        case ast.Name(id=name):
            return _signal(node, name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return negative(_term(operand))
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            return operation(_OPERATORS[type(op)], _term(node.left), _term(node.right))
        case ast.Call():
            return _call(node)
    return _deciding_term(node)


def _deciding_term(node: ast.expr) -> Term:
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return contrary(_term(operand))
        case ast.Compare(ops=ops) if _COMPARISONS.keys() >= {type(op) for op in ops}:
            links = [(_COMPARISONS[type(op)], _term(to)) for op, to in zip(ops, node.comparators, strict=True)]
            return comparison(_term(node.left), links)
        case ast.BoolOp(op=op):
            return until(isinstance(op, ast.Or), [_term(value) for value in node.values])
        case ast.IfExp():
            return choice(_term(node.test), _term(node.body), _term(node.orelse))
    raise _refusal(node)


def _number(node: ast.expr, value: int | float) -> Term:
    if not value <= LARGEST:
        raise _refusal(node, "this number is too large")
    return number(float(value))


def _signal(node: ast.expr, name: str) -> Term:
    if name in FUNCTIONS:
        raise _refusal(node, f"this is a function; write {FUNCTIONS[name].usage}")
    return signal(name)


def _call(node: ast.Call) -> Term:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    function = FUNCTIONS.get(name)
    if function is None:
        raise _refusal(node, f"only these can be called: {', '.join(FUNCTIONS)}")
    if node.keywords or not function.least <= len(node.args) <= (function.most or MOST_PARTS):
        raise _refusal(node, f"write {function.usage}")
    return function.of([_term(argument) for argument in node.args])


__all__ = ["FUNCTIONS", "MOST_CHARACTERS", "MOST_DEPTH", "MOST_PARTS", "Formula", "parse"]
