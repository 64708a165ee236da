"""Policies on one load: runs do not depend on the number of processes, and costs are relative to the clairvoyant."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autoscaler.errors import ConfigError
from autoscaler.sim.chance import DurationDistribution
from autoscaler.sim.experiment import Experiment, RunRequest, check, run, runs, scaler_of, settings_from, specs, trials
from autoscaler.sim.model import WorldSettings
from autoscaler.sim.ours import Ours
from autoscaler.sim.peers import PEERS, Setup
from autoscaler.sim.score import ScoredRun, billed_s
from autoscaler.sim.tuning import Trial
from autoscaler.sim.workload import Choice, CountTrace, by_count

COUNTS = np.concatenate([np.full(10, 12.0), np.full(5, 60.0), np.full(15, 6.0)])
"""Half an hour with a burst of five minutes."""

SERVICE = DurationDistribution("lognormal", 5.0, 1.0)


def experiment(latency_s: float = 60.0, **more: int) -> Experiment:
    source = by_count(CountTrace("crowd", 60.0, COUNTS), Choice(), SERVICE)
    return Experiment(source, WorldSettings(), latency_s, source.mean_service_s, **more)


def setup(**more: int) -> Setup:
    made = experiment(**more)
    return made.setup(made.drawn(0))


def bits(made: list[ScoredRun]) -> list[tuple[object, ...]]:
    return [
        (one.policy, one.settings, one.seed, repr(one.score), one.outcome.received_s.tobytes(), one.outcome.lives)
        for one in made
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ours", ("ours",)),
        (" keda , ours ", ("keda", "ours")),
        ("ours,ours,keda", ("ours", "keda")),
        ("KEDA:10,Ours:fallback.behavior=hold,Clairvoyant", ("keda:10", "ours:fallback.behavior=hold", "clairvoyant")),
        ("all", ("ours", *PEERS, "clairvoyant")),
        ("static:3,all", ("static:3", "ours", *PEERS, "clairvoyant")),
    ],
)
def test_policies_are_listed_once_each_in_upper_or_lower_case(text: str, named: Any) -> None:
    assert specs(text, setup()) == named


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_an_empty_list_of_policies_is_refused_with_the_known_policies(text: str) -> None:
    with pytest.raises(ValueError, match=r"no policy is given. Choose from ours, .*keda.*, clairvoyant, or all"):
        specs(text, setup())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nosuch", r"'nosuch' is not a policy \(known: ours, .*keda.*clairvoyant, all\)"),
        ("kedda", "'kedda' is not a policy; did you mean keda?"),
        ("our", "did you mean ours?"),
        ("clairvoyance", "did you mean clairvoyant?"),
        ("clairvoyant:3", "clairvoyant has no settings"),
        ("keda:many", r"'keda:many'.*keda\[:QUEUE_LENGTH"),
        ("keda:", "nothing after the colon"),
        ("ours,static:-3", "static:-3"),
        ("ours:", "ours:field=value"),
        ("ours:tolerance", "ours:field=value"),
        ("ours:=3", "ours:field=value"),
        ("ours:tolerance=", "ours:field=value"),
        ("ours:tolerance=0.2/", "ours:field=value"),
        ("ours:tolerance=0.2/tolerance=0.3", "tolerance occurs twice"),
        ("ours:scale_in=x/scale_in.cooldown=60s", "scale_in occurs twice"),
        ("ours:scale_in.cooldown=60s/scale_in=x", "scale_in occurs twice"),
        ("ours:tolerance=lots", "ours:tolerance=lots: tolerance: 'lots' is not a number"),
        ("ours:tolerence=0.2", "tolerence.*tolerance"),
        ("ours:scale_in.cooldown=soon", "scale_in.cooldown: 'soon' is not a duration"),
        ("ours:queues=a", "queues: not supported in the simulator"),
    ],
)
def test_an_invalid_policy_is_refused_with_its_name_and_the_remedy(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error.replace("?", r"\?") if "did you" in error else error) as raised:
        specs(text, setup())
    assert not isinstance(raised.value, ConfigError)


def test_a_setting_applies_only_to_the_policy_that_names_it() -> None:
    chosen = settings_from("ours:tolerance=0.3/scale_in.cooldown=9m/scale_in.stabilization=2m", setup(max_tasks=7))
    policy = chosen.policy()
    assert (policy.tolerance, policy.max_tasks, policy.shortest_latency_s) == (0.3, 7, 60.0)
    assert (policy.scale_in.cooldown_s, policy.scale_in.stabilization_s) == (540.0, 120.0)


def test_ours_gets_the_same_task_concurrency_as_its_peers() -> None:
    several = replace(experiment(), world=WorldSettings(task_concurrency=4))
    assert settings_from("ours", several.setup(several.drawn(0))).policy().task_concurrency == 4


def test_each_scaler_is_new_and_has_its_settings_as_text() -> None:
    scaler, settings = scaler_of("ours:tolerance=0.3/scale_in.cooldown=9m", setup())
    assert isinstance(scaler, Ours)
    assert settings == "tolerance=0.3, scale_in.cooldown=9m"
    assert scaler_of("ours", setup())[1] == "defaults"
    assert scaler_of("ours", setup())[0] is not scaler_of("ours", setup())[0]
    assert "5" in scaler_of("keda", setup())[1]


def test_runs_keep_the_requested_order_with_any_number_of_processes() -> None:
    policies, seeds = ("keda", "clairvoyant", "ours", "static:9"), (2, 0)
    one = runs(experiment(), policies, seeds, processes=1)
    assert [(made.policy, made.seed) for made in one] == [(policy, seed) for policy in policies for seed in seeds]
    assert bits(runs(experiment(), policies, seeds, processes=3)) == bits(one)


def test_a_policy_has_the_same_run_alone_and_among_others() -> None:
    alone = runs(experiment(), ("ours",), (1,), processes=1)
    mixed = runs(experiment(), ("keda", "ours", "knative"), (0, 1), processes=1)
    assert bits(alone)[0] in bits(mixed)


def test_costs_are_relative_to_the_clairvoyant_of_the_same_seed() -> None:
    made = {(one.policy, one.seed): one for one in runs(experiment(), ("clairvoyant", "ours"), (0, 1), processes=1)}
    for seed in (0, 1):
        limit, ours = made["clairvoyant", seed], made["ours", seed]
        assert limit.score.cost_per_oracle == 1.0
        assert limit.score.late_fraction == 0.0
        assert ours.score.cost_per_oracle == pytest.approx(billed_s(ours.outcome) / billed_s(limit.outcome))
        assert ours.score.cost_per_oracle > 1.0


def test_the_clairvoyant_runs_without_being_requested_and_is_then_not_listed() -> None:
    [made] = runs(experiment(), ("static:9",), (0,), processes=1)
    assert made.policy == "static:9"
    assert made.score.cost_per_oracle > 1.0


def test_progress_never_falls_and_ends_at_one() -> None:
    shares: list[float] = []
    runs(experiment(), ("ours", "keda"), (0, 1), shares.append, processes=2)
    assert shares == sorted(shares)
    assert (shares[-1], min(shares) >= 0.0) == (1.0, True)


def test_trials_run_and_are_scored_at_their_own_latency_target() -> None:
    requested = (Trial(60.0), Trial(240.0), Trial(60.0, "scale_in.stabilization=300s"))
    tried = trials(experiment(), requested, (0, 1), processes=2)
    assert [one.trial for one in tried] == list(requested)
    alone = [run(replace(experiment(), latency_s=240.0), RunRequest("ours", seed), math.nan) for seed in (0, 1)]
    assert tried[1].cost_per_work == pytest.approx(np.mean([one.score.cost_per_work for one in alone]))
    assert tried[1].late_fraction == pytest.approx(np.mean([one.score.late_fraction for one in alone]))
    assert tried[1].late_fraction < tried[0].late_fraction
    assert tried[2].cost_per_work != tried[0].cost_per_work


def test_an_invalid_setting_in_a_process_raises_config_error_with_its_field() -> None:
    with pytest.raises(ConfigError, match="acceptable_latency: '0s' is too short") as raised:
        trials(experiment(), (Trial(0.0),), (0,), processes=1)
    assert [problem.where for problem in raised.value.problems] == ["acceptable_latency"]


def test_equal_sources_share_one_drawn_workload_per_seed() -> None:
    one, other = experiment(), experiment(latency_s=300.0)
    assert one.drawn(7) is other.drawn(7)
    assert one.drawn(7).arrivals_s.tobytes() != one.drawn(8).arrivals_s.tobytes()


def test_check_accepts_a_setting_with_commas_which_a_list_of_policies_cannot_contain() -> None:
    limits = 'ours:scale_in.limits=[{"tasks":1,"per":"60s"}]'
    check(limits, setup())
    with pytest.raises(ValueError):
        specs(limits, setup())
