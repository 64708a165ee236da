"""The configured settings of a service as text, with their origins. Other settings have their defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator

from autoscaler.config.fields import ServiceFields
from autoscaler.config.group import leaves, value_at
from autoscaler.config.model import Chosen
from autoscaler.config.validation import Valid
from autoscaler.core.policy import Mode


def chosen_in(valid: Valid[ServiceFields]) -> Iterator[Chosen]:
    """Yield the configured settings, in the order of the reference."""
    for leaf in leaves(ServiceFields):
        sourced = valid.sources.get(leaf.path)
        if sourced is not None:
            value = value_at(valid.value, leaf.path)
            shown = None if value is None else leaf.kind.show(value)
            yield Chosen(".".join(leaf.path), in_words(shown), sourced.origin)


def activating(mode_at: str) -> str:
    """Return how to make a service active. `mode_at`: where its mode is or would be set, as in `Chosen.origin`: a
    variable, a file and key, or a tag. A tag may not allow more than the profile, so for a tag it is the profile.
    """
    if mode_at.endswith("MODE"):
        return f"set {mode_at}={Mode.ACTIVE}"
    if mode_at.endswith(".mode"):
        return f'set mode = "{Mode.ACTIVE}" ({mode_at})'
    return (
        f'set mode = "{Mode.ACTIVE}" in the profile of the settings file that its tag autoscaler:profile names '
        "(its tag autoscaler:mode, if there is one, must not be shadow)"
    )


def in_words(value: object) -> str:
    """Return a value in the notation of a variable."""
    match value:
        case None:
            return "none"
        case str():
            return value
        case [_, *_] as items if all(isinstance(item, str) for item in items):
            return ",".join(map(str, items))
        case _:
            return json.dumps(value)
