"""`python -m tests.golden`: which stories end differently now. With `--write`, what was decided is written anew, for
a change of behaviour that somebody has reviewed.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from tests.golden.changes import STORIES, changes
from tests.golden.story import read, write
from tests.golden.telling import tell


def main(words: list[str]) -> int:
    """0: every story ends as it is told, or was written anew; 1: one does not."""
    if words not in ([], ["--write"]):
        sys.stderr.write("usage: python -m tests.golden [--write]\n")
        return 2
    changed = 0
    for path in sorted(STORIES.glob("*.story")):
        story = read(path)
        told = tell(story)
        if difference := changes(story, told):
            changed += 1
            sys.stdout.write(difference + "\n")
        if words:
            path.write_text(write(replace(story, rows=told)), encoding="utf-8")
    return 1 if changed and not words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
