"""pydantic-settings reads the variables and the file; every variable is used or reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config.file import FileSource
from autoscaler.config.groups import Path as SettingPath
from autoscaler.config.layers import Sourced, VariablesSource, merged, sources
from autoscaler.config.names import FIELDS, GLOBALS, folded

KEY = "Orders-EU"
PARTS: dict[str, tuple[SettingPath, dict[str, SettingPath]]] = {
    "": (("flat",), FIELDS),
    "DEFAULTS__": (("defaults",), FIELDS),
    f"SERVICES__{KEY}__": (("services", folded(KEY)), FIELDS),
}
NAMES = [
    *((f"AUTOSCALER_{name}", ("globals", *path)) for name, path in GLOBALS.items()),
    *(
        (f"AUTOSCALER_{part}{name}", (*at, *path))
        for part, (at, known) in PARTS.items()
        for name, path in known.items()
    ),
]


@pytest.mark.parametrize(("name", "path"), NAMES, ids=[name for name, _ in NAMES])
def test_the_variable_of_a_setting_keeps_its_text_and_its_origin(name: str, path: SettingPath) -> None:
    for value in ("10", '{"a": 1}', "null", "["):
        layer = VariablesSource({name: value}).layer
        assert (sources(layer.tree), layer.problems) == ({path: Sourced(value, name)}, [])


names = st.builds(
    lambda name, at, text: name[: at % len(name)] + text + name[at % len(name) :],
    st.sampled_from([name for name, _ in NAMES]),
    st.integers(0, 100),
    st.sampled_from(["", "", "", "_", "__", "x", "-", "X__"]),
) | st.sampled_from(NAMES).map(lambda pair: pair[0].lower())


@given(st.dictionaries(names, st.sampled_from(["1", "none", "", " ", "x" * 65_537]), max_size=8))
def test_each_variable_with_the_prefix_is_used_once_or_reported(environ: dict[str, str]) -> None:
    source = VariablesSource(environ)
    layer = source.layer
    used = [sourced.origin for sourced in sources(layer.tree).values()] + source.empty
    assert all(not environ[name].strip() for name in source.empty)
    reported = {problem.where for problem in layer.problems}
    ours = {name for name in environ if name.startswith("AUTOSCALER_")}
    assert len(used) == len(set(used))
    assert not reported & set(used)
    assert ours <= reported | set(used) <= environ.keys()


def test_the_variables_of_the_process_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOSCALER_MAX_TASKS", "5")
    assert sources(VariablesSource({}).layer.tree) == {}


def test_a_variable_has_priority_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "autoscaler.toml"
    file.write_text('interval = "5s"\nhttp_port = 1\n')
    whole = merged(VariablesSource({"AUTOSCALER_INTERVAL": "6s"}), FileSource(str(file)))
    assert {path: sourced.value for path, sourced in sources(whole.globals).items()} == {
        ("interval",): "6s",
        ("http_port",): 1,
    }


@pytest.mark.parametrize("name", ["missing.toml", "~", "folder"])
def test_a_file_that_the_library_would_ignore_is_a_problem(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    [problem] = FileSource(str(tmp_path / name)).layer.problems
    assert "cannot be read" in problem.what


def test_a_home_directory_is_not_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.toml").write_text("http_port = 1\n")
    assert "cannot be read" in FileSource("~/a.toml").layer.problems[0].what
