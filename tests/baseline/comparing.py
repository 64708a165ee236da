"""Compare two recordings group by group, after the renames are applied to the older one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.baseline.renames import Renames
from tests.baseline.surface import RecordedGroup

Json = dict[str, Any]

GROUPS = (
    "settings",
    "rules",
    "tags",
    "cli",
    "exits",
    "metrics",
    "api",
    "log",
    "alerts",
    "decide",
    "replay",
    "simulate",
)
MANY = 20


class Difference(NamedTuple):
    """One place with its values before and after; None: it does not exist."""

    place: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.place}: {self.after}"
        return (
            f"- {self.place}: {self.before}" if self.after is None else f"~ {self.place}: {self.before} -> {self.after}"
        )


class GroupDifference(NamedTuple):
    """The differences of one group: in names or numbers, and in wording only."""

    group: str
    names: list[Difference]
    texts: list[Difference]


def write(folder: Path, group: str, recorded: RecordedGroup) -> None:
    """Write one group as two files of sorted JSON, one value per line."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in (("names", recorded.names), ("texts", recorded.texts)):
        file = folder / f"{group}.{kind}.json"
        file.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read(folder: Path, group: str) -> RecordedGroup | None:
    """Return one group of a recording; None if it was not recorded."""
    files = [folder / f"{group}.{kind}.json" for kind in ("names", "texts")]
    return RecordedGroup(*(json.loads(file.read_text()) for file in files)) if files[0].exists() else None


def compare(before: Path, after: Path, renames: Renames) -> Iterator[GroupDifference]:
    """Yield the differences of each group. A group in only one of the recordings is one difference."""
    for group in GROUPS:
        old, new = read(before, group), read(after, group)
        if old is None and new is None:
            continue
        if old is None or new is None:
            presence = Difference("the group", *("not recorded" if one is None else "recorded" for one in (old, new)))
            yield GroupDifference(group, [presence], [])
        else:
            yield compared(group, old, new, renames)


def compared(group: str, old: RecordedGroup, new: RecordedGroup, renames: Renames) -> GroupDifference:
    """Return the differences of one group after the renames are applied to the older names."""
    # Rename only the places: in prose, a name may be an ordinary word, so prose is compared unchanged.
    places = ("settings", "metrics", "rules", "alerts", "commands", "options")
    texts = {renames.tokens(place, *places): text for place, text in old.texts.items()}
    names = differences(translated(group, old.names, renames), new.names)
    return GroupDifference(group, names, differences(texts, new.texts))


def differences(before: Any, after: Any) -> list[Difference]:
    """Return every place where two JSON values differ, in order."""
    old, new = dict(_flat(before)), dict(_flat(after))
    places = sorted(old.keys() | new.keys())
    return [Difference(place, old.get(place), new.get(place)) for place in places if old.get(place) != new.get(place)]


def translated(group: str, names: Json, renames: Renames) -> Json:
    """Return the names of one group after the renames."""
    return TRANSLATIONS[group](names, renames)


