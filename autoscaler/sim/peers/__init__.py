"""The peers: other autoscalers, each with its documented parameters, at its own tick, on the same world.

A policy is written `name`, or `name:setting`. What each does, and where its numbers are from: docs/peers.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from autoscaler.sim.model import Scaler
from autoscaler.sim.peers import (
    keda,
    knative,
    nomad,
    predictive,
    react,
    static,
    step_scaling,
    target_tracking,
    wpa,
)
from autoscaler.sim.peers.peer import Peer, Setup

PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        peer.name: peer
        for peer in (
            target_tracking.BACKLOG,
            target_tracking.CPU,
            step_scaling.PEER,
            predictive.PEER,
            keda.PEER,
            knative.PEER,
            wpa.PEER,
            react.PEER,
            nomad.PEER,
            static.PEER,
        )
    }
)
"""Every peer by its plain name, in the order in which they are told."""


def parse(spec: str, setup: Setup) -> Scaler:
    """A new scaler of that policy. Raises `ValueError` with the known policies, or with how the setting is written."""
    peer, setting = _read(spec)
    return peer.make(setup, setting)


def settings_of(spec: str, setup: Setup) -> str:
    """The settings in force, in a line. Raises `ValueError` as `parse` does."""
    peer, setting = _read(spec)
    return peer.settings(setup, setting)


def depends_on_latency(spec: str) -> bool:
    """Whether another acceptable latency makes another scaler of it: where not, its runs may be used again. Raises
    `ValueError` as `parse` does.
    """
    peer, setting = _read(spec)
    return peer.depends_on_latency(setting)


def _read(spec: str) -> tuple[Peer, str | None]:
    name, colon, setting = (part.strip() for part in spec.lower().partition(":"))
    peer = PEERS.get(name)
    if peer is None:
        near = difflib.get_close_matches(name, PEERS, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name!r} is no policy{meant} (known: {', '.join(PEERS)})")
    try:
        peer.depends_on_latency(setting or None)
    except ValueError as error:
        raise ValueError(f"{spec!r}: {error} (usage: {peer.usage})") from None
    if colon and not setting:
        raise ValueError(f"{spec!r} has nothing after the colon (usage: {peer.usage})")
    return peer, setting or None


__all__ = ["PEERS", "Peer", "Setup", "depends_on_latency", "parse", "settings_of"]
