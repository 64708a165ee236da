"""Put a mutant in the place of its module: at import, or in a module that is already imported."""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from tests.mutants.planting import CORE, ROOT, Mutant, statements_of

TESTS = "tests/core"

CALLED_AT_IMPORT = {
    ("forecast/models", "_seen"),
    ("policy", "Direction.__post_init__"),
    ("policy", "Policy.__post_init__"),
    ("start_phases", "task_number"),
}
"""Called while the core and its tests are imported: their results exist before they can be replaced."""


def is_replaceable(mutant: Mutant) -> bool:
    """Return whether the mutant can be put into an imported module."""
    if mutant.within:
        return (mutant.module, mutant.function) not in CALLED_AT_IMPORT
    names = constants_at(mutant)
    return bool(names) and names <= _constants(mutant.module)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def constants_at(mutant: Mutant) -> AbstractSet[str]:
    """Return the constants that the mutant's statement assigns; empty if it assigns none."""
    nodes = [node for node in _tree(CORE / f"{mutant.module}.py").body if node.lineno == mutant.lines[0]]
    return {name for node in nodes for name in _assigned(node)}


@cache
def lines_with(constant: str, module: str) -> Mapping[str, AbstractSet[int]]:
    """Return the lines of the core that use a constant of the module, by module: also those that use a constant that is
    computed from it.
    """
    names, new = {constant}, {constant}
    while new:
        new = {
            name for node in _tree(CORE / f"{module}.py").body if _names_in(node) & names for name in _assigned(node)
        } - names
        names |= new
    found: dict[str, AbstractSet[int]] = {}
    for path in CORE.rglob("*.py"):
        used = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.Name) and node.id in names]
        statements = statements_of(_tree(path))
        lines = {line for node in used for line in range(*_after(statements[node.lineno]))}
        found[path.relative_to(CORE).with_suffix("").as_posix()] = lines
    return found


def _after(lines: tuple[int, int]) -> tuple[int, int]:
    return lines[0], lines[1] + 1


@cache
def _constants(module: str) -> AbstractSet[str]:
    """Return the constants of the module that only functions use, in whatever module, and no test of the core.

    A constant that another constant of the same module is computed from also counts: both are computed again. A test
    that uses a constant may have computed its expectation from it at import.
    """
    own = _tree(CORE / f"{module}.py")
    named = {name for node in own.body for name in _assigned(node)}
    used = {name for node in own.body if not _assigned(node) for name in _used_at_import(node)}
    for path in (*CORE.rglob("*.py"), *(ROOT / TESTS).rglob("*.py")):
        if path != CORE / f"{module}.py":
            tree = _tree(path)
            in_tests = path.is_relative_to(ROOT / TESTS)
            used |= _names_in(tree) if in_tests else {n for node in tree.body for n in _used_at_import(node)}
    for node in own.body:
        if isinstance(node, ast.FunctionDef) and (module, node.name) in CALLED_AT_IMPORT:
            used |= _names_in(node)
    return named - used


def _assigned(node: ast.stmt) -> list[str]:
    """Return the name of a constant that the statement assigns, as a list; empty for any other statement."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name] if name.isupper() else []
        case ast.Assign(targets=[ast.Tuple(elts=names)]):
            return [name.id for name in names if isinstance(name, ast.Name) and name.id.isupper()]
    return []


def _used_at_import(node: ast.AST) -> AbstractSet[str]:
    """Return the names that are used while the statement is executed: outside of functions' bodies, and not imports."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts: list[ast.AST] = [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.decorator_list]
    elif isinstance(node, ast.Lambda):
        parts = [*node.args.defaults]
    else:
        parts = list(ast.iter_child_nodes(node))
    here = {node.id} if isinstance(node, ast.Name) else set[str]()
    return here.union(*map(_used_at_import, parts))


def _names_in(tree: ast.AST) -> AbstractSet[str]:
    """Return all names in a file, including imported ones and attributes."""
    found = set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
    return found


def install(mutant: Mutant) -> None:
    """Make imports of the mutant's module return the mutant. Must be called before the module is imported."""
    sys.meta_path.insert(0, Planted(mutant))


class Planted(importlib.abc.MetaPathFinder):
    """A finder that loads one module from the mutant's source instead of its file."""

    def __init__(self, mutant: Mutant) -> None:
        self._path = str(CORE / f"{mutant.module}.py")
        self._name = mutant.imported
        self._source = mutant.source

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=_Loader(name, self._path, self._source))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


def replace(mutant: Mutant) -> None:
    """Replace the code of the mutated function, or the mutated constant, in the imported modules of the core, and clear
    their caches.
    """
    module = importlib.import_module(mutant.imported)
    code = compile(mutant.source, str(module.__file__), "exec", dont_inherit=True)
    if mutant.within:
        function, name = _function(module, mutant.function)
        function.__code__ = _code(code, name)
    else:
        _replace_constants(module, code)
    clear_caches()


def clear_caches() -> None:
    """Forget what the functions of the core remember."""
    for core in _imported_core():
        for known in vars(core).values():
            if hasattr(known, "cache_clear"):
                known.cache_clear()


def _replace_constants(module: ModuleType, code: CodeType) -> None:
    """Compute the constants of the module again, and replace those that differ wherever they were imported."""
    again = {"__name__": module.__name__, "__file__": module.__file__, "__package__": module.__package__}
    exec(code, again)
    for name, old in list(vars(module).items()):
        if name.isupper() and name in again and repr(again[name]) != repr(old):
            for core in _imported_core():
                for other, value in list(vars(core).items()):
                    if value is old and other == name:
                        setattr(core, other, again[name])


def _imported_core() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.startswith("autoscaler.core")]


def _function(module: ModuleType, name: str) -> tuple[FunctionType, str]:
    """Return the outermost function of a dotted name, and its qualified name in the module."""
    value: object = module
    path = name.split(".")
    for depth, part in enumerate(path, 1):
        value = vars(value)[part]
        for wrapped in ("fget", "__wrapped__", "__func__"):
            value = getattr(value, wrapped, value)
        if isinstance(value, FunctionType):
            return value, ".".join(path[:depth])
    raise LookupError(f"{name} is not a function of {module.__name__}")


def _code(code: CodeType, name: str) -> CodeType:
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and inner.co_qualname == name:
            return inner
        if isinstance(inner, CodeType) and name.startswith(f"{inner.co_qualname}."):
            return _code(inner, name)
    raise LookupError(name)
