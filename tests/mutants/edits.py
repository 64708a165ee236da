"""The mutation operators: each returns the small edits of one syntax node.

They are typical mistakes: off by one, the wrong side of a threshold, `min` for `max`, a missing condition, a missing
step. An edit replaces a span of the source and does not change the text around it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias


class Edit(NamedTuple):
    """Replaces the bytes from `start` (included) to `end` (excluded) by `text`."""

    start: int
    end: int
    text: str


class SourceText:
    """A source text with the positions of its nodes, in bytes, because Python counts columns in bytes."""

    def __init__(self, source: str) -> None:
        self.bytes = source.encode()
        self._starts = [0]
        for line in self.bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.expr | ast.stmt) -> str:
        return self.bytes[self.start(node) : self.end(node)].decode()

    def instead(self, node: ast.expr | ast.stmt, text: str) -> Edit:
        return Edit(self.start(node), self.end(node), text)

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Edit:
        """Replace the operator between two operands; comments and parentheses next to it stay."""
        start, end = self.end(left), self.start(right)
        return Edit(start, end, self.bytes[start:end].decode().replace(old, new, 1))

    def edited(self, edit: Edit) -> str:
        return (self.bytes[: edit.start] + edit.text.encode() + self.bytes[edit.end :]).decode()


Operator: TypeAlias = Callable[[ast.AST, SourceText], Iterator[Edit]]

_COMPARED: Mapping[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}

_COMPUTED: Mapping[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
}


def comparison(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Include or exclude the boundary, and negate the comparison."""
    if isinstance(node, ast.Compare):
        for op, (left, right) in zip(node.ops, pairwise([node.left, *node.comparators]), strict=True):
            sign, others = _COMPARED[type(op)]
            yield from (page.between(left, right, sign, other) for other in others)


def arithmetic(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Use the inverse operation, and drop a minus sign."""
    if isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
        yield page.between(node.left, node.right, *_COMPUTED[type(node.op)])
    if isinstance(node, ast.AugAssign) and type(node.op) in _COMPUTED:
        yield page.between(node.target, node.value, *_COMPUTED[type(node.op)])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield page.instead(node, f"({page.text(node.operand)})")


def connective(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Exchange `and` and `or`, drop each operand, and drop `not`."""
    if isinstance(node, ast.BoolOp):
        word, other, neutral = ("and", "or", "True") if isinstance(node.op, ast.And) else ("or", "and", "False")
        yield from (page.between(left, right, word, other) for left, right in pairwise(node.values))
        yield from (page.instead(value, neutral) for value in node.values if not isinstance(value, ast.Constant))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield page.instead(node, f"({page.text(node.operand)})")


def extreme(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Exchange `min` and `max`, wherever the names occur."""
    if isinstance(node, ast.Name) and node.id in {"min", "max"}:
        yield page.instead(node, "max" if node.id == "min" else "min")


def contender(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Drop one argument of `min` or `max`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"min", "max"}:
        for remaining in _without_one(node.args):
            rest = [page.text(argument) for argument in remaining]
            alone = len(rest) == 1 and not isinstance(remaining[0], ast.Starred)
            yield page.instead(node, f"({rest[0]})" if alone else f"{node.func.id}({', '.join(rest)})")


def constant(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Add 1 and subtract 1; double and halve fractions and very large numbers."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield page.instead(node, str(not value))
    elif isinstance(value, int) or (isinstance(value, float) and (value == 0 or 1 <= value < 1e6)):
        yield page.instead(node, f"{value + 1}")
        yield page.instead(node, f"({value - 1})")
    elif isinstance(value, float):
        yield page.instead(node, f"{value * 2}" if value < 1e308 else "float('inf')")
        yield page.instead(node, f"{value / 2}")


def condition(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Make a condition always true or always false; remove a filter."""
    if isinstance(node, ast.If | ast.IfExp):
        yield page.instead(node.test, "True")
        yield page.instead(node.test, "False")
    elif isinstance(node, ast.While):
        yield page.instead(node.test, "False")
    elif isinstance(node, ast.comprehension):
        yield from (page.instead(test, "True") for test in node.ifs)
    elif isinstance(node, ast.match_case) and node.guard is not None:
        yield page.instead(node.guard, "True")


def element(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Drop one element of a list, a set or a dict; of a tuple only in a comparison or an annotated assignment."""
    if isinstance(node, ast.List | ast.Set):
        left, right = "[]" if isinstance(node, ast.List) else "{}"
        for remaining in _without_one(node.elts):
            yield page.instead(node, f"{left}{', '.join(map(page.text, remaining))}{right}")
    elif isinstance(node, ast.Compare) and isinstance(node.comparators[-1], ast.Tuple):
        among = node.comparators[-1]
        for remaining in _without_one(among.elts):
            yield page.instead(among, f"({', '.join(map(page.text, remaining))},)")
    elif isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
        for some in _without_one(pairs):
            yield page.instead(node, "{" + ", ".join(_pair(page, *pair) for pair in some) + "}")
    elif isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Tuple):
        for remaining in _without_one(node.value.elts):
            yield page.instead(node.value, f"({', '.join(map(page.text, remaining))},)")


def answer(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Add 1 to and subtract 1 from the number that a function returns."""
    if isinstance(node, ast.FunctionDef) and node.returns is not None and page.text(node.returns) in {"int", "float"}:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return) and inner.value is not None and not isinstance(inner.value, ast.Constant):
                yield page.instead(inner.value, f"({page.text(inner.value)}) + 1")
                yield page.instead(inner.value, f"({page.text(inner.value)}) - 1")


def step(node: ast.AST, page: SourceText) -> Iterator[Edit]:
    """Drop a call or a `raise`; exchange `break` and `continue`."""
    if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or isinstance(node, ast.Raise):
        yield page.instead(node, "pass")
    elif isinstance(node, ast.Break):
        yield page.instead(node, "continue")
    elif isinstance(node, ast.Continue):
        yield page.instead(node, "break")


OPERATORS: tuple[Operator, ...] = (
    comparison,
    arithmetic,
    connective,
    extreme,
    contender,
    constant,
    condition,
    element,
    answer,
    step,
)


def _without_one(items: Sequence[ast.expr] | Sequence[tuple[ast.expr | None, ast.expr]]) -> Iterator[list]:  # type: ignore[type-arg]
    """Yield the items without each one of them; nothing for a single item."""
    if len(items) > 1:
        yield from ([*items[:index], *items[index + 1 :]] for index in range(len(items)))


def _pair(page: SourceText, key: ast.expr | None, value: ast.expr) -> str:
    return f"**{page.text(value)}" if key is None else f"{page.text(key)}: {page.text(value)}"
