"""The documentation of the settings, generated from the models: the reference of all settings, the effective values
with their origins, and the JSON Schema of the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Leaf, Path, leaves, properties_of, schema_of, value_at
from autoscaler.config.layers import Sourced, many
from autoscaler.config.loading import LoadedSettings, Read, settle
from autoscaler.config.model import Chosen
from autoscaler.config.names import JOINT, variable
from autoscaler.config.policies import in_words
from autoscaler.config.values import shown

_KEY = "<KEY>"
_CONFIG_FILE = "config_file"
_INTERVAL = ("interval",)
_REQUIRED = "required"


class Setting(NamedTuple):
    """A row of the reference: the names of a setting, for one service and for many, and its description.

    `stays`: why the last value stays while the line is missing (empty: it does not). `by_tag`: what a tag may do to it
    (empty: a setting of the daemon).
    """

    variable: str
    variable_of_many: str
    file_key: str
    kind: str
    default: str
    meaning: str
    why: str
    stays: str
    by_tag: str


class Effective(NamedTuple):
    """An effective value. `origin`: a variable, a file and key, `default`, or `derived` with its source."""

    name: str
    value: str
    origin: str


def reference() -> tuple[Setting, ...]:
    """Return all settings: the daemon's own, then those of a service."""
    daemon = (_setting(leaf, variable(leaf.path), leaf.path[0]) for leaf in leaves(GlobalFields))
    return (*daemon, *(_service_setting(leaf) for leaf in leaves(ServiceFields)))


def _service_setting(leaf: Leaf) -> Setting:
    row = _setting(leaf, _variable_of_many(_KEY, leaf.path), ".".join(("services", "<key>", *leaf.path)))
    return row._replace(by_tag=f"A tag {leaf.by_tag.words}.")


def defaults() -> tuple[Chosen, ...]:
    """Return the default of every setting of a service."""
    return tuple(Chosen(".".join(leaf.path), _default(leaf), "default") for leaf in leaves(ServiceFields))


def _setting(leaf: Leaf, variable_of_many: str, file_key: str) -> Setting:
    key = "" if leaf.path == (_CONFIG_FILE,) else file_key
    names = variable(leaf.path), variable_of_many, key
    stays = f"The last value stays, because {leaf.stays}" if leaf.stays else ""
    return Setting(*names, leaf.kind.words, _default(leaf), leaf.meaning, leaf.why, stays, by_tag="")


def _default(leaf: Leaf) -> str:
    if "Required." in leaf.meaning:
        return _REQUIRED
    return in_words(None if leaf.default is None else leaf.kind.show(leaf.default))


def _variable_of_many(key: str, path: Path) -> str:
    return many(key) + JOINT.join(path).upper()


def effective(environ: Mapping[str, str]) -> tuple[Effective, ...]:
    """Return the effective value of every setting and its origin. Raises ConfigError as `load` does."""
    settings = settle(environ)
    return (*_daemon_rows(settings), *(row for read in settings.services for row in _service_rows(read, settings.flat)))


def _daemon_rows(settings: LoadedSettings) -> Iterator[Effective]:
    valid = settings.globals
    for leaf in leaves(GlobalFields):
        if leaf.path == _INTERVAL and (valid.value.interval is None or settings.interval_s < valid.value.interval):
            yield Effective(variable(leaf.path), shown(settings.interval_s), _derived(settings))
        else:
            yield _effective(variable(leaf.path), leaf, value_at(valid.value, leaf.path), valid.sources)


def _derived(settings: LoadedSettings) -> str:
    """Return the origin of an interval that is not the configured one."""
    if settings.interval_s < settings.longest_interval_s:
        origin = f"derived: a third of the shortest acceptable latency, {shown(settings.shortest_latency_s)}"
    else:
        origin = "derived: the longest interval"
    return origin if settings.globals.value.interval is not None else f"{origin}; shorter for a service if it pays"


def _service_rows(read: Read, flat: bool) -> Iterator[Effective]:
    for leaf in leaves(ServiceFields):
        name = variable(leaf.path) if flat else _variable_of_many(read.key.upper().replace("-", "_"), leaf.path)
        yield _effective(name, leaf, value_at(read.valid.value, leaf.path), read.valid.sources)


