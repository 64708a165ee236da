"""What a tag may do to a setting. Each setting declares one of these next to its default, and declares nothing for
"a tag may not set it": who may tag a service need not be who answers for it.

The value that a tag is compared with is the one that the service would have without the tag: its profile's, else the
defaults', else the built-in default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Weaker: TypeAlias = Callable[[Any, Any], bool]
"""Whether the tag's value (first) is weaker than the value without the tag (second)."""


@dataclass(frozen=True, slots=True, eq=False)
class ByTag:
    """`words` complete the sentence "a tag ...". `weaker` None: no value is accepted. `comparison` says of a refused
    value how it compares, as in "2 is less than 5".
    """

    words: str
    weaker: Weaker | None
    comparison: str = ""


NEVER = ByTag("may not set it", None)
AT_RUNTIME = ByTag("of the same name is read at every poll and stands before the setting", None)
ANY = ByTag("may set it", lambda _given, _without: False)
RAISE = ByTag("may only raise it", lambda given, without: given < without, "less than")
LOWER = ByTag("may only lower it", lambda given, without: given > without, "more than")
RAISE_GIVEN = ByTag(
    "may only raise it, or give it where there is none",
    lambda given, without: without is not None and (given is None or given < without),
    "weaker than",
)
LOWER_GIVEN = ByTag(
    "may only lower it, or give it where there is none",
    lambda given, without: without is not None and (given is None or given > without),
    "weaker than",
)
ENABLE = ByTag("may only turn it on", lambda given, without: without and not given, "weaker than")


def stricter(*order: Any, comparison: str = "weaker than") -> ByTag:
    """The tag's value must not stand before the value without the tag in `order`, which begins with the weakest."""
    names = ", ".join(map(str, order))
    return ByTag(
        f"may only make it stricter ({names}: the last is the strictest)",
        lambda given, without: order.index(given) < order.index(without),
        comparison,
    )


def only(strictest: Any) -> ByTag:
    """The tag may set the strictest value; the others have no order, and only the value without the tag is accepted."""
    return ByTag(
        f"may only set {strictest}",
        lambda given, without: given not in {strictest, without},
        f"neither {strictest} nor",
    )
