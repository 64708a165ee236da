"""Drawn messages: their arrival times, their number, and that a seed determines them."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.chance import DurationDistribution
from autoscaler.sim.model import Workload
from autoscaler.sim.workload import Choice, Counted, CountTrace, JobTrace, RecordedJobs, by_count, by_job
from autoscaler.sim.workload.drawing import _expected

SERVICE = DurationDistribution("lognormal", 5.0, 1.0)
SEEDS = range(200)


def counted(*counts: float, interval_s: float = 60.0, service: DurationDistribution = SERVICE) -> Counted:
    return by_count(CountTrace("t", interval_s, np.array(counts)), Choice(), service)


def recorded(ratio: float, jobs: int = 300, span_s: float = 6000.0) -> RecordedJobs:
    """Return jobs with unique service times, drawn with this ratio."""
    rng = np.random.default_rng(1)
    trace = JobTrace("j", np.sort(rng.random(jobs) * span_s), np.arange(1.0, jobs + 1.0))
    unscaled = by_job(trace, Choice())
    return RecordedJobs(
        "j",
        unscaled.length_s,
        unscaled.arrivals_s,
        unscaled.service_s,
        ratio,
        _expected(unscaled.arrivals_s, ratio, unscaled.counts),
        unscaled.history,
    )


def bits(workload: Workload) -> tuple[bytes, bytes]:
    return workload.arrivals_s.tobytes(), workload.service_s.tobytes()


def within(mean: float, variance: float, seen: np.ndarray) -> bool:
    """Return whether the mean is within four standard errors. A correct program fails with a probability of 1/16,000;
    the seeds are fixed and pass.
    """
    answer: bool = abs(seen.mean() - mean) < 4 * np.sqrt(variance / seen.size)
    return answer


sources = st.one_of(
    st.lists(st.floats(0, 200), min_size=1, max_size=20).map(lambda counts: counted(*counts)),
    st.floats(0, 4).map(recorded),
)


@given(source=sources, seed=st.integers(0, 2**63))
def test_arrivals_ascend_within_the_length_and_each_has_a_service_time(source: Any, seed: Any) -> None:
    workload = source.draw(seed)
    assert workload.arrivals_s.shape == workload.service_s.shape
    assert (np.diff(workload.arrivals_s) >= 0).all()
    assert ((workload.arrivals_s >= 0) & (workload.arrivals_s < workload.length_s)).all()
    assert workload.counts.size * workload.interval_s == workload.length_s


@given(source=sources, seed=st.integers(0, 2**63))
def test_the_same_seed_gives_the_same_bits_after_pickling(source: Any, seed: Any) -> None:
    copy = pickle.loads(pickle.dumps(source))
    assert bits(copy.draw(seed)) == bits(source.draw(seed))


@pytest.mark.parametrize("source", [counted(50, 60, 70), recorded(0.5)])
def test_another_seed_gives_another_workload(source: Any) -> None:
    assert bits(source.draw(1)) != bits(source.draw(2))


def test_an_arrival_that_is_rounded_up_stays_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class LargestRandomNumbers:
        def poisson(self, counts: Any) -> Any:
            return np.ones(counts.size, dtype=int)

        def random(self, size: Any) -> Any:
            return np.full(size, np.nextafter(1.0, 0.0))

    source = counted(*[1.0] * 1440, service=DurationDistribution("constant", 1.0))
    monkeypatch.setattr("autoscaler.sim.workload.drawing.stream", lambda *_: LargestRandomNumbers())
    workload = source.draw(1)
    assert workload.arrivals_s[-1] < workload.length_s


def test_each_interval_has_a_poisson_number_of_messages_with_its_count_as_the_mean() -> None:
    counts = np.array([0.0, 0.3, 4.0, 250.0])
    source = counted(*counts)
    drawn = np.array([np.histogram(source.draw(seed).arrivals_s, 4, (0, 240))[0] for seed in SEEDS])
    assert (drawn[:, 0] == 0).all()
    assert all(within(counts[at], counts[at], drawn[:, at]) for at in (1, 2, 3))
    ratios = drawn[:, 1:].var(axis=0) / counts[1:]
    assert ((ratios > 0.6) & (ratios < 1.5)).all(), "the variance of a Poisson number equals its mean"


def test_the_numbers_of_two_intervals_are_independent() -> None:
    source = counted(100, 100)
    drawn = np.array([np.histogram(source.draw(seed).arrivals_s, 2, (0, 120))[0] for seed in SEEDS])
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.25


def test_arrivals_are_uniform_in_their_interval() -> None:
    at = counted(50_000, interval_s=300.0).draw(3).arrivals_s / 300
    assert within(1 / 2, 1 / 12, at)
    assert np.abs(at - (np.arange(at.size) + 0.5) / at.size).max() < 1.9 / np.sqrt(at.size), (
        "Kolmogorov-Smirnov distance"
    )


def test_the_kth_message_takes_the_kth_service_time_at_any_load() -> None:
    few, many = counted(100, 5).draw(7), counted(3, 300, 200).draw(7)
    assert few.service_s.tolist() == many.service_s[: few.service_s.size].tolist()


def test_arrivals_do_not_depend_on_the_service_times() -> None:
    longer = counted(100, 50, service=DurationDistribution("pareto", 30.0, 1.5))
    assert longer.draw(7).arrivals_s.tobytes() == counted(100, 50).draw(7).arrivals_s.tobytes()


def test_unscaled_jobs_are_not_random() -> None:
    source = recorded(1.0)
    assert bits(source.draw(1)) == bits(source.draw(2))
    assert bits(source.draw(1)) == (source.arrivals_s.tobytes(), source.service_s.tobytes())


@pytest.mark.parametrize("ratio", [0.01, 0.3, 1.0, 1.7, 3.0])
def test_the_mean_number_of_drawn_jobs_is_the_ratio_times_the_recorded_number(ratio: float) -> None:
    source, rest = recorded(ratio), ratio % 1
    sizes = np.array([source.draw(seed).arrivals_s.size for seed in SEEDS])
    assert within(300 * ratio, 300 * rest * (1 - rest) + 1e-9, sizes)
    assert source.load().messages == pytest.approx(300 * ratio)


@pytest.mark.parametrize("ratio", [0.3, 1.7])
def test_the_mean_work_of_drawn_jobs_is_the_ratio_times_the_recorded_work(ratio: float) -> None:
    source = recorded(ratio)
    work = np.array([source.draw(seed).work_s for seed in SEEDS])
    assert within(source.service_s.sum() * ratio, (source.service_s**2).sum() * 0.21, work)


def test_remaining_jobs_keep_their_arrival_times() -> None:
    source = recorded(0.4)
    instant_of = dict(zip(source.service_s.tolist(), source.arrivals_s.tolist(), strict=True))
    remaining = source.draw(5)
    assert 0 < remaining.arrivals_s.size < 300
    assert [instant_of[service] for service in remaining.service_s.tolist()] == remaining.arrivals_s.tolist()


def test_a_larger_ratio_adds_jobs_to_those_of_a_smaller_ratio() -> None:
    fewer, more = recorded(0.3).draw(5), recorded(0.6).draw(5)
    assert set(fewer.service_s.tolist()) < set(more.service_s.tolist())


@pytest.mark.parametrize("ratio", [1.5, 2.5])
def test_a_copy_of_a_job_arrives_in_its_minute_and_one_at_its_arrival_time(ratio: float) -> None:
    source, drawn = recorded(ratio), recorded(ratio).draw(5)
    for at, service in zip(source.arrivals_s.tolist(), source.service_s.tolist(), strict=True):
        copies = drawn.arrivals_s[drawn.service_s == service]
        assert copies.size in {math.floor(ratio), math.ceil(ratio)}
        assert at in copies
        assert np.unique(copies).size == copies.size
        assert (copies // 60 == at // 60).sum() >= min(2, copies.size)


@pytest.mark.parametrize("span_s", [1e3, 1e5])
def test_many_copies_of_a_job_are_not_a_batch(span_s: float) -> None:
    source = recorded(100.0, span_s=span_s)
    drawn = source.draw(5)
    for service in source.service_s[::20].tolist():
        by_minute = np.bincount((drawn.arrivals_s[drawn.service_s == service] // 60).astype(int))
        assert by_minute.sum() == 100
        assert by_minute.max() <= 30


@pytest.mark.parametrize("ratio", [1.7, 2.5, 12.0])
def test_the_expected_count_of_a_minute_is_the_mean_of_the_drawn_ones(ratio: float) -> None:
    source = recorded(ratio)
    drawn = np.mean([np.bincount((source.draw(seed).arrivals_s // 60).astype(int), minlength=100) for seed in SEEDS], 0)
    assert drawn == pytest.approx(source.counts, abs=0.2 * ratio)
    assert source.counts.sum() == pytest.approx(300 * ratio)


@pytest.mark.parametrize("make", [lambda n: counted(n, 2, 3), lambda n: recorded(n / 2)])
def test_sources_compare_by_value(make: Any) -> None:
    one, same, other = make(1), pickle.loads(pickle.dumps(make(1))), make(2)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_sources_with_different_histories_are_not_equal() -> None:
    trace = CountTrace("t", 43_200.0, np.array([1.0, 2.0, 3.0, 4.0]))
    other = CountTrace("t", 43_200.0, np.array([1.0, 5.0, 3.0, 4.0]))
    assert by_count(trace, Choice(1), SERVICE) != by_count(other, Choice(1), SERVICE)


def test_sources_with_different_jobs_are_not_equal() -> None:
    at = np.array([1.0, 2.0])
    traces = [JobTrace("j", at, np.array([5.0, 6.0])), JobTrace("j", at, np.array([6.0, 5.0]))]
    one, other = (by_job(trace, Choice()) for trace in traces)
    assert one != other


def test_sources_have_a_mean_service_time() -> None:
    assert counted(1, 2).mean_service_s == 5.0
    assert recorded(3.0).mean_service_s == pytest.approx(150.5)
