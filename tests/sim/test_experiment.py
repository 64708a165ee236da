"""Policies by their names on one load: the same runs however many processes there are, and the limit beside them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autoscaler.errors import ConfigError
from autoscaler.sim.chance import Distribution
from autoscaler.sim.experiment import Experiment, check, run, runs, scaler_of, specs, trials, wishes_of
from autoscaler.sim.experiment import Task as Wanted
from autoscaler.sim.model import WorldSettings
from autoscaler.sim.ours import Ours
from autoscaler.sim.peers import PEERS, Setup
from autoscaler.sim.score import Run, billed_s
from autoscaler.sim.tuning import Trial
from autoscaler.sim.workload import Choice, CountTrace, by_count

COUNTS = np.concatenate([np.full(10, 12.0), np.full(5, 60.0), np.full(15, 6.0)])
"""Half an hour with a crowd in it."""

SERVICE = Distribution("lognormal", 5.0, 1.0)


def experiment(latency_s: float = 60.0, **more: int) -> Experiment:
    source = by_count(CountTrace("crowd", 60.0, COUNTS), Choice(), SERVICE)
    return Experiment(source, WorldSettings(), latency_s, source.mean_service_s, **more)


def setup(**more: int) -> Setup:
    made = experiment(**more)
    return made.setup(made.drawn(0))


def bits(made: list[Run]) -> list[tuple[object, ...]]:
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
def test_policies_are_listed_each_once_in_any_case(text: str, named: Any) -> None:
    assert specs(text, setup()) == named


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_no_policy_at_all_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"no policy is named: choose from ours, .*keda.*, clairvoyant, or all"):
        specs(text, setup())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nosuch", r"'nosuch' is no policy \(known: ours, .*keda.*clairvoyant, all\)"),
        ("kedda", "'kedda' is no policy; did you mean keda?"),
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
        ("ours:tolerance=0.2/tolerance=0.3", "tolerance is there twice"),
        ("ours:scale_in=x/scale_in.cooldown=60s", "scale_in is there twice"),
        ("ours:scale_in.cooldown=60s/scale_in=x", "scale_in is there twice"),
        ("ours:tolerance=lots", "ours:tolerance=lots: tolerance: 'lots' is not a number"),
        ("ours:tolerence=0.2", "tolerence.*tolerance"),
        ("ours:scale_in.cooldown=soon", "scale_in.cooldown: 'soon' is not a duration"),
        ("ours:queues=a", "queues: cannot be simulated"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_remedy(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("?", r"\?") if "did you" in told else told) as raised:
        specs(text, setup())
    assert not isinstance(raised.value, ConfigError)


def test_a_setting_holds_for_the_one_policy_that_names_it() -> None:
    wishes = wishes_of("ours:tolerance=0.3/scale_in.cooldown=9m/scale_in.stabilization=2m", setup(max_tasks=7))
    policy = wishes.policy()
    assert (policy.tolerance, policy.max_tasks, policy.shortest_latency_s) == (0.3, 7, 60.0)
    assert (policy.scale_in.cooldown_s, policy.scale_in.stabilization_s) == (540.0, 120.0)


def test_ours_is_told_of_the_workers_what_its_peers_are_told() -> None:
    several = replace(experiment(), world=WorldSettings(task_concurrency=4))
    assert wishes_of("ours", several.setup(several.drawn(0))).policy().task_concurrency == 4


def test_each_scaler_is_a_new_one_with_its_settings_in_words() -> None:
    scaler, settings = scaler_of("ours:tolerance=0.3/scale_in.cooldown=9m", setup())
    assert isinstance(scaler, Ours)
    assert settings == "tolerance=0.3, scale_in.cooldown=9m"
    assert scaler_of("ours", setup())[1] == "defaults"
    assert scaler_of("ours", setup())[0] is not scaler_of("ours", setup())[0]
    assert "5" in scaler_of("keda", setup())[1]


def test_runs_come_in_the_order_asked_for_however_many_processes_there_are() -> None:
    policies, seeds = ("keda", "clairvoyant", "ours", "static:9"), (2, 0)
    one = runs(experiment(), policies, seeds, processes=1)
    assert [(made.policy, made.seed) for made in one] == [(policy, seed) for policy in policies for seed in seeds]
    assert bits(runs(experiment(), policies, seeds, processes=3)) == bits(one)


def test_a_policy_is_not_disturbed_by_those_beside_it() -> None:
    alone = runs(experiment(), ("ours",), (1,), processes=1)
    among = runs(experiment(), ("keda", "ours", "knative"), (0, 1), processes=1)
    assert bits(alone)[0] in bits(among)


def test_costs_are_held_against_the_clairvoyant_of_the_same_seed() -> None:
    made = {(one.policy, one.seed): one for one in runs(experiment(), ("clairvoyant", "ours"), (0, 1), processes=1)}
    for seed in (0, 1):
        limit, ours = made["clairvoyant", seed], made["ours", seed]
        assert limit.score.cost_per_oracle == 1.0
        assert limit.score.late_fraction == 0.0
        assert ours.score.cost_per_oracle == pytest.approx(billed_s(ours.outcome) / billed_s(limit.outcome))
        assert ours.score.cost_per_oracle > 1.0


def test_the_clairvoyant_is_run_where_nobody_asked_for_it_too_and_not_shown() -> None:
    [made] = runs(experiment(), ("static:9",), (0,), processes=1)
    assert made.policy == "static:9"
    assert made.score.cost_per_oracle > 1.0


def test_progress_grows_and_ends_at_one() -> None:
    shares: list[float] = []
    runs(experiment(), ("ours", "keda"), (0, 1), shares.append, processes=2)
    assert shares == sorted(shares)
    assert (shares[-1], min(shares) >= 0.0) == (1.0, True)


def test_trials_are_made_at_their_own_promise_and_judged_by_it() -> None:
    wanted = (Trial(60.0), Trial(240.0), Trial(60.0, "scale_in.stabilization=300s"))
    tried = trials(experiment(), wanted, (0, 1), processes=2)
    assert [one.trial for one in tried] == list(wanted)
    alone = [run(replace(experiment(), latency_s=240.0), Wanted("ours", seed), math.nan) for seed in (0, 1)]
    assert tried[1].cost_per_work == pytest.approx(np.mean([one.score.cost_per_work for one in alone]))
    assert tried[1].late_fraction == pytest.approx(np.mean([one.score.late_fraction for one in alone]))
    assert tried[1].late_fraction < tried[0].late_fraction
    assert tried[2].cost_per_work != tried[0].cost_per_work


def test_an_operators_mistake_in_a_process_is_told_in_his_words() -> None:
    with pytest.raises(ConfigError, match="acceptable_latency: '0s' is too short") as raised:
        trials(experiment(), (Trial(0.0),), (0,), processes=1)
    assert [problem.where for problem in raised.value.problems] == ["acceptable_latency"]


def test_a_source_that_is_equal_draws_the_same_workload_and_is_drawn_once() -> None:
    one, other = experiment(), experiment(latency_s=300.0)
    assert one.drawn(7) is other.drawn(7)
    assert one.drawn(7).arrivals_s.tobytes() != one.drawn(8).arrivals_s.tobytes()


def test_check_takes_a_setting_with_commas_which_a_list_cannot_hold() -> None:
    limits = 'ours:scale_in.limits=[{"tasks":1,"per":"60s"}]'
    check(limits, setup())
    with pytest.raises(ValueError):
        specs(limits, setup())
