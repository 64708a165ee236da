"""No regular expression of the package, of text or bytes, takes more than linear time for any input.

The patterns are collected from the values of all modules; a check of the source ensures that none is missed. The inputs
of each are generated from its own structure: every repetition made long, with and without a near miss at the end.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

import pytest

import autoscaler

ROOT = Path(__file__).resolve().parents[1]
SIZES = (26, 3_000, 20_000, 100_000)
ENDS = ("", "\0", " ")
CATEGORIES = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}
NEEDS_AN_EXTRA = {"autoscaler.worker.example", "autoscaler.__main__"}
"""Modules that import boto3, which only workers have, or that run the command at import."""


@cache
def modules() -> tuple[ModuleType, ...]:
    found = pkgutil.walk_packages(autoscaler.__path__, "autoscaler.")
    return tuple(importlib.import_module(one.name) for one in found if one.name not in NEEDS_AN_EXTRA)


def inside(value: object, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    """Yield the patterns of a module's value: itself, in collections, in fields, and in closures of functions."""
    if isinstance(value, re.Pattern):
        yield value
        return
    if depth > 5:
        return
    inner: list[object] = []
    if isinstance(value, tuple | list | set | frozenset):
        inner = list(value)
    elif isinstance(value, dict | MappingProxyType):
        inner = list(value.values())
    elif isinstance(value, FunctionType) and value.__module__.startswith("autoscaler"):
        inner = [cell.cell_contents for cell in value.__closure__ or ()]
    elif type(value).__module__.startswith("autoscaler"):
        inner = [getattr(value, name, None) for name in getattr(type(value), "__slots__", ())]
        inner += list(getattr(value, "__dict__", {}).values())
    for one in inner:
        yield from inside(one, depth + 1)


@cache
def patterns() -> dict[tuple[str | bytes, int], re.Pattern[Any]]:
    return {
        (pattern.pattern, pattern.flags): pattern
        for module in modules()
        for value in list(vars(module).values())
        for pattern in inside(value)
    }


AT_MODULE_LEVEL = "compile it once, at module level: `_NAME = re.compile(...)`, then `_NAME.fullmatch(text)`"


