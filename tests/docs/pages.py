"""Parse the Markdown pages: code blocks, text, and the command lines in both."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SITE = sorted((ROOT / "docs").glob("*.md"))
OTHERS = (
    "README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "deploy/README.md",
)  # fmt: skip
PAGES = [*SITE, *(ROOT / name for name in OTHERS)]

FENCE = re.compile(r"^( *)```([a-z]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^ {4}\S.*\n(?:\n(?= {4}))?)+", re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
ASSIGNED = re.compile(r"(?:export )?(AUTOSCALER_[A-Z0-9_]+)=(.*)")


class Block(NamedTuple):
    """A code fence, or lines indented by four spaces, which have no language."""

    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0][:60]}"


class Command(NamedTuple):
    """One call of `autoscaler`, with the variables before it, up to a pipe or a redirection."""

    page: str
    variables: dict[str, str]
    words: list[str]

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return the page without its code fences."""
    return FENCE.sub("", page.read_text())


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    yield from (Block(name_of(page), language, content) for _, language, content in FENCE.findall(text))
    yield from (Block(name_of(page), "", each[0]) for each in INDENTED.finditer(FENCE.sub("", text)))


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands in shell blocks and in code spans of the text."""
    lines = [line for block in blocks(page) if block.language in {"", "sh"} for line in _lines(block.text)]
    for line in [*lines, *SPAN.findall(prose(page))]:
        if re.search(r"(?:^|[\s|])autoscaler [a-z]", line):
            yield from _calls(name_of(page), line)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\\\n", " ").splitlines()]


def _calls(page: str, line: str) -> Iterator[Command]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>&;")
    lexer.whitespace_split = True
    part: list[str] = []
    for word in [*lexer, "|"]:
        if set(word) <= set("|<>&;"):
            yield from _call(page, part)
            part = []
        else:
            part.append(word)


def _call(page: str, words: list[str]) -> Iterator[Command]:
    variables: dict[str, str] = {}
    while words and (assigned := ASSIGNED.fullmatch(words[0])):
        variables[assigned[1]], words = assigned[2], words[1:]
    if words[:1] == ["autoscaler"]:
        yield Command(page, variables, words[1:])
