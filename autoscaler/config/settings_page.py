"""The reference as a page: `autoscaler settings --markdown > docs/reference.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from autoscaler.config.reference import Setting

HEAD = """# All settings

Made from the code by `autoscaler settings --markdown`. How settings are written, read again and found by tag:
[settings](settings.md).

A setting `name` of the daemon is the variable `AUTOSCALER_NAME`, and `name` at the top of the file. One of a service is
`AUTOSCALER_NAME` where there is one service, `AUTOSCALER_SERVICES__<KEY>__NAME` where there are many, and `name` under
`[services.<key>]` in the file; `AUTOSCALER_DEFAULTS__NAME` and `[defaults]` are for all services that do not say
otherwise. In a variable two underscores lead into a group: `scale_in.cooldown` is `AUTOSCALER_SCALE_IN__COOLDOWN`.

*Missing on a reload* and *By tag* say what happens when the line of a setting is missing while the daemon runs
([read again](settings.md#read-again)), and what a tag may do ([found by tag](settings.md#found-by-tag)).
"""
OF_THE_DAEMON, OF_A_SERVICE = "The daemon", "A service"
_SERVICE = "services.<key>."


def markdown(rows: Sequence[Setting]) -> str:
    """A section for each setting, in the order of `rows`: those of the daemon, then those of a service."""
    return HEAD + "".join(_part(title, part) for title, part in groupby(rows, key=_title))


def _title(row: Setting) -> str:
    return OF_A_SERVICE if row.file_key.startswith(_SERVICE) else OF_THE_DAEMON


def _part(title: str, rows: Iterable[Setting]) -> str:
    return f"\n## {title}\n" + "".join(f"\n{line}\n" for row in rows for line in _section(row))


def _section(row: Setting) -> Iterator[str]:
    name = row.file_key.removeprefix(_SERVICE) or row.variable.removeprefix("AUTOSCALER_").lower()
    yield f"### {name}"
    yield f"`{row.variable}` · {row.kind} · default: `{row.default or '-'}`"
    yield _escaped(row.meaning)
    yield f"*Why:* {_escaped(row.why)}"
    if row.stays:
        yield f"*Missing on a reload:* the last value stays. {_escaped(row.stays)}"
    if row.by_tag:
        yield f"*By tag:* {_escaped(row.by_tag)}"


def _escaped(text: str) -> str:
    """Nothing in it is emphasis, or a tag, of Markdown."""
    return text.replace("*", "\\*").replace("<", "\\<")