def misplaced(module: ModuleType) -> Iterator[str]:
    """Yield every use of `re` whose pattern is not collected: file, line, code and remedy."""
    path = Path(str(module.__file__))
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    within = {id(inner) for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "re":
            yield f"{shown}:{node.lineno}: {ast.unparse(node)}: write `import re`"
        if isinstance(node, ast.Call) and (remedy := _remedy(node, module, inside_function=id(node) in within)):
            yield f"{shown}:{node.lineno}: {ast.unparse(node)}: {remedy}"


def _remedy(call: ast.Call, module: ModuleType, *, inside_function: bool) -> str:
    match call.func:
        case ast.Attribute(value=ast.Name(id="re"), attr="compile") if not inside_function:
            made = eval(ast.unparse(call), dict(vars(module)))
            is_collected = (made.pattern, made.flags) in patterns()
            return "" if is_collected else "assign it to a name of the module, or to a field of such a value"
        case ast.Attribute(value=ast.Name(id="re"), attr=used) if used != "escape":
            return AT_MODULE_LEVEL
    return ""


def test_every_pattern_is_collected() -> None:
    """`re` is used only as `re.compile(...)` at module level, or as `re.escape`."""
    found = [line for module in modules() for line in misplaced(module)]
    assert not found, "patterns whose time is not tested:\n" + "\n".join(found)


def test_a_pattern_inside_a_function_is_reported_with_its_file_line_and_remedy(tmp_path: Path) -> None:
    module = ModuleType("example")
    path = tmp_path / "example.py"
    path.write_text("import re\n\ndef f(text):\n    return re.escape(text) or re.sub('a', '', text)\n")
    module.__file__ = str(path)
    [line] = misplaced(module)
    assert line == f"{path}:4: re.sub('a', '', text): {AT_MODULE_LEVEL}"


def letters(items: list[Any]) -> list[str]:
    """Return some members of a character class of the parser."""
    found = []
    for operation, argument in items:
        match str(operation):
            case "LITERAL":
                found.append(chr(argument))
            case "RANGE":
                found += [chr(argument[0]), chr(argument[1])]
            case "CATEGORY":
                found.append(CATEGORIES.get(str(argument), "x"))
            case "NEGATE":
                taken = set(letters([item for item in items if str(item[0]) != "NEGATE"]))
                return [letter for letter in "aA1-_.: \t\"'" if letter not in taken][:4] or ["~"]
    return found or ["x"]


class Pumped:
    """Texts that match a pattern, with one of its repetitions extended to a given length."""

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        self._tree = list(re._parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE | (pattern.flags & re.ASCII)))  # type: ignore[attr-defined]
        self.repeats = self._count(self._tree)

    def _count(self, nodes: Any) -> int:
        self._at = 0
        self._text(nodes, -1, 0, 0)
        return self._at

    def text(self, which: int, size: int, choice: int) -> str:
        self._at = 0
        return self._text(self._tree, which, size, choice)

    def _text(self, nodes: Any, which: int, size: int, choice: int) -> str:
        return "".join(self._one(str(operation), argument, which, size, choice) for operation, argument in nodes)

    def _one(self, operation: str, argument: Any, which: int, size: int, choice: int) -> str:
        match operation:
            case "LITERAL":
                return chr(argument)
            case "NOT_LITERAL":
                return "b" if argument == ord("a") else "a"
            case "ANY":
                return "a"
            case "IN":
                found = letters(argument)
                return found[choice % len(found)]
            case "BRANCH":
                return [self._text(one, which, size, choice) for one in argument[1]][choice % len(argument[1])]
            case "SUBPATTERN":
                return self._text(argument[3], which, size, choice)
            case "ATOMIC_GROUP":
                return self._text(argument, which, size, choice)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, _, inner = argument
                mine, self._at = self._at, self._at + 1
                one = self._text(inner, which, size, choice)
                answer: str = one * max(least, size // max(1, len(one)) if mine == which else 0)
                return answer
        return ""


def nasty(pattern: re.Pattern[Any], size: int) -> Iterator[str]:
    pumped = Pumped(pattern)
    for which, choice, end in product(range(pumped.repeats), range(3), ENDS):
        yield pumped.text(which, size, choice) + end
    alphabet = sorted(
        {
            letter
            for choice in range(4)
            for which in range(-1, pumped.repeats)
            for letter in pumped.text(which, 3, choice)
        }
    )
    for letter in alphabet:
        yield letter * size
        yield letter * size + "\0"
    for choice in range(4):
        whole = pumped.text(-1, 0, choice)
        for part in (whole, whole[:-1], f"{whole}\0"):
            yield (part or "x") * (size // (len(part) or 1))


def took_s(work: Any, *given: Any) -> float:
    """Return the processor time, which other processes do not delay."""
    begun = time.thread_time()
    work(*given)
    return time.thread_time() - begun


@cache
def bound_s() -> float:
    """Return the limit for 100,000 characters: 100 times the time of a linear pattern, at least 0.3 s."""
    linear = re.compile("(?:[a-z]|[0-9])*")
    return max(0.3, 100 * max(took_s(linear.fullmatch, "a" * SIZES[-1] + "!") for _ in range(5)))


def assert_linear(pattern: re.Pattern[Any]) -> None:
    is_bytes = isinstance(pattern.pattern, bytes)
    for size in SIZES:
        for generated in dict.fromkeys(nasty(pattern, size)):
            text = generated.encode("latin-1") if is_bytes else generated
            for work in (pattern.search, pattern.fullmatch):
                spent = took_s(work, text)
                if spent > bound_s():  # measure again: another process may have delayed it
                    spent = min(spent, took_s(work, text))
                assert spent <= bound_s(), f"{pattern.pattern!r}: {spent:.1f} s for {len(text)} of {text[:40]!r}"


@pytest.mark.parametrize("pattern", patterns().values(), ids=lambda pattern: str(pattern.pattern)[:40])
def test_every_pattern_takes_linear_time(pattern: re.Pattern[Any]) -> None:
    assert_linear(pattern)


@pytest.mark.parametrize("shape", [r"(?:a+)+b", rb"(?:a+)+b", r"x[^/\s]*@", r" +$"])
def test_a_pattern_that_is_not_linear_is_detected(shape: str | bytes) -> None:
    with pytest.raises(AssertionError, match=r"for [0-9]+ of"):
        assert_linear(re.compile(shape))
