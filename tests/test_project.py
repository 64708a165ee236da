"""The project files agree with the code: CI, contributor guide, and changelog."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoscaler import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

CODE = re.compile(r"`([^`]+)`")
PLACE = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|lock|toml)")


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def places(text: str) -> set[str]:
    """Return every path in a code span, also inside commands. Placeholders and external programs do not count."""
    words = {word for span in CODE.findall(text) for word in span.split()}
    return {word for word in words if PLACE.fullmatch(word) and not word.startswith(("make", ".venv/"))}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_full_commit_with_its_version(workflow: Path) -> None:
    used = re.findall(r"uses: *(.+)", workflow.read_text())
    assert len(used) == sum("uses" in step for step in steps(workflow)) > 0
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_always_ends(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text())
    assert content["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job and "permissions" not in job for job in content["jobs"].values())
    assert "pull_request_target" not in workflow.read_text()


def test_every_supported_python_is_tested_and_named_everywhere() -> None:
    job = loaded(".github/workflows/ci.yml")["jobs"]["test"]
    tested = job["strategy"]["matrix"]["python"]
    classified = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each]
    tried = re.search(r"^PYTHON := python3 (.+) python$", MAKEFILE, re.MULTILINE)
    assert tried is not None
    assert tested == classified == sorted(tried[1].replace("python", "").split())
    least, beyond = (f"3.{int(tested[0][2:])}", f"3.{int(tested[-1][2:]) + 1}")
    assert PROJECT["requires-python"] == f">={least},<{beyond}"


def test_ci_runs_the_two_targets_that_run_everything() -> None:
    run = [step["run"] for step in steps(ROOT / ".github" / "workflows" / "ci.yml") if "run" in step]
    assert [line.split()[:2] for line in run] == [["make", "test"], ["make", "test-real"]]
    assert all("PYTHON=python${{ matrix.python }}" in line for line in run)
    assert [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")] == [
        "make test", "make test-real",
    ]  # fmt: skip


def test_the_hooks_are_the_tools_of_make_and_nothing_is_downloaded() -> None:
    repositories = loaded(".pre-commit-config.yaml")["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    hooks = {hook["entry"]: hook for each in repositories for hook in each["hooks"]}
    made = {line.strip().removesuffix(" .") for line in MAKEFILE.replace("$(BIN)", ".venv/bin").splitlines()}
    assert set(hooks) == made & set(hooks) == {
        ".venv/bin/ruff check", ".venv/bin/ruff format --check", ".venv/bin/mypy", ".venv/bin/lint-imports",
    }  # fmt: skip
    assert all(hook["language"] == "system" for hook in hooks.values())


def test_dependencies_of_every_kind_are_updated() -> None:
    updates = loaded(".github/dependabot.yml")["updates"]
    assert sorted(each["package-ecosystem"] for each in updates) == ["docker", "github-actions", "pip"]
    assert all(each["directory"] == "/" for each in updates)


@pytest.mark.parametrize("form", ["bug.yml", "feature.yml"])
def test_an_issue_form_has_fields(form: str) -> None:
    content = loaded(f".github/ISSUE_TEMPLATE/{form}")
    assert {"name", "description", "body"} <= set(content)
    ids = [field["id"] for field in content["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0


def test_the_project_has_one_address() -> None:
    address = PROJECT["urls"]["Source"]
    assert all(url.startswith(address) for url in PROJECT["urls"].values())
    named = [*(ROOT / ".github").rglob("*.yml"), *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "mkdocs.yml"]
    for path in named:
        for found in re.findall(r"https://github\.com/[\w-]*autoscaler[\w-]*/[\w-]+", path.read_text()):
            assert found == address, path
    for url in PROJECT["urls"].values():
        if "/blob/main/" in url:
            assert (ROOT / url.partition("/blob/main/")[2]).is_file(), url


def test_the_contributor_guide_names_files_and_targets_that_exist() -> None:
    found = places(CONTRIBUTING)
    assert len(found) > 50
    assert [place for place in sorted(found) if not (ROOT / place).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    named = {target for span in CODE.findall(CONTRIBUTING) for target in re.findall(r"\bmake ([a-z-]+)", span)}
    assert named <= targets, named - targets


def test_the_map_of_the_contributor_guide_names_files_tests_and_a_command_for_each_change() -> None:
    _, _, table = CONTRIBUTING.partition("| I want to change |")
    rows = [line.strip("|").split("|") for line in table.partition("\n\n")[0].splitlines()[2:]]
    assert len(rows) >= 14
    for subject, files, tests, command in rows:
        assert any(place.startswith("autoscaler/") for place in places(files)), subject
        assert any(place.startswith("tests/") for place in places(tests)), subject
        assert ".venv/bin/pytest tests/" in command or "see the details" in command or "the same" in command, subject
    linked = {anchor for subject, *_ in rows for anchor in re.findall(r"\(#([a-z-]+)\)", subject)}
    titles = re.findall(r"^### (.+)$", CONTRIBUTING, re.MULTILINE)
    assert linked == {title.lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "subject",
    ["setting", "rule", "metric", "signal source", "AWS call", "AWS error", "CLI flag", "dashboard panel", "alert"],
)
def test_the_contributor_guide_names_files_and_tests_for_each_addition(subject: str) -> None:
    sections = dict(re.findall(r"^### An? (.+?)\n(.+?)(?=^##|\Z)", CONTRIBUTING, re.MULTILINE | re.DOTALL))
    assert any(place.startswith("autoscaler/") for place in places(sections[subject]))
    assert any(place.startswith("tests/") for place in places(sections[subject]))
    assert ".venv/bin/pytest " in sections[subject]


def test_the_names_in_the_contributor_guide_exist_in_their_files() -> None:
    """Check the form `NAME` ... in `path`."""
    said = re.findall(r"`(\w+)`[^`]{0,25}\bin\s+`((?:[\w.-]+/)+\w+\.py)`", CONTRIBUTING)
    assert len(said) > 5
    for name, path in said:
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text()), (name, path)


def test_the_changelog_has_this_version_and_each_heading_once() -> None:
    versions = re.findall(r"^## \[(.+?)\] - (.+)$", CHANGELOG, re.MULTILINE)
    assert versions[0][0] in {"Unreleased", __version__}
    assert __version__ in [version for version, _ in versions]
    assert all(re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", date) for _, date in versions)
    for part in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        headings = re.findall(r"^### (.+)$", part, re.MULTILINE)
        assert len(headings) == len(set(headings)), headings
