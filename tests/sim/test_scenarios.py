"""The table of scenarios: names, loads that a seed determines, and what each world does to the messages."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from autoscaler.sim.chance import DurationDistribution
from autoscaler.sim.experiment import RunRequest, run
from autoscaler.sim.model import SimulationOutcome, Surface, Victims, WorldSettings
from autoscaler.sim.play import play
from autoscaler.sim.scenarios import SCENARIOS, Scenario, named
from autoscaler.sim.score import ScoredRun
from autoscaler.sim.workload import Choice, by_count, generated
from tests.sim.world.made import ScriptedScaler

EVERY = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)


def test_names_are_listed_once_each_in_their_order() -> None:
    assert [each.name for each in named("poison, RARE,poison")] == ["poison", "rare"]
    assert [each.name for each in named("all")] == list(SCENARIOS)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no scenario is given"), ("poisn", "did you mean poison?"), ("x,rare", "'x' is not a scenario")],
)
def test_an_unknown_name_is_refused_with_the_known_ones(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="bottleneck") as refused:
        named(text)
    assert words in str(refused.value)


@EVERY
def test_a_seed_determines_the_messages_and_the_latency_does_not(scenario: Scenario) -> None:
    one, same = scenario.experiment(60.0).drawn(1), scenario.load.draw(1)
    other = scenario.experiment(900.0).drawn(1)
    assert one.arrivals_s.tobytes() == same.arrivals_s.tobytes() == other.arrivals_s.tobytes()
    assert one.service_s.tobytes() == same.service_s.tobytes() == other.service_s.tobytes()
    assert (np.diff(one.arrivals_s) >= 0).all()
    assert 0 <= one.arrivals_s[0] <= one.arrivals_s[-1] < one.length_s
    assert one.service_s.mean() == pytest.approx(scenario.load.mean_service_s, rel=0.2)


@EVERY
def test_every_scenario_has_a_sentence_and_messages_to_judge(scenario: Scenario) -> None:
    assert not scenario.sentence.endswith(".")
    assert (scenario.load.draw(0).arrivals_s >= scenario.judged_from_s).any()
    assert (scenario.limit is None) == (scenario.limited_s == (0.0, 0.0))


def played(name: str, tasks: int, seed: int = 0) -> SimulationOutcome:
    experiment = SCENARIOS[name].experiment(60.0)
    return play(experiment.drawn(seed), experiment.world, seed, ScriptedScaler({0.0: tasks}))


def ours(name: str, latency_s: float = 60.0) -> ScoredRun:
    return run(SCENARIOS[name].experiment(latency_s), RunRequest("ours", 0), math.nan)


def test_a_fifth_of_the_messages_is_poison_and_becomes_a_dead_letter() -> None:
    outcome = played("poison", 40)
    assert outcome.dead_letters / len(outcome.received_s) == pytest.approx(0.2, abs=0.01)
    assert outcome.redelivered == 4 * outcome.dead_letters


def test_workers_that_delete_on_receipt_show_nothing_in_flight() -> None:
    experiment = SCENARIOS["delete-on-receipt"].experiment(60.0)
    script = ScriptedScaler({0.0: 12}).recording(lambda world: world.counts().in_flight)
    outcome = play(experiment.drawn(0), experiment.world, 0, script)
    assert set(script.seen) == {0}
    assert outcome.lost_messages == 0


def test_a_spot_loss_and_a_rebalancing_lose_no_message_and_ecs_restores_the_count() -> None:
    for name in ("spot-loss", "rebalancing"):
        outcome = played(name, 20)
        assert not np.isnan(outcome.received_s).any()
        assert outcome.lost_messages == outcome.dead_letters == 0
        assert outcome.running[-1][1] == 20
        assert len(outcome.lives) > 21
    assert min(count for at, count in played("spot-loss", 20).running if at > 3600) == 10
    assert min(count for at, count in played("rebalancing", 20).running if at > 3600) >= 20


def test_policies_are_given_the_concurrency_that_is_configured() -> None:
    experiment = SCENARIOS["unknown-concurrency"].experiment(60.0)
    assert (experiment.world.task_concurrency, experiment.setup(experiment.drawn(0)).task_concurrency) == (10, 1)


def test_the_periods_at_risk_are_recorded_in_a_shortage() -> None:
    done = ours("shortage")
    assert done.outcome.at_risk
    for period in done.outcome.at_risk:
        assert 0 <= period.start_s <= period.end_s <= done.outcome.ended_s
        assert period.reason
    assert done.facts.at_risk_s == sum(each.end_s - each.start_s for each in done.outcome.at_risk)
    assert done.facts.first_at_risk_s == done.outcome.at_risk[0].start_s
    assert 3 * 3600 < done.facts.first_at_risk_s < 4 * 3600
    assert sum(done.facts.late_by_hour) == round(done.score.late_fraction * done.score.jobs)


def test_a_peer_has_no_notices() -> None:
    done = run(SCENARIOS["rare"].experiment(60.0), RunRequest("keda", 0), math.nan)
    assert done.outcome.at_risk is None
    assert (done.facts.at_risk_s, done.facts.first_at_risk_s) == (None, None)
    assert done.facts.peak_tasks == 1


class LateScaler:
    """A scaler that scales out an hour after the last message."""

    interval_s = 10.0

    def poll(self, world: Surface) -> None:
        world.scale_to(1 if world.now < 7200 else 5)

    def restart(self) -> None:
        """Do nothing: there is no state."""


def test_a_scale_out_without_messages_is_recorded() -> None:
    load = by_count(generated("batch:10:86400", Choice(0, 1)), Choice(0, 1), DurationDistribution("constant", 1.0))
    outcome = play(load.draw(0), WorldSettings(), 0, LateScaler())
    assert outcome.groundless_s == (7200.0,)


# The protocol of the scorecard: results of the default world, recorded before scenarios existed.

SCRIPT = {0.0: 8, 3600.0: 30, 7200.0: 5, 20_000.0: 60, 30_000.0: 2, 40_000.0: 40, 70_000.0: 25}

RECORDED = {
    ("idle", 0): "0b7230951fd425e1",
    ("idle", 1): "46f686e027937747",
    ("random", 0): "f897c336ffd191d7",
    ("random", 1): "5a287b8bdfe73638",
}


@pytest.mark.parametrize("victims", Victims)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_default_world_gives_the_recorded_results(victims: Victims, seed: int) -> None:
    load = by_count(generated("diurnal", Choice(0, 1)), Choice(0, 1), DurationDistribution("lognormal", 5.0, 1.0))
    made = play(load.draw(seed), WorldSettings(victims=victims), seed, ScriptedScaler(SCRIPT))
    digest = hashlib.blake2b(made.received_s.tobytes(), digest_size=8)
    figures = (made.lives, made.lost_work_s, made.redelivered, made.desired, made.running, made.ended_s)
    digest.update(repr(figures).encode())
    assert digest.hexdigest() == RECORDED[victims.value, seed]
