"""Record the names in the product's interface: settings, rules, tags, commands, alerts."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # rules.yml is parsed as in Prometheus

from tests.baseline.tree import Tree

Json = dict[str, Any]

SCHEMA_TEXTS = {"description", "title", "examples", "$schema"}
NAMED_IN_SCHEMA = ("properties", "patternProperties", "$defs", "definitions")
TAG = re.compile(r"\bautoscaler:[a-z_]+(?:\.[a-z_]+)*")
QUOTED_TAG = re.compile(r'["\'](autoscaler:[a-z_]+)["\']')
SOURCES = "autoscaler"


class RecordedGroup(NamedTuple):
    """One group of a recording: the names and numbers that must not change, and their wording."""

    names: Json
    texts: Json


def settings(tree: Tree) -> RecordedGroup:
    """Return every setting with variables, kind and default, and the JSON Schema by dotted names, without its prose."""
    listed = json.loads(_good(tree, "settings", "--json"))
    names: Json = {"global": {}, "service": {}, "schema": {}}
    texts: Json = {}
    for setting in listed:
        key = setting["file_key"] or setting["variable"]
        within, name = ("service", key.partition("<key>.")[2]) if "<key>." in key else ("global", key)
        names[within][name] = {
            field: setting.get(field) for field in ("variable", "variable_of_many", "kind", "default")
        }
        texts |= {f"{key}: {field}": text for field, text in setting.items() if field not in names[within][name]}
    for path, constraint in _schema(json.loads(_good(tree, "settings", "--schema"))):
        names["schema"][path] = constraint
    return RecordedGroup(names, texts)


def _schema(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield (dotted name, constraints) of an object and its members. The names contain no schema keyword."""
    inner = {keyword: node[keyword] for keyword in NAMED_IN_SCHEMA if isinstance(node.get(keyword), dict)}
    own = {key: value for key, value in node.items() if key not in inner and key not in SCHEMA_TEXTS}
    nested = own.get("additionalProperties")
    if isinstance(nested, dict) and "properties" in nested:
        del own["additionalProperties"]
        inner["properties"] = {**inner.get("properties", {}), "*": nested}
    yield path, _without_prose(own)
    for named in inner.values():
        for name, value in named.items():
            if isinstance(value, dict):
                yield from _schema(value, f"{path}.{name}" if path else name)


def _without_prose(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_prose(value) for key, value in node.items() if key not in SCHEMA_TEXTS}
    return [_without_prose(value) for value in node] if isinstance(node, list) else node


def rules(tree: Tree) -> RecordedGroup:
    """Return the rules in their order of application, as listed in docs/rules.md, with the settings of each."""
    page = (tree.folder / "docs" / "rules.md").read_text()
    sections = re.split(r"^### `(\w+)`.*$", page, flags=re.MULTILINE)[1:]
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    governed = {
        rule: re.findall(r"`([\w.]+)`", " ".join(re.findall(r"^Governed by:(.*)$", text, re.MULTILINE)))
        for rule, text in found.items()
    }
    return RecordedGroup(
        {"order": list(found), "governed": governed}, {rule: text.strip() for rule, text in found.items()}
    )


def tags(tree: Tree) -> RecordedGroup:
    """Return every complete tag name in the product's source, and those in its documentation."""
    sources = "".join(file.read_text() for file in (tree.folder / SOURCES).rglob("*.py"))
    pages = "".join(file.read_text() for file in (tree.folder / "docs").glob("*.md"))
    found = {"source": set(QUOTED_TAG.findall(sources)), "documented": set(TAG.findall(pages))}
    return RecordedGroup({place: sorted(names) for place, names in found.items()}, {})


def commands(tree: Tree) -> RecordedGroup:
    """Return every command with its arguments and options (metavar, default, required), from recursive `--help`."""
    names: Json = {}
    texts: Json = {}
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        path = waiting.pop()
        page = _good(tree, *path, "--help")
        name = " ".join(("autoscaler", *path))
        names[name] = {"usage": _usage(page), "options": _options(page)}
        texts[name] = page
        waiting += [(*path, command) for command in _entries(_section(page, "Commands"))]
    return RecordedGroup(names, texts)


def _usage(page: str) -> str:
    return page.partition("\n\n")[0].removeprefix("Usage: ").split(" ", 1)[1]


