"""The prose check finds what it must find, and every class name stands for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests import prose

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", 'x = 1\n"""The caller is told."""\n', [(2, "told")]),
        ("a.py", "# so\n# many tasks\n", [(1, "so many")]),
        ("a.py", "def tell_nobody(): ...\n", [(1, "nobody"), (1, "tell")]),
        ("a.py", "class LookBack: ...\n", [(1, "look")]),
        ("a.py", 'f"{told} tasks"\n', [(1, "told")]),
        ("a.md", "One\ntwo, whoever it\nis\n", [(2, "whoever")]),
        ("a.md", "The queue is\nto be read.\n", [(1, "is to be")]),
        ("a.py", "match 1:\n    case 1: ...\n", []),
        ("a.py", "dashboards = retold = 1  # boarding, mender, besides\n", []),
        ("a.md", "Set `look_ahead = true`.\n", []),
    ],
)
def test_banned_words_are_found_with_their_line(
    name: str, text: str, expected: list[tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    (tmp_path / name).write_text(text)
    assert [(use.line, use.word) for use in prose.uses(tmp_path / name)] == expected


def test_an_exception_allows_a_word_only_in_its_file_and_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    monkeypatch.setattr(prose, "EXCEPTIONS", (prose.Allowed(r"a\.md", r"cold start", "a term of AWS Lambda"),))
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("A cold start. A cold queue.\n")
    assert len(prose.uses(tmp_path / "a.md")) == 1
    assert len(prose.uses(tmp_path / "b.md")) == 2


def test_a_class_name_stands_for_one_class() -> None:
    places = defaultdict(list)
    for path in sorted(ROOT.glob("*/**/*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("autoscaler/", "bench/", "tests/")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{name}:{node.lineno}")
    assert {name: at for name, at in places.items() if len(at) > 1} == {}
