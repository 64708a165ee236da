"""Record the decisions of the product: 10,000 `decide` lines, a replayed journal, simulated loads."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.baseline.renames import Renames
from tests.baseline.shapes import merge, parsed, prose, shape, sorted_sets, without_prose
from tests.baseline.situations import situations
from tests.baseline.surface import RecordedGroup
from tests.baseline.tree import Tree

Json = dict[str, Any]

LINES = 10_000
SEED = 20_261_129
LOADS = {
    "flash_crowd": ["--load", "flash_crowd:2:20"],
    "on_off": ["--load", "on_off"],
    "diurnal": ["--load", "diurnal"],
}
TRACES = {
    "azfn2019_weekday_1min_14d.csv": ["--from-day", "2", "--days", "1"],
    "wc98_flash_1min_18d.csv": ["--from-day", "5", "--days", "1"],
    "mooncake_conv_1s_1h.csv": ["--days", "1"],
}
"""One day or less of three traces of different kinds; a missing trace file is an error."""

SHORT = ["--days", "1", "--mean-tasks", "5", "--seeds", "1", "--policy", "ours,keda,target-tracking"]


def decide(tree: Tree, renames: Renames, count: int = LINES) -> RecordedGroup:
    """Return the answers of `decide` to generated situations by name: the decisions, and separately their wording."""
    lines = [json.dumps(renames.structure(situation)) for situation in situations(count, SEED)]
    done = tree.run("decide", stdin="".join(f"{line}\n" for line in lines))
    answers = _answers(done.out)
    keys: dict[str, set[str]] = {}
    rules: set[str] = set()
    for answer in answers:
        merge(keys, shape(answer))
        rules |= {step["rule"] for step in answer.get("steps", [])}
    summary = {"exit": done.code, "answers": len(answers), "rules": sorted(rules), "keys": sorted_sets(keys)}
    return RecordedGroup(
        {"summary": summary, "decisions": {answer["name"]: without_prose(answer) for answer in answers}},
        {answer["name"]: prose(answer) for answer in answers},
    )


def replay(tree: Tree, renames: Renames, journal: list[str]) -> RecordedGroup:
    """Return the report of `replay` for a journal with renamed keys, and the answers of `decide` to its situations.

    The journal's digest is of the original lines: two recordings are comparable only if it is equal.
    """
    entries = [renames.structure(entry) for line in journal if isinstance(entry := parsed(line), dict)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        path.write_text(_lines(entries))
        done = tree.run("replay", str(path), "--json")
    recorded = [entry["situation"] for entry in entries if entry.get("situation")]
    answers = _answers(tree.run("decide", stdin=_lines(recorded)).out)
    numbered = {f"{number:04d}": answer for number, answer in enumerate(answers)}
    names = {
        "journal": hashlib.sha256("\n".join(journal).encode()).hexdigest(),
        "exit": done.code,
        "report": without_prose(parsed(done.out)),
        "decisions": {number: without_prose(answer) for number, answer in numbered.items()},
    }
    return RecordedGroup(names, {number: prose(answer) for number, answer in numbered.items()})


def simulate(tree: Tree, traces: Path | None) -> RecordedGroup:
    """Return the results of short simulations: three generated loads and, with a folder of traces, three traces."""
    runs = {name: [*SHORT, *arguments] for name, arguments in LOADS.items()}
    if traces is not None:
        runs |= {name: [*SHORT, "--trace", str(traces.resolve() / name), *days] for name, days in TRACES.items()}
    names: Json = {}
    texts: Json = {}
    for name, arguments in runs.items():
        # In versions in which `--json` takes a file name, "-" is written to standard output.
        done = tree.run("simulate", *arguments, "--json", "-")
        found = parsed(done.out)
        if done.code or found is None:
            raise RuntimeError(f"autoscaler simulate {' '.join(arguments)}: exit code {done.code}\n{done.err}")
        results = {f"{result['policy']} {result['seed']}": result for result in found["results"]}
        names[name] = {
            policy: {key: value for key, value in result.items() if key != "settings"}
            for policy, result in results.items()
        }
        texts[name] = [found["world"], *(str(result.get("settings")) for result in results.values())]
    return RecordedGroup(names, texts)


def _answers(out: str) -> list[Json]:
    return [answer for line in out.splitlines() if isinstance(answer := parsed(line), dict)]


def _lines(entries: Iterable[Json]) -> str:
    return "".join(f"{json.dumps(entry)}\n" for entry in entries)
