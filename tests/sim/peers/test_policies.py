"""The peers by their names: the valid specs, and the laws that hold for all peers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.sim.model import Datapoint, Meter
from autoscaler.sim.peers import PEERS, depends_on_latency, parse, settings_of
from tests.sim.peers.fakes import ScriptedQueue, setup

GRIDS = [spec for peer in PEERS.values() for spec in peer.grid(setup())]


def test_the_peers_have_their_documented_names() -> None:
    assert list(PEERS) == [
        "target-tracking",
        "target-tracking-20s",
        "target-tracking-cpu",
        "target-tracking-cpu-20s",
        "step-scaling",
        "step-scaling-10s",
        "predictive",
        "keda",
        "knative",
        "wpa",
        "react",
        "nomad",
        "static",
    ]
    assert all(peer.name == name for name, peer in PEERS.items())


@pytest.mark.parametrize("name", PEERS)
def test_a_grid_begins_with_the_default_and_has_at_most_six_settings(name: str) -> None:
    grid = PEERS[name].grid(setup())
    assert grid[0] == name
    assert 1 < len(grid) <= 6
    assert len({settings_of(spec, setup(47.0)) for spec in grid}) == len(grid)


@pytest.mark.parametrize("spec", GRIDS)
def test_depends_on_latency_is_true_if_the_settings_differ_between_latencies(spec: str) -> None:
    """Runs of specs that do not depend on the latency are reused for every latency."""
    differs = settings_of(spec, setup(60.0)) != settings_of(spec, setup(300.0))
    assert depends_on_latency(spec) == differs


@pytest.mark.parametrize(
    "spec", ["target-tracking", "step-scaling-10s", "predictive", "nomad", "keda:latency", "wpa:latency/120"]
)
def test_specs_whose_number_follows_from_the_latency_depend_on_it(spec: str) -> None:
    assert depends_on_latency(spec)


@pytest.mark.parametrize(
    "spec", ["keda", "keda:12", "knative", "static:9", "react", "nomad:12/60", "step-scaling-10s:12"]
)
def test_specs_with_fixed_numbers_do_not_depend_on_the_latency(spec: str) -> None:
    assert not depends_on_latency(spec)


def test_omitted_numbers_are_the_defaults() -> None:
    assert settings_of("keda:/60", setup()) == settings_of("keda:5/60", setup())
    assert settings_of("target-tracking:/60", setup()) == settings_of("target-tracking:12/60", setup())
    assert settings_of(" KEDA : 5 ", setup()) == settings_of("keda", setup())


def test_a_latency_below_the_processing_time_gives_one_message_per_task() -> None:
    assert settings_of("keda:latency", setup(2.0)) == settings_of("keda:1", setup())


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("kedda", r"'kedda' is not a policy; did you mean keda\? \(known: target-tracking, .*static\)"),
        ("", r"'' is not a policy \(known: "),
        ("keda:", r"nothing after the colon \(usage: keda\[:QUEUE_LENGTH\[/STABILIZATION_S\]\]\)"),
        ("keda:0", r"'keda:0': QUEUE_LENGTH is '0': it must be a whole number of at least 1, or 'latency'"),
        ("keda:2.5", "whole number"),
        ("keda:five", "'five'"),
        ("keda:5/latency", "STABILIZATION_S is 'latency': it must be a number of at least 0 "),
        ("keda:1/2/3", "3 numbers; the maximum is 2: QUEUE_LENGTH/STABILIZATION_S"),
        ("nomad:nan", "'nan'"),
        ("nomad:inf", "'inf'"),
        ("static:none", "whole number of at least 1"),
    ],
)
def test_an_invalid_spec_is_refused_with_the_remedy(spec: str, error: str) -> None:
    for reader in (parse, settings_of, lambda text, _: depends_on_latency(text)):
        with pytest.raises(ValueError, match=error):
            reader(spec, setup())


values = st.one_of(st.none(), st.floats(0.0, 5000.0))


@pytest.mark.parametrize("spec", [*PEERS, "target-tracking:1/0/100", "knative:100/60", "nomad:1/0", "wpa:1/0"])
@settings(max_examples=25, deadline=None)
@given(
    seen=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 300), st.booleans(), st.booleans()), min_size=5, max_size=30
    ),
    points=st.lists(st.tuples(values, st.one_of(st.none(), st.integers(0, 50))), min_size=1, max_size=20),
)
def test_no_peer_writes_a_count_out_of_bounds_or_equal_to_the_current_one(spec: Any, seen: Any, points: Any) -> None:
    world, scaler = ScriptedQueue(desired=3), parse(spec, setup(least=2, most=40))
    for meter in Meter:
        world.points[meter] = [Datapoint(60.0 * index, value) for index, (value, _) in enumerate(points)]
    world.points[Meter.RUNNING] = [Datapoint(60.0 * index, tasks) for index, (_, tasks) in enumerate(points)]
    for world.visible, world.in_flight, world.unavailable, world.throttled in seen:
        before, made = world.desired, len(world.changes)
        scaler.poll(world)
        assert 2 <= world.desired <= 40
        assert len(world.changes) == made or world.desired != before
        world.now += scaler.interval_s
    assert len(world.sentences) == len(world.changes)


@pytest.mark.parametrize("spec", GRIDS)
def test_two_runs_of_one_policy_are_equal(spec: str) -> None:
    runs = []
    for _ in range(2):
        world, scaler = ScriptedQueue(visible=300, desired=3), parse(spec, setup())
        world.polls(scaler, 400.0)
        world.visible = 0
        world.polls(scaler, 2000.0)
        runs.append((world.changes, world.sentences))
    assert runs[0] == runs[1]
