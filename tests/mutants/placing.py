"""Put a mutant in the place of its module: at import, or in a module that is already imported."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import CodeType, FunctionType, ModuleType

from tests.mutants.planting import CORE, Mutant

CALLED_AT_IMPORT = {
    ("forecast/models", "_seen"),
    ("policy", "Direction.__post_init__"),
    ("policy", "Policy.__post_init__"),
}
"""Called while the core and its tests are imported: their results exist before they can be replaced."""


def is_replaceable(mutant: Mutant) -> bool:
    """Return whether the mutant can be put into an imported module."""
    return mutant.within and (mutant.module, mutant.function) not in CALLED_AT_IMPORT


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
    """Replace the code of the mutated function in its imported module, and clear the module's caches."""
    module = importlib.import_module(mutant.imported)
    function, name = _function(module, mutant.function)
    function.__code__ = _code(compile(mutant.source, str(module.__file__), "exec", dont_inherit=True), name)
    for known in vars(module).values():
        if hasattr(known, "cache_clear"):
            known.cache_clear()


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