def _options(page: str) -> Json:
    options = {}
    for declaration, text in _entries(_section(page, "Options")).items():
        spelled = declaration.split(" ")
        names = [part.rstrip(",") for part in spelled if part.startswith("-")]
        default = re.search(r"\[default: (.*?)(?:\]|; )", text)
        options[max(names, key=len)] = {
            "also": sorted(names)[1:] if len(names) > 1 else [],
            "takes": " ".join(part for part in spelled if not part.startswith("-")),
            "default": default[1] if default and " " not in default[1] else None,
            "required": "[required]" in text,
        }
    return options


def _section(page: str, title: str) -> str:
    _, found, rest = page.partition(f"\n{title}:\n")
    return re.split(r"\n(?=\S)", rest)[0] if found else ""


def _entries(section: str) -> dict[str, str]:
    """Return the text of each entry by its declaration. click indents an entry by two spaces, continuations by more."""
    found = {}
    for entry in re.split(r"^  (?=\S)", section, flags=re.MULTILINE):
        if entry.strip():
            declaration, _, text = re.sub(r"\n +", "  ", entry.strip()).partition("  ")
            found[declaration] = " ".join(text.split())
    return found


def alerts(tree: Tree, variables: Mapping[str, str]) -> RecordedGroup:
    """Return the output of `dashboards`: Prometheus rules by name, Grafana panels by position, CloudWatch alarms."""
    names: Json = {"alerts": {}, "recordings": {}, "dashboards": {}, "alarms": {}}
    texts: Json = {}
    for situation, given in (("without settings", {}), ("with settings", dict(variables))):
        with tempfile.TemporaryDirectory() as folder:
            _good(tree, "dashboards", "--out", folder, variables=given)
            for file in sorted(Path(folder).iterdir()):
                if file.suffix == ".json":
                    _dashboard(file.stem, json.loads(file.read_text()), names, texts)
                elif file.name == "rules.yml":
                    _prometheus(yaml.safe_load(file.read_text()), names, texts)
                else:
                    alarm, prose = _split_prose(yaml.safe_load(file.read_text()))
                    names["alarms"][f"{situation}: {file.name}"] = alarm
                    texts[f"{situation}: {file.name}"] = prose
    return RecordedGroup(names, texts)


def _prometheus(content: Json, names: Json, texts: Json) -> None:
    for group in content["groups"]:
        for rule in group["rules"]:
            kind = "alerts" if "alert" in rule else "recordings"
            name = rule.get("alert") or rule["record"]
            names[kind][name] = {
                "group": group["name"],
                "expression": _one_line(rule["expr"]),
                "for": rule.get("for"),
                "labels": rule.get("labels", {}),
            }
            texts |= {f"{name}: {key}": text for key, text in rule.get("annotations", {}).items()}


def _dashboard(file: str, content: Json, names: Json, texts: Json) -> None:
    panels: Json = {}
    for number, panel in enumerate(content["panels"]):
        panels[f"{number:02d}"] = {
            "type": panel["type"],
            "expressions": [_one_line(target["expr"]) for target in panel.get("targets", []) if "expr" in target],
        }
        texts |= {f"{file}: panel {number:02d}: {key}": panel.get(key) for key in ("title", "description")}
    variables = {entry["name"]: entry.get("query") for entry in content.get("templating", {}).get("list", [])}
    names["dashboards"][file] = {"uid": content["uid"], "variables": variables, "panels": panels}
    texts[f"{file}: title"] = content["title"]


def _split_prose(node: Any, path: str = "") -> tuple[Any, Json]:
    """Return the tree without descriptions, and the descriptions by their place."""
    if isinstance(node, list):
        return node, {}
    if not isinstance(node, dict):
        return node, {}
    rest: Json = {}
    prose: Json = {}
    for key, value in node.items():
        if key in {"Description", "AlarmDescription"}:
            prose[f"{path}.{key}"] = value
        else:
            rest[key], inner = _split_prose(value, f"{path}.{key}")
            prose |= inner
    return rest, prose


def _one_line(expression: str) -> str:
    return " ".join(expression.split())


def _good(tree: Tree, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """Return the output of a command that must succeed. Raises `RuntimeError` with its output if it fails."""
    done = tree.run(*arguments, variables=variables)
    if done.code:
        raise RuntimeError(f"autoscaler {' '.join(arguments)}: exit code {done.code}\n{done.out}{done.err}")
    return done.out
