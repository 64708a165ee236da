"""Which files a test depends on: those that it imports, directly or through others."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.mutants.planting import CORE, ROOT


@cache
def imported_files(file: str) -> frozenset[Path]:
    """Return the file of a test, and all files of the core and of the tests that it imports."""
    seen, new = set[Path](), {ROOT / file}
    while new:
        seen |= new
        new = set[Path]().union(*map(_imports, new)) - seen
    return frozenset(seen)


def imported_modules(file: str) -> frozenset[str]:
    """Return the modules of the core that a test's file imports, such as `rules/pace`."""
    within = [path for path in imported_files(file) if path.is_relative_to(CORE)]
    return frozenset(path.relative_to(CORE).with_suffix("").as_posix() for path in within)


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Return the files of the core and of the tests that the file imports, with the packages that contain them."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=str(module), level=0, names=aliases):
                names |= {module, *(f"{module}.{alias.name}" for alias in aliases)}
    within = [name for name in names if name.startswith(("autoscaler.", "tests."))]
    parts = {name.rsplit(".", depth)[0] if depth else name for name in within for depth in range(name.count(".") + 1)}
    places = [ROOT.joinpath(*part.split(".")) for part in parts]
    return frozenset(
        file for place in places for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()
    )
