"""The repository has its top-level files, and no data of the machine on which it was built."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FILES = [
    "pyproject.toml", "Dockerfile", "Makefile", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE",
    "SECURITY.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", ".editorconfig", ".pre-commit-config.yaml",
    ".github/dependabot.yml", ".github/pull_request_template.md", ".github/workflows/ci.yml",
]  # fmt: skip
FOLDERS = ["autoscaler", "config", "tests", "deploy"]
NOT_OURS = re.compile(r"^(\.[^/]+|.*__pycache__|dist|build|site)$")

LOCKS = ["requirements.lock", "requirements-run.lock", "requirements-docs.lock"]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?= |$)")
REQUIREMENT = re.compile(r"^(?P<name>[a-z0-9-]+)(\[[a-z,]+\])?==(?P<version>[0-9][\w.!+]*)(?P<marker> ; [^\\]+)?(?= )")


def house_files() -> list[Path]:
    """Return the files that git tracks or would track; without git, all files except environments and caches."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        answer = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.CalledProcessError):
        return [path for path in walk(ROOT) if path.is_file()]
    return [path for name in answer.split("\0") if name and (path := ROOT / name).is_file()]


def walk(folder: Path) -> list[Path]:
    ours = [path for path in folder.iterdir() if not NOT_OURS.match(path.name)]
    return ours + [inner for path in ours if path.is_dir() for inner in walk(path)]


def traces_of_a_machine() -> re.Pattern[str]:
    """Return a pattern for home directories, the path of this checkout, and addresses of package indexes."""
    here = [f"{path}/" for path in (ROOT, Path.home()) if len(path.parts) > 2] + ["/" + "root/"]
    somewhere = [r"/(?:home|Users)/[a-z][\w.-]*/", r"--(?:extra-index-url|index-url|find-links)\b"]
    indexes = r"(?:https?://[^\s/]+|file://(?:/[\w.-]+)*)/(?:simple|packages|pypi|wheels)/"
    hosts = r"\bpy(?:pi\.org|thonhosted\.)"
    return re.compile("|".join([*map(re.escape, here), *somewhere, indexes, hosts]))


def requirements(lock: str) -> list[str]:
    """Return the logical lines of a lock file: one requirement each, with its hashes."""
    return re.sub(r"\s*\\\n\s*", " ", (ROOT / lock).read_text()).strip().splitlines()


def pins(lock: str) -> dict[tuple[str, str], set[str]]:
    """Return the hashes of every requirement, by name and version."""
    found = {}
    for line in requirements(lock):
        match = REQUIREMENT.match(line)
        assert match, f"{lock}: not a pinned requirement: {line[:80]}"
        found[match["name"], match["version"]] = set(HASH.findall(line))
    return found


@pytest.mark.parametrize("name", FILES)
def test_the_file_exists_and_is_not_empty(name: str) -> None:
    assert (ROOT / name).read_text().strip()


@pytest.mark.parametrize("name", FOLDERS)
def test_the_folder_exists_and_is_not_empty(name: str) -> None:
    assert any(path.is_file() for path in (ROOT / name).rglob("*"))


def test_the_licence_is_the_one_that_the_package_declares() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "the autoscaler authors" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()


def test_no_file_contains_data_of_the_machine_on_which_it_was_built() -> None:
    traces = traces_of_a_machine()
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in house_files()
        for match in traces.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert not found, "\n".join(found)


def test_such_data_is_detected() -> None:
    traces = traces_of_a_machine()
    for trace in [
        "/" + "home/ann/work",
        "https:" + "//host.example/simple/x",
        "file:" + "///a/b/wheels/x",
        "--" + "index-url=x",
        str(ROOT) + "/x",
    ]:
        assert traces.search(f"see {trace} there"), trace


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_hashed_and_has_no_address(lock: str) -> None:
    assert len(pins(lock)) > 10
    assert all(pins(lock).values()), [pin for pin, hashes in pins(lock).items() if not hashes]
    for line in requirements(lock):
        assert HASH.sub("", REQUIREMENT.sub("", line)).strip() == "", (
            f"{lock}: more than a pin and its hashes: {line[:80]}"
        )
    assert "://" not in (ROOT / lock).read_text()
    assert " @ " not in (ROOT / lock).read_text()


def test_production_requirements_are_the_tested_ones() -> None:
    tested = pins("requirements.lock")
    for pin, hashes in pins("requirements-run.lock").items():
        assert tested.get(pin) == hashes, pin


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    [listed_there] = re.findall(r"^\.PHONY: (.+ .+)$", makefile, re.MULTILINE)
    phony = set(listed_there.split())
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    }
    command = ["make", "--no-print-directory", "help"]
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    listed = set(re.findall(r"^  make ([a-z-]+) +\S", answer.stdout, re.MULTILINE))
    assert listed == documented == phony
