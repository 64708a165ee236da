"""Check that everything a person reads uses the words of AWS, Kubernetes and Prometheus: `python -m tests.prose`.

Identifiers, comments, docstrings, messages, pages and documents are checked against a list of banned words. A use
that must stay is listed in `EXCEPTIONS` with its reason. The exit code is 1 if a banned word is found, and the report
names the file, the line, the word, and what to write instead.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

BANNED = {
    r"told|tells?|telling|untold": "report, log, return, configure, record",
    r"nobody|nobody's": "no caller, no task, no client; not",
    r"whoever": "the caller, a client, an operator",
    r"anew": "again, new",
    r"mend(s|ed|ing)?": "fix, repair",
    r"beside": "next to, in addition to",
    r"lack(s|ed|ing)?": "has no, is missing",
    r"so (many|much|long)": "N, the number of; a duration with its unit",
    r"look(s|ed|ing)?": "poll, read, check",
    r"promis(e|es|ed|ing)": "latency target, SLO",
    r"whose turn": "which call is next",
    r"at hand": "available",
    r"of which": "split the sentence",
    r"(may|to) be had": "available",
    r"(is|are|was|were) to be": "must be, is",
    r"none of": "not one of, no",
    r"the other way": "say what is the opposite",
    r"as far as is known": "say what is unknown",
    r"crews?": "supervisor, process pool",
    r"asides?": "background task, side event",
    r"boards?": "status store",
    r"keeping": "SLO status; cache",
    r"underway|under way": "in progress, in flight",
    r"gatherings?": "batch",
    r"lean": "say what it leaves out",
    r"over the wire|wires?": "protocol, connection",
    r"rivals?": "conflicting scaler",
    r"patience|impatient": "stabilization window, timeout",
    r"blind": "missing",
    r"cold": "warm-up; without learned values",
    r"pacers?": "rate limiter",
    r"corridors?": "permitted range",
    r"restraints?": "rule",
    r"dear(er|est)?": "expensive, at higher cost",
    r"errs": "say what the error is",
    r"sent away": "refused, throttled",
    r"lanes?": "queue, slot",
    r"oldest waits?": "oldest message age",
    r"may wait": "latency target",
    r"asked for": "required tasks, requested",
    r"wanted": "required tasks, requested",
    r"what (waits|comes)": "backlog, arrivals",
    r"at work": "in flight, busy",
    r"victims?": "the tasks that ECS stops",
    r"he|his|him|himself": "it",
    r"ticks?": "poll",
    r"(by|of) chance": "at random",
    r"somebody|anybody|everybody": "an operator, another program, any client",
    r"in vain": "without success",
}


class Allowed(NamedTuple):
    """A banned word may stay in files whose path matches `where`, inside a text that matches `text`."""

    where: str
    text: str
    reason: str

    def spans(self, name: str, text: str) -> Iterator[tuple[int, int]]:
        """Yield the allowed parts of a text, as half-open ranges of characters."""
        if re.fullmatch(self.where, name):
            for match in re.finditer(self.text, text, re.IGNORECASE | re.DOTALL):
                yield match.span()


EXCEPTIONS: tuple[Allowed, ...] = (
    Allowed(r".*", r"look[_ -]?ahead\w*", "the name of a setting"),
    Allowed(r".*", r"\bvictims?\b", "the name of an option and of a column of the simulator"),
    Allowed(r".*\.js", r"ticks: \{show", "an option of uPlot"),
    Allowed(r"autoscaler/sim/workload/lines\.py", r"tell", "a method of file objects"),
    Allowed(r".*", r"new Promise\(", "JavaScript"),
    Allowed(r"tests/browser\.py", r"await promise", "the DevTools protocol"),
    Allowed(
        r"autoscaler/config/names\.py|tests/(config|baseline)/.*", r"\b(rivals|patience)\b", "old names of settings"
    ),
    Allowed(
        r"CHANGELOG\.md",
        r"  \| [^\n]*`[^\n]* \| [^\n]* \|\n",
        "the table of old names and their new ones",
    ),
    Allowed(r"tests/(test_)?prose\.py", r".*", "the list itself, and its test"),
)

TEXTS = (
    "*.md",
    "*.toml",
    "*.yaml",
    "*.yml",
    "*.js",
    "*.html",
    "*.css",
    "*.env",
    "Makefile",
    "Dockerfile",
    "*.cfg",
    "*.txt",
)
GENERATED = re.compile(
    r"docs/(pictures|images)/|docs/(scorecard\.html|mutants\.md)|"
    r"deploy/monitoring/.*\.json|assets/uplot|vendored|\.lock$"
)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class Use(NamedTuple):
    """A banned word in a file, at a line counted from 1."""

    path: str
    line: int
    word: str
    around: str
    instead: str


def uses(path: Path) -> list[Use]:
    """Return the banned words of a file that no exception allows, in the order of the lines."""
    return sorted(use for use, allowed in matches(path) if allowed is None)


def matches(path: Path) -> Iterator[tuple[Use, Allowed | None]]:
    """Yield each banned word of a file, with the exception that allows it."""
    name, text = path.relative_to(ROOT).as_posix(), path.read_text()
    for line, words in _words_of_python(text) if path.suffix == ".py" else [(1, text)]:
        if not _ANY.search(words):
            continue
        for pattern, instead in _PATTERNS:
            for match in pattern.finditer(words):
                around = " ".join(words[max(0, match.start() - 40) : match.end() + 40].split())
                word = " ".join(match[0].replace("#", " ").split()).lower()
                use = Use(name, line + words.count("\n", 0, match.start()), word, around, instead)
                yield use, _allowed(name, words, match)


_PATTERNS = [
    (re.compile(rf"(?<![\w.$-])(?:{words})(?![\w-])".replace(" ", r"\s+(?:#\s*)?"), re.IGNORECASE), instead)
    for words, instead in BANNED.items()
]
_ANY = re.compile("|".join(pattern.pattern for pattern, _ in _PATTERNS), re.IGNORECASE)


def _words_of_python(source: str) -> Iterator[tuple[int, str]]:
    """Yield each identifier split into words, and each comment and string as it is, with its line."""
    keywords = {(node.lineno, node.col_offset) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Match)}
    comment: list[str] = []
    begun = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if not comment:
                begun = token.start[0]
            comment.append(token.string)
            continue
        if token.type == tokenize.NL:
            continue
        if comment:
            yield begun, "\n".join(comment)
            comment = []
        if token.type == tokenize.STRING:
            yield token.start[0], token.string
        elif token.type == tokenize.NAME and token.start not in keywords:
            yield token.start[0], " ".join(WORD.findall(token.string))


def _allowed(name: str, words: str, match: re.Match[str]) -> Allowed | None:
    for allowed in EXCEPTIONS:
        if any(start <= match.start() and match.end() <= end for start, end in allowed.spans(name, words)):
            return allowed
    return None


def files() -> list[Path]:
    """Return the files that people read: code, documents, examples and pages. Without pictures, locks, and two
    pages of measurements: the code that writes them is checked, and a page is as old as its measurement.
    """
    from tests.test_house import house_files

    found = [path for path in house_files() if path.suffix == ".py" or any(path.match(each) for each in TEXTS)]
    return sorted(path for path in found if not GENERATED.search(path.relative_to(ROOT).as_posix()))


def main(arguments: list[str]) -> int:
    under = tuple(arguments)
    chosen = [path for path in files() if not under or path.relative_to(ROOT).as_posix().startswith(under)]
    every = [match for path in chosen for match in matches(path)]
    found = sorted(use for use, allowed in every if allowed is None)
    needed = {allowed for _, allowed in every}
    unused = [] if under else [allowed.reason for allowed in EXCEPTIONS if allowed not in needed]
    sys.stdout.writelines(
        f"{use.path}:{use.line}: '{use.word}' in '{use.around}': write {use.instead}\n" for use in found
    )
    counts = ", ".join(f"{n} {word}" for word, n in Counter(use.word for use in found).most_common(12))
    sys.stdout.write(f"prose: {len(found)} banned words in {len(chosen)} files{counts and ': '}{counts}\n")
    sys.stdout.writelines(f"prose: an exception that nothing needs: {reason}\n" for reason in unused)
    return int(bool(found or unused))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