def _effective(name: str, leaf: Leaf, value: object, sources: Mapping[Path, Sourced]) -> Effective:
    sourced = sources.get(leaf.path)
    text = in_words(None if value is None else leaf.kind.show(value))
    return Effective(name, text, sourced.origin if sourced else "default")


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of the settings file, for editors. No key is required: variables may set it."""
    service = {"$ref": "#/$defs/service"}
    daemon = {name: schema for name, schema in properties_of(GlobalFields).items() if name != _CONFIG_FILE}
    services = {"type": "object", "additionalProperties": service}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of the autoscaler",
        "type": "object",
        "properties": {**daemon, "defaults": service, "profiles": services, "services": services},
        "additionalProperties": False,
        "$defs": {"service": schema_of(ServiceFields)},
    }


def plain(rows: Sequence[Setting]) -> str:
    """Return the reference as text, one paragraph per setting."""
    return "\n".join(_paragraph(row) for row in rows)


def default_of(row: Setting, quoted: str = "") -> str:
    """Return the default as text, with `quoted` around its value."""
    return "required, no default" if row.default == _REQUIRED else f"default: {quoted}{row.default or '-'}{quoted}"


def _paragraph(row: Setting) -> str:
    names = [row.variable, *({row.variable_of_many} - {row.variable}), *filter(None, [row.file_key])]
    lines = [f"  {row.kind}; {default_of(row)}", f"  {row.meaning}", f"  Why: {row.why}"]
    lines += [f"  Missing on a reload: {row.stays}"] if row.stays else []
    lines += [f"  {row.by_tag}"] if row.by_tag else []
    return "\n".join([*names, *lines, ""])


# The reference as a Markdown page: `autoscaler settings --markdown > docs/reference.md`.

HEAD = """# All settings

Generated by `autoscaler settings --markdown`. For the notation, the reload and discovery by tag, see
[settings](settings.md).

A setting `name` of the daemon is the variable `AUTOSCALER_NAME`, or `name` at the top of the file. A setting of a
service is `AUTOSCALER_NAME` for a single service, `AUTOSCALER_SERVICES__<KEY>__NAME` for one of many, or `name` under
`[services.<key>]` in the file; `AUTOSCALER_DEFAULTS__NAME` and `[defaults]` apply to all services that do not set it.
In a variable, two underscores separate group and setting: `scale_in.cooldown` is `AUTOSCALER_SCALE_IN__COOLDOWN`.

*Missing on a reload*: what happens if the line of a setting is missing at a reload
([Reloading](settings.md#reloading)). *By tag*: what a tag may do ([Discovery by tag](settings.md#discovery-by-tag)).
"""
OF_THE_DAEMON, OF_A_SERVICE = "The daemon", "A service"
_SERVICE = "services.<key>."


def markdown(rows: Sequence[Setting]) -> str:
    """Return the page with a section per setting, in the order of `rows`: first the daemon's, then a service's."""
    return HEAD + "".join(_part(title, part) for title, part in groupby(rows, key=_title))


def _title(row: Setting) -> str:
    return OF_A_SERVICE if row.file_key.startswith(_SERVICE) else OF_THE_DAEMON


def _part(title: str, rows: Iterable[Setting]) -> str:
    return f"\n## {title}\n" + "".join(f"\n{line}\n" for row in rows for line in _section(row))


def _section(row: Setting) -> Iterator[str]:
    name = row.file_key.removeprefix(_SERVICE) or row.variable.removeprefix("AUTOSCALER_").lower()
    yield f"### {name}"
    yield f"`{row.variable}` · {row.kind} · {default_of(row, '`')}"
    yield _escaped(row.meaning)
    yield f"*Why:* {_escaped(row.why)}"
    if row.stays:
        yield f"*Missing on a reload:* {_escaped(row.stays)}"
    if row.by_tag:
        yield f"*By tag:* {_escaped(row.by_tag)}"


def _escaped(text: str) -> str:
    """Escape the characters that Markdown would read as emphasis or as an HTML tag."""
    return text.replace("*", "\\*").replace("<", "\\<")
