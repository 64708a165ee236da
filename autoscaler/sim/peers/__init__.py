"""The peers: other autoscalers in the same simulated world, each with its documented parameters and its own interval.

A policy is written as `name` or `name:setting`. docs/peers.md describes each peer and the sources of its numbers.
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
            target_tracking.BACKLOG_20S,
            target_tracking.CPU,
            target_tracking.CPU_20S,
            step_scaling.PEER,
            step_scaling.PEER_10S,
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
"""Every peer by its name, in display order."""


def parse(spec: str, setup: Setup) -> Scaler:
    """Return a new scaler of the policy. Raise `ValueError` with the known policies, or with the setting's form."""
    peer, setting = _read(spec)
    return peer.make(setup, setting)


def settings_of(spec: str, setup: Setup) -> str:
    """Return the effective settings in one line. Raise `ValueError` as `parse` does."""
    peer, setting = _read(spec)
    return peer.settings(setup, setting)


def depends_on_latency(spec: str) -> bool:
    """Return whether the scaler depends on the acceptable latency. If not, its runs are valid for every latency.

    Raise `ValueError` as `parse` does.
    """
    peer, setting = _read(spec)
    return peer.depends_on_latency(setting)


def _read(spec: str) -> tuple[Peer, str | None]:
    name, colon, setting = (part.strip() for part in spec.lower().partition(":"))
    peer = PEERS.get(name)
    if peer is None:
        similar = difflib.get_close_matches(name, PEERS, 1)
        suggestion = f"; did you mean {similar[0]}?" if similar else ""
        raise ValueError(f"{name!r} is not a policy{suggestion} (known: {', '.join(PEERS)})")
    try:
        peer.depends_on_latency(setting or None)
    except ValueError as error:
        raise ValueError(f"{spec!r}: {error} (usage: {peer.usage})") from None
    if colon and not setting:
        raise ValueError(f"{spec!r} has nothing after the colon (usage: {peer.usage})")
    return peer, setting or None


__all__ = ["PEERS", "Peer", "Setup", "depends_on_latency", "parse", "settings_of"]
