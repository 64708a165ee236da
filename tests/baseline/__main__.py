"""`python -m tests.baseline record|compare`: described in the package."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from click import echo

from tests.baseline import behaviour, running, surface
from tests.baseline.comparing import GROUPS, GroupDifference, compare, compared, read, report, write
from tests.baseline.renames import Renames
from tests.baseline.surface import RecordedGroup
from tests.baseline.tree import Tree

JOURNAL = "journal.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = _parser().parse_args(arguments)
    code: int = given.command(given)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.baseline", description=__doc__)
    commands = parser.add_subparsers(required=True)
    recording = commands.add_parser("record", help="record one checkout")
    recording.add_argument("--out", type=Path, required=True, help="folder of the recording")
    recording.add_argument("--traces", type=Path, help="folder with the scorecard's traces")
    recording.add_argument("--only", default=",".join(GROUPS), help=f"groups to record, from {','.join(GROUPS)}")
    recording.set_defaults(command=_record)
    comparing = commands.add_parser("compare", help="compare two recordings")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--strict-texts", action="store_true", help="also fail on differences in wording")
    comparing.add_argument("--all", action="store_true", help="print every difference of every group")
    comparing.set_defaults(command=_compare)
    for command in (recording, comparing):
        command.add_argument("--renames", type=Path, help="a JSON file of intended renames")
        command.add_argument("--journal", type=Path, help="replay this earlier journal")
        command.add_argument("--tree", type=Path, default=Path.cwd(), help="the checkout [default: here]")
        command.add_argument("--python", type=Path, default=Path(sys.executable), help="the Python that runs it")
    return parser


def _tree(given: argparse.Namespace) -> Tree:
    # Do not resolve the interpreter's link: it identifies the virtual environment.
    return Tree(given.tree.resolve(), given.python.absolute())


def _record(given: argparse.Namespace) -> int:
    tree, renames, groups = _tree(given), Renames.read(given.renames), given.only.split(",")
    if unknown := sorted(set(groups) - set(GROUPS)):
        echo(f"record: unknown group {', '.join(unknown)}. Groups: {', '.join(GROUPS)}", err=True)
        return 2
    out: Path = given.out
    out.mkdir(parents=True, exist_ok=True)
    journal = given.journal.read_text().splitlines() if given.journal else None

    def record(group: str, make: Callable[[], RecordedGroup]) -> None:
        if group in groups:
            began = time.monotonic()
            write(out, group, make())
            echo(f"{group}: {time.monotonic() - began:.1f} s", err=True)

    record("settings", lambda: surface.settings(tree))
    record("rules", lambda: surface.rules(tree))
    record("tags", lambda: surface.tags(tree))
    record("cli", lambda: surface.commands(tree))
    record("alerts", lambda: surface.alerts(tree, renames.variables(running.ONE)))
    record("exits", lambda: running.exits(tree, renames))
    if {"metrics", "api", "log"} & set(groups) or ("replay" in groups and journal is None):
        ran = running.run(tree, renames)
        record("metrics", lambda: ran.metrics)
        record("api", lambda: ran.api)
        record("log", lambda: ran.log)
        journal = journal or ran.journal
    if journal is not None and "replay" in groups:
        (out / JOURNAL).write_text("".join(f"{line}\n" for line in journal))
        record("replay", lambda: behaviour.replay(tree, renames, journal))
    record("decide", lambda: behaviour.decide(tree, renames))
    record("simulate", lambda: behaviour.simulate(tree, given.traces))
    about = {"commit": tree.commit(), "groups": [group for group in GROUPS if read(out, group)]}
    (out / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    return 0


def _compare(given: argparse.Namespace) -> int:
    renames = Renames.read(given.renames)
    found = list(compare(given.before, given.after, renames))
    if given.journal:
        found = [one for one in found if one.group != "replay"]
        found.append(_replayed(given, renames))
    for line in report(found, everything=given.all):
        echo(line)
    if unused := renames.unused():
        echo(f"renames that match nothing: {', '.join(unused)}")
    return int(any(one.names or (given.strict_texts and one.texts) for one in found))


def _replayed(given: argparse.Namespace, renames: Renames) -> GroupDifference:
    old = read(given.before, "replay")
    if old is None:
        raise SystemExit(f"compare: {given.before} has no replay")
    new = behaviour.replay(_tree(given), renames, given.journal.read_text().splitlines())
    return compared("replay", old, new, renames)


if __name__ == "__main__":
    raise SystemExit(main())