def report(comparisons: list[GroupDifference], *, everything: bool) -> Iterator[str]:
    """Yield the lines of a report; for a group with many differences, the first ones and the number of the others."""
    for group, names, texts in comparisons:
        yield f"{group}: {_count(len(names), 'difference')}, {_count(len(texts), 'text')} worded differently"
        for kind, found in (("", names), ("text ", texts)):
            shown = found if everything else found[:MANY]
            yield from (f"  {kind}{difference}" for difference in shown)
            if len(found) > len(shown):
                yield f"  {kind}... and {len(found) - len(shown)} more (--all shows them)"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _flat(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flat(value, f"{path} / {key}" if path else str(key))
    elif isinstance(node, list) and node and all(isinstance(one, dict | list) for one in node):
        for index, value in enumerate(node):
            yield from _flat(value, f"{path} [{index}]")
    else:
        yield path, json.dumps(node, ensure_ascii=False)


def _settings(names: Json, renames: Renames) -> Json:
    service = {renames.setting(name): entry for name, entry in names["service"].items()}
    whole = {renames.setting(name): entry for name, entry in names["global"].items()}
    schema = {_schema_name(path, renames): entry for path, entry in names["schema"].items()}
    new: Json = renames.tokens({"global": whole, "service": service}, "settings")
    return {**new, "schema": schema}


def _schema_name(path: str, renames: Renames) -> str:
    prefix, service, setting = path.partition("service.")
    return prefix + service + renames.setting(setting) if service and not prefix else renames.setting(path)


def _rules(names: Json, renames: Renames) -> Json:
    governed = {
        renames.value("rule", rule): [renames.setting(setting) for setting in settings]
        for rule, settings in names["governed"].items()
    }
    return {"order": [renames.value("rule", rule) for rule in names["order"]], "governed": governed}


def _tags(names: Json, renames: Renames) -> Json:
    return {place: sorted(renames.tokens(tags, "tags")) for place, tags in names.items()}


def _cli(names: Json, renames: Renames) -> Json:
    found: Json = renames.tokens(names, "commands", "options")
    return found


def _exits(names: Json, renames: Renames) -> Json:
    return {"codes": names["codes"], "keys": {name: renames.paths(keys) for name, keys in names["keys"].items()}}


def _metrics(names: Json, renames: Renames) -> Json:
    values = {place: _values(place.partition(": ")[2], found, renames) for place, found in names["values"].items()}
    rest = {key: value for key, value in names.items() if key != "values"}
    new: Json = renames.tokens({**rest, "values": values}, "metrics", "labels")
    new["series"] = {metric: sorted(labels) for metric, labels in new["series"].items()}
    return new


def _values(key: str, values: list[str], renames: Renames) -> list[str]:
    return sorted(renames.value(key, value) for value in values)


def _by_key(values: Mapping[str, list[str]], renames: Renames) -> Json:
    keys = renames.paths(values)
    return {new: _values(old, found, renames) for new, (old, found) in zip(keys, values.items(), strict=True)}


def _api(names: Json, renames: Renames) -> Json:
    keys = {page: renames.paths(found) for page, found in names["keys"].items()}
    return {"paths": names["paths"], "keys": keys, "values": _by_key(names["values"], renames)}


def _log(names: Json, renames: Renames) -> Json:
    events = {
        renames.value("event", event): sorted(renames.paths(dict.fromkeys(keys)))
        for event, keys in names["events"].items()
    }
    return {"events": events, "values": _by_key(names["values"], renames)}


def _alerts(names: Json, renames: Renames) -> Json:
    def walk(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            return {renames.tokens(name, "alerts"): walk(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [walk(value, key) for value in node]
        return renames.expression(node) if isinstance(node, str) else node

    found: Json = walk(names)
    return found


def _decide(names: Json, renames: Renames) -> Json:
    summary = names["summary"]
    rules = sorted(renames.value("rule", rule) for rule in summary["rules"])
    keys = renames.paths(summary["keys"])
    decisions = {name: renames.structure(decision) for name, decision in names["decisions"].items()}
    return {"summary": {**summary, "rules": rules, "keys": keys}, "decisions": decisions}


def _replay(names: Json, renames: Renames) -> Json:
    decisions = {name: renames.structure(decision) for name, decision in names["decisions"].items()}
    return {**names, "report": renames.structure(names["report"]), "decisions": decisions}


def _simulate(names: Json, renames: Renames) -> Json:
    found: Json = renames.structure(names)
    return found


TRANSLATIONS = {
    "settings": _settings,
    "rules": _rules,
    "tags": _tags,
    "cli": _cli,
    "exits": _exits,
    "metrics": _metrics,
    "api": _api,
    "log": _log,
    "alerts": _alerts,
    "decide": _decide,
    "replay": _replay,
    "simulate": _simulate,
}
