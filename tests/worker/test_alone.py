"""The room stands alone: nothing but the standard library comes with it, under this name or copied under another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import autoscaler.worker

FOLDER = Path(autoscaler.worker.__file__).parent
ROOT = FOLDER.parents[1]

STRANGERS = """
import json, sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
from {name} import Worker, Protection, Settings, Message
new = {{module.split(".")[0] for module in set(sys.modules) - before}}
print(json.dumps(sorted(new - sys.stdlib_module_names - {{"{name}".split(".")[0]}})))
"""


def strangers(name: str, place: Path) -> list[str]:
    command = [sys.executable, "-I", "-S", "-c", STRANGERS.format(name=name), str(place)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return list(json.loads(answer.stdout))


def test_nothing_comes_with_it() -> None:
    assert strangers("autoscaler.worker", ROOT) == []


def test_its_folder_can_be_copied_and_renamed(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "drained", ignore=shutil.ignore_patterns("__pycache__"))
    assert strangers("drained", tmp_path) == []
