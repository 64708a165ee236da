"""How a tag may change a setting. Each setting declares one of these rules next to its default; without a declaration,
a tag may not set it. People who are not responsible for a service may have the permission to tag it.

A tag's value is compared with the value that the service has without the tag: from its profile, else from the
defaults, else the built-in default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Weaker: TypeAlias = Callable[[Any, Any], bool]
"""Whether the tag's value (first) is weaker than the value without the tag (second)."""


@dataclass(frozen=True, slots=True, eq=False)
class ByTag:
    """Rule for a tag's value. `words` complete the sentence "a tag ...". `weaker` None: no value is accepted.
    `comparison` describes a refused value, as in "2 is less than 5".
    """

    words: str
    weaker: Weaker | None
    comparison: str = ""


NEVER = ByTag("may not set it", None)
AT_RUNTIME = ByTag("of the same name is read at every poll and overrides the setting", None)
ANY = ByTag("may set it", lambda _given, _without: False)
RAISE = ByTag("may only raise it", lambda given, without: given < without, "less than")
LOWER = ByTag("may only lower it", lambda given, without: given > without, "more than")
RAISE_GIVEN = ByTag(
    "may only raise it, or set it if it is not set",
    lambda given, without: without is not None and (given is None or given < without),
    "weaker than",
)
LOWER_GIVEN = ByTag(
    "may only lower it, or set it if it is not set",
    lambda given, without: without is not None and (given is None or given > without),
    "weaker than",
)
ENABLE = ByTag("may only turn it on", lambda given, without: without and not given, "weaker than")


def stricter(*order: Any, comparison: str = "weaker than") -> ByTag:
    """Return a rule that refuses values weaker than the value without the tag. `order` begins with the weakest."""
    names = ", ".join(map(str, order))
    return ByTag(
        f"may only make it stricter ({names}: the last is the strictest)",
        lambda given, without: order.index(given) < order.index(without),
        comparison,
    )


def only(strictest: Any) -> ByTag:
    """Return a rule that accepts the strictest value and the value without the tag. The other values have no order."""
    return ByTag(
        f"may only set {strictest}",
        lambda given, without: given not in {strictest, without},
        f"neither {strictest} nor",
    )
