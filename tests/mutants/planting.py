"""From the core's source to its mutants: everywhere but in words, which are for people, and in annotations."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants.edits import OPERATORS, Edit, Page

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "autoscaler" / "core"

_SAID_ELSEWHERE = {"annotation", "returns", "decorator_list", "type_comment"}
"""Fields of a node that mypy holds to, or that are not the module's own behaviour."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake. `before` and `after` are the lines that it touches, each on one line and without indentation.
    `within`: it lies inside the body of a function, and so may be planted in a module that is there already.
    """

    module: str
    function: str
    operator: str
    line: int
    before: str
    after: str
    within: bool
    source: str = field(repr=False)

    @property
    def imported(self) -> str:
        """The module's name in Python."""
        return ".".join(["autoscaler", "core", *self.module.removesuffix("/__init__").split("/")])

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is known by in `survivors.toml`, whatever its line's number becomes."""
        return self.module, self.function, self.before, self.after


def modules() -> list[str]:
    """The modules of the core as they are named here: `engine`, `rules/pace`."""
    return sorted(path.relative_to(CORE).with_suffix("").as_posix() for path in CORE.rglob("*.py"))


def mutants_of(module: str, excluded: Set[tuple[str, str]] = frozenset()) -> list[Mutant]:
    """Every mutant of a module. `excluded` are pairs of a module and a name in it that are not to be touched."""
    return list(planted(module, (CORE / f"{module}.py").read_text(), excluded))


def planted(module: str, source: str, excluded: Set[tuple[str, str]] = frozenset()) -> Iterator[Mutant]:
    """Every mutant of a source, once each. All are well-formed Python, and none is what it was made from."""
    page, met = Page(source), {source}
    left_alone = {name for where, name in excluded if where == module}
    for function, node, within in _spots(ast.parse(source), "", left_alone, within=False):
        for operator in OPERATORS:
            for edit in operator(node, page):
                changed = page.edited(edit)
                if changed not in met and _well_formed(changed):
                    met.add(changed)
                    line, before, after = _lines(page, edit, changed)
                    yield Mutant(
                        module, function or "(module)", operator.__name__, line, before, after, within, changed
                    )


def _spots(node: ast.AST, function: str, left_alone: set[str], *, within: bool) -> Iterator[tuple[str, ast.AST, bool]]:
    """All nodes that may be mutated, each with the function or class that it is in (empty: the module itself), and
    whether it is inside a function's body.
    """
    name = _name(node)
    if name is not None:
        function = f"{function}.{name}".lstrip(".")
    if function in left_alone or _is_wording(node):
        return
    yield function, node, within or isinstance(node, ast.FunctionDef)
    for part, inner in ast.iter_fields(node):
        if part not in _SAID_ELSEWHERE:
            inside = within or (isinstance(node, ast.FunctionDef) and part == "body")
            for child in inner if isinstance(inner, list) else [inner]:
                if isinstance(child, ast.AST):
                    yield from _spots(child, function, left_alone, within=inside)


def _name(node: ast.AST) -> str | None:
    """The name that a definition, or an assignment of the module, is known by."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if name.isupper():
            return name
    return None


def _is_wording(node: ast.AST) -> bool:
    """Sentences, the closures that say one when asked, and the names of types."""
    match node:
        case ast.JoinedStr():
            return True
        case ast.Lambda(args=ast.arguments(args=[]), body=body):
            return not (isinstance(body, ast.Call) and isinstance(body.func, ast.Name))
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")) | ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
    return False


def _well_formed(source: str) -> bool:
    with warnings.catch_warnings(action="ignore"):
        try:
            compile(source, "mutant", "exec")
        except SyntaxError:
            return False
    return True


def _lines(page: Page, edit: Edit, changed: str) -> tuple[int, str, str]:
    """The number of the first line that an edit touches, and the touched lines before and after it."""
    first = page.bytes.count(b"\n", 0, edit.start)
    last = page.bytes.count(b"\n", 0, edit.end)
    old = page.bytes.decode().splitlines()
    behind = len(old) - last - 1
    new = changed.splitlines()
    return first + 1, _one_line(old[first : last + 1]), _one_line(new[first : len(new) - behind])


def _one_line(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
