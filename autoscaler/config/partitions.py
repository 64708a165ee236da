"""The partitions and Regions of AWS, as the installed SDK knows them.

botocore's data file is read at import, in less than a millisecond. botocore itself is not imported: that takes half a
second. A Region that the file does not list may be newer than the SDK, so it is never refused.
"""

from __future__ import annotations

import difflib
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

_NEAR = 0.8


class Partition(NamedTuple):
    """A partition: its name as in ARNs, and the domains of its endpoints. The second domain is of endpoints with IPv4
    and IPv6.
    """

    name: str
    suffixes: tuple[str, str]


def _rows() -> list[dict[str, Any]]:
    spec = find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package botocore is not installed", name="botocore")
    content = json.loads((Path(spec.submodule_search_locations[0]) / "data" / "partitions.json").read_bytes())
    rows: list[dict[str, Any]] = content["partitions"]
    return rows


_ROWS = _rows()
_FORM = re.compile("|".join(f"(?P<p{number}>{row['regionRegex']})" for number, row in enumerate(_ROWS)), re.ASCII)
"""The forms of the Regions' names; the number of the group is that of the partition."""

PARTITIONS = tuple(
    Partition(row["id"], (row["outputs"]["dnsSuffix"], row["outputs"]["dualStackDnsSuffix"])) for row in _ROWS
)
"""All partitions; the first one is `aws`."""

# the file also lists pseudo-Regions such as `aws-global`, which do not have the form
REGIONS = frozenset(region for row in _ROWS for region in row["regions"] if _FORM.fullmatch(region))
"""The Regions that the SDK lists."""


def partition_of(region: str | None) -> Partition | None:
    """Return the partition of the Region, by the form of its name (None: unknown)."""
    found = _FORM.fullmatch(region or "")
    return PARTITIONS[int(str(found.lastgroup)[1:])] if found else None


def partition(region: str | None) -> str:
    """Return the name of the Region's partition, as in ARNs. As in the SDK, it is `aws` if it is unknown."""
    return (partition_of(region) or PARTITIONS[0]).name


def is_partition(name: str) -> bool:
    """Whether the SDK knows the partition."""
    return any(one.name == name for one in PARTITIONS)


def unknown_region(region: str | None) -> str | None:
    """Return a sentence about a Region that the SDK does not list (None: it is listed)."""
    if region is None or region in REGIONS:
        return None
    near = difflib.get_close_matches(region[:40], sorted(REGIONS), 1, _NEAR)
    meant = f"did you mean {near[0]}?" if near else "check its name, or update the autoscaler if the Region is new."
    return f"the installed AWS SDK does not know the Region {region[:40]}; {meant}"


def unknown_partition(name: str) -> str:
    """Return a sentence about a partition that the SDK does not know, without a full stop."""
    known = [one.name for one in PARTITIONS]
    near = difflib.get_close_matches(name[:40], known, 1)
    return f"{name[:40]} is not a partition of AWS; " + (f"did you mean {near[0]}?" if near else ", ".join(known))
