"""The reference and the JSON Schema are generated from the settings and agree with them."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import effective, json_schema, load, markdown, plain, reference
from autoscaler.config.names import FIELDS, GLOBALS
from tests.config.spoken import flat

EXAMPLES = Path(__file__).parents[2] / "config"
PAGE = EXAMPLES.parent / "docs" / "reference.md"


def variables(name: str) -> dict[str, str]:
    lines = [line for line in (EXAMPLES / name).read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


EXAMPLE_ENVIRONMENTS = {
    "one-service.env": variables("one-service.env"),
    "many-services.env": variables("many-services.env"),
    "autoscaler.toml": {"AUTOSCALER_CONFIG_FILE": str(EXAMPLES / "autoscaler.toml")},
}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("one-service.env", {"image-resize"}),
        ("many-services.env", {"orders", "mail", "reports"}),
        ("autoscaler.toml", {"orders", "thumbnails", "mail", "web", "stream"}),
    ],
)
def test_the_examples_are_valid_settings(name: str, keys: Any) -> None:
    assert {service.ref.key for service in load(EXAMPLE_ENVIRONMENTS[name]).services} == keys


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == set(EXAMPLE_ENVIRONMENTS)


@pytest.mark.parametrize("name", EXAMPLE_ENVIRONMENTS)
def test_effective_values_written_as_variables_give_the_same_settings(name: str) -> None:
    environ = EXAMPLE_ENVIRONMENTS[name]
    rows = [row for row in effective(environ) if row.value != "none" and not row.origin.startswith("derived")]
    written = {row.name: row.value for row in rows}
    written.pop("AUTOSCALER_CONFIG_FILE", None)
    assert load(written) == load(environ)


def test_every_setting_has_a_row_with_a_meaning_and_a_reason() -> None:
    rows = reference()
    assert [row.variable for row in rows] == [f"AUTOSCALER_{name}" for name in (*GLOBALS, *FIELDS)]
    for row in rows:
        assert all((row.variable_of_many, row.kind, row.default, row.meaning, row.why))
        assert row.meaning.endswith(".")
        assert row.why.endswith(".")


def test_the_rows_name_the_variable_and_the_key_in_every_style() -> None:
    [row] = [row for row in reference() if row.variable == "AUTOSCALER_SCALE_IN__STABILIZATION"]
    assert row.variable_of_many == "AUTOSCALER_SERVICES__<KEY>__SCALE_IN__STABILIZATION"
    assert row.file_key == "services.<key>.scale_in.stabilization"
    assert (row.kind, row.default) == ("duration", "20s")


def test_defaults_of_the_reference_written_as_variables_change_nothing() -> None:
    defaults = {row.variable: row.default for row in reference() if row.default not in {"required", "none"}}
    assert load(defaults | flat()) == load(flat())


def test_the_page_has_a_section_for_every_setting_and_is_up_to_date() -> None:
    page = markdown(reference())
    names = [row.file_key.removeprefix("services.<key>.") or "config_file" for row in reference()]
    assert re.findall(r"^### (.+)$", page, re.MULTILINE) == names
    assert all(f"`{row.variable}`" in page for row in reference())
    assert PAGE.read_text() == page, "autoscaler settings --markdown > docs/reference.md"


def test_the_plain_text_has_every_name_and_reason() -> None:
    text = plain(reference())
    assert all(part in text for row in reference() for part in row)


def leaves(schema: dict[str, Any], root: dict[str, Any]) -> set[tuple[str, ...]]:
    schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    if "properties" not in schema:
        return {()}
    inner = ((name, leaves(part, root)) for name, part in schema["properties"].items())
    return {(name, *path) for name, paths in inner for path in paths}


def test_the_schema_has_the_same_settings_and_is_plain_json() -> None:
    schema = dict[str, Any](json_schema())
    assert json.loads(json.dumps(schema)) == schema
    assert leaves(schema["$defs"]["service"], schema) == set(FIELDS.values())
    daemon = {path for path in leaves(schema, schema) if path[0] not in {"defaults", "profiles", "services"}}
    assert daemon == {path for path in GLOBALS.values() if path != ("config_file",)}
    assert schema["additionalProperties"] is False


def test_the_defaults_of_the_schema_match_its_patterns_and_choices() -> None:
    def walk(schema: Any) -> None:
        for part in schema.get("properties", {}).values():
            if "pattern" in part and "default" in part:
                assert re.search(part["pattern"], part["default"])
            if "enum" in part and "default" in part:
                assert part["default"] in part["enum"]
            walk(part)

    walk(json_schema())
    walk(dict[str, Any](json_schema())["$defs"]["service"])


def test_the_example_file_uses_only_settings_of_the_schema() -> None:
    table = tomllib.loads((EXAMPLES / "autoscaler.toml").read_text())
    schema = dict[str, Any](json_schema())
    assert table.keys() <= schema["properties"].keys()
    for service in table["services"].values():
        assert service.keys() <= schema["$defs"]["service"]["properties"].keys()
