"""Generate the mutants of the core's source: everywhere except in texts for people and in annotations."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants.edits import OPERATORS, Edit, SourceText

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "autoscaler" / "core"

_NOT_MUTATED = {"annotation", "returns", "decorator_list", "type_comment"}
"""Fields of a node that mypy checks, or that are not the module's own behaviour."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. `before` and `after` are the changed lines, each joined into one line without indentation.

    `within`: it is inside the body of a function, so it can be applied to a module that is already imported. `lines`:
    the first and last line of the statement that it changes; of `if`, `for` and the like, without their bodies.
    """

    module: str
    function: str
    operator: str
    line: int
    before: str
    after: str
    within: bool
    source: str = field(repr=False)
    lines: tuple[int, int] = (0, 0)

    @property
    def imported(self) -> str:
        """The module's import name."""
        return ".".join(["autoscaler", "core", *self.module.removesuffix("/__init__").split("/")])

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The mutant's key in `survivors.toml`, independent of its line number."""
        return self.module, self.function, self.before, self.after


def modules() -> list[str]:
    """Return the names of the core's modules, as in `engine`, `rules/pace`."""
    return sorted(path.relative_to(CORE).with_suffix("").as_posix() for path in CORE.rglob("*.py"))


def mutants_of(module: str, excluded: Set[tuple[str, str]] = frozenset()) -> list[Mutant]:
    """Return every mutant of a module. `excluded` are pairs of a module and a name in it that is not mutated."""
    return list(planted(module, (CORE / f"{module}.py").read_text(), excluded))


def planted(module: str, source: str, excluded: Set[tuple[str, str]] = frozenset()) -> Iterator[Mutant]:
    """Yield every distinct mutant of a source. Each is valid Python and differs from the source."""
    page, seen = SourceText(source), {source}
    not_mutated = {name for where, name in excluded if where == module}
    tree = ast.parse(source)
    statements = statements_of(tree)
    for statement in tree.body:
        start, end = page.start(statement), page.end(statement)
        for function, node, within in _spots(statement, "", not_mutated, within=False):
            for operator in OPERATORS:
                for edit in operator(node, page):
                    changed = page.edited(edit)
                    longer = len(edit.text.encode()) - (edit.end - edit.start)
                    if changed not in seen and _well_formed(changed.encode()[start : end + longer]):
                        seen.add(changed)
                        line, before, after = _lines(page, edit, changed)
                        name = function or "(module)"
                        lines = statements[line]
                        yield Mutant(module, name, operator.__name__, line, before, after, within, changed, lines)


def statements_of(tree: ast.Module) -> dict[int, tuple[int, int]]:
    """Return the first and last line of the innermost statement of each line, without the statements inside it."""
    found: dict[int, tuple[int, int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else getattr(node, "end_lineno", first)
            lines = first, max(first, end)
            found |= dict.fromkeys(range(lines[0], lines[1] + 1), lines)
    return found


def _spots(node: ast.AST, function: str, not_mutated: set[str], *, within: bool) -> Iterator[tuple[str, ast.AST, bool]]:
    """Yield all nodes that can be mutated, each with its function or class (empty: the module), and whether it is
    inside a function's body.
    """
    name = _name(node)
    if name is not None:
        function = f"{function}.{name}".lstrip(".")
    if function in not_mutated or _is_wording(node):
        return
    yield function, node, within or isinstance(node, ast.FunctionDef)
    for part, inner in ast.iter_fields(node):
        if part not in _NOT_MUTATED:
            inside = within or (isinstance(node, ast.FunctionDef) and part == "body")
            for child in inner if isinstance(inner, list) else [inner]:
                if isinstance(child, ast.AST):
                    yield from _spots(child, function, not_mutated, within=inside)


def _name(node: ast.AST) -> str | None:
    """Return the name of a definition, or of an assignment to a constant; else None."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if name.isupper():
            return name
    return None


def _is_wording(node: ast.AST) -> bool:
    """Return whether the node is a sentence, a lambda that returns one, a type alias, or `__all__`."""
    match node:
        case ast.JoinedStr():
            return True
        case ast.Lambda(args=ast.arguments(args=[]), body=body):
            return not (isinstance(body, ast.Call) and isinstance(body.func, ast.Name))
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")) | ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
    return False


def _well_formed(source: bytes) -> bool:
    with warnings.catch_warnings(action="ignore"):
        try:
            compile(source, "mutant", "exec")
        except SyntaxError:
            return False
    return True


def _lines(page: SourceText, edit: Edit, changed: str) -> tuple[int, str, str]:
    """Return the number of the first changed line, and the changed lines before and after the edit."""
    first = page.bytes.count(b"\n", 0, edit.start)
    last = page.bytes.count(b"\n", 0, edit.end)
    old = page.bytes.decode().splitlines()
    behind = len(old) - last - 1
    new = changed.splitlines()
    return first + 1, _one_line(old[first : last + 1]), _one_line(new[first : len(new) - behind])


def _one_line(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
