"""The worker package imports only the standard library, also when it is copied under another name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import autoscaler.worker

FOLDER = Path(autoscaler.worker.__file__).parent
ROOT = FOLDER.parents[1]

IMPORTS = """
import json, sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
from {name} import Worker, Protection, Settings, Message
new = {{module.split(".")[0] for module in set(sys.modules) - before}}
print(json.dumps(sorted(new - sys.stdlib_module_names - {{"{name}".split(".")[0]}})))
"""


def foreign_modules(name: str, folder: Path) -> list[str]:
    command = [sys.executable, "-I", "-S", "-c", IMPORTS.format(name=name), str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return list(json.loads(answer.stdout))


def test_the_worker_imports_only_the_standard_library() -> None:
    assert foreign_modules("autoscaler.worker", ROOT) == []


def test_the_worker_folder_can_be_copied_and_renamed(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "drained", ignore=shutil.ignore_patterns("__pycache__"))
    assert foreign_modules("drained", tmp_path) == []
