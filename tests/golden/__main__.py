"""`python -m tests.golden`: print the stories whose decisions changed.

`--write` writes the new decisions to the files, after the change of behaviour was reviewed.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from tests.golden.changes import STORIES, changes
from tests.golden.playing import play
from tests.golden.story import read, write


def main(words: list[str]) -> int:
    """Return 0 if all decisions match, or with `--write`; 1 if a decision differs; 2 for invalid arguments."""
    if words not in ([], ["--write"]):
        sys.stderr.write("usage: python -m tests.golden [--write]\n")
        return 2
    changed = 0
    for path in sorted(STORIES.glob("*.story")):
        story = read(path)
        played = play(story)
        if difference := changes(story, played):
            changed += 1
            sys.stdout.write(difference + "\n")
        if words:
            path.write_text(write(replace(story, rows=played)), encoding="utf-8")
    return 1 if changed and not words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
