"""Messages drawn: where they are placed, how many they are, and that a seed says it all."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.chance import Distribution
from autoscaler.sim.model import Workload
from autoscaler.sim.workload import Choice, Counted, CountTrace, JobTrace, Recorded, by_count, by_job

SERVICE = Distribution("lognormal", 5.0, 1.0)
SEEDS = range(200)


def counted(*counts: float, interval_s: float = 60.0, service: Distribution = SERVICE) -> Counted:
    return by_count(CountTrace("t", interval_s, np.array(counts)), Choice(), service)


def recorded(ratio: float, jobs: int = 300, span_s: float = 6000.0) -> Recorded:
    """Jobs whose service times tell them apart; so many of them."""
    chance = np.random.default_rng(1)
    trace = JobTrace("j", np.sort(chance.random(jobs) * span_s), np.arange(1.0, jobs + 1.0))
    as_it_is = by_job(trace, Choice())
    return Recorded(
        "j",
        as_it_is.length_s,
        as_it_is.arrivals_s,
        as_it_is.service_s,
        ratio,
        as_it_is.counts * ratio,
        as_it_is.history,
    )


def bits(workload: Workload) -> tuple[bytes, bytes]:
    return workload.arrivals_s.tobytes(), workload.service_s.tobytes()


def within(mean: float, variance: float, seen: np.ndarray) -> bool:
    """Within four standard errors: one in sixteen thousand right programs would fail, and these seeds do not."""
    answer: bool = abs(seen.mean() - mean) < 4 * np.sqrt(variance / seen.size)
    return answer


sources = st.one_of(
    st.lists(st.floats(0, 200), min_size=1, max_size=20).map(lambda counts: counted(*counts)),
    st.floats(0, 4).map(recorded),
)


@given(source=sources, seed=st.integers(0, 2**63))
def test_arrivals_ascend_within_the_length_and_each_has_its_service_time(source: Any, seed: Any) -> None:
    workload = source.draw(seed)
    assert workload.arrivals_s.shape == workload.service_s.shape
    assert (np.diff(workload.arrivals_s) >= 0).all()
    assert ((workload.arrivals_s >= 0) & (workload.arrivals_s < workload.length_s)).all()
    assert workload.counts.size * workload.interval_s == workload.length_s


@given(source=sources, seed=st.integers(0, 2**63))
def test_the_same_seed_gives_the_same_bits_here_and_in_another_process(source: Any, seed: Any) -> None:
    there = pickle.loads(pickle.dumps(source))
    assert bits(there.draw(seed)) == bits(source.draw(seed))


@pytest.mark.parametrize("source", [counted(50, 60, 70), recorded(0.5)])
def test_another_seed_gives_another_workload(source: Any) -> None:
    assert bits(source.draw(1)) != bits(source.draw(2))


def test_a_sum_that_is_rounded_up_stays_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nearly:
        def poisson(self, counts: Any) -> Any:
            return np.ones(counts.size, dtype=int)

        def random(self, size: Any) -> Any:
            return np.full(size, np.nextafter(1.0, 0.0))

    source = counted(*[1.0] * 1440, service=Distribution("constant", 1.0))
    monkeypatch.setattr("autoscaler.sim.workload.drawing.stream", lambda *_: Nearly())
    workload = source.draw(1)
    assert workload.arrivals_s[-1] < workload.length_s


def test_each_interval_has_a_poisson_number_with_its_count_as_the_mean() -> None:
    counts = np.array([0.0, 0.3, 4.0, 250.0])
    source = counted(*counts)
    drawn = np.array([np.histogram(source.draw(seed).arrivals_s, 4, (0, 240))[0] for seed in SEEDS])
    assert (drawn[:, 0] == 0).all()
    assert all(within(counts[at], counts[at], drawn[:, at]) for at in (1, 2, 3))
    ratios = drawn[:, 1:].var(axis=0) / counts[1:]
    assert ((ratios > 0.6) & (ratios < 1.5)).all(), "a Poisson number's variance is its mean"


def test_the_number_of_one_interval_says_nothing_of_another() -> None:
    source = counted(100, 100)
    drawn = np.array([np.histogram(source.draw(seed).arrivals_s, 2, (0, 120))[0] for seed in SEEDS])
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.25


def test_messages_lie_evenly_in_their_interval() -> None:
    at = counted(50_000, interval_s=300.0).draw(3).arrivals_s / 300
    assert within(1 / 2, 1 / 12, at)
    assert np.abs(at - (np.arange(at.size) + 0.5) / at.size).max() < 1.9 / np.sqrt(at.size), "Kolmogorov's distance"


def test_the_kth_message_takes_the_kth_service_time_however_many_come() -> None:
    few, many = counted(100, 5).draw(7), counted(3, 300, 200).draw(7)
    assert few.service_s.tolist() == many.service_s[: few.service_s.size].tolist()


def test_arrivals_are_the_same_whatever_the_service() -> None:
    lasting = counted(100, 50, service=Distribution("pareto", 30.0, 1.5))
    assert lasting.draw(7).arrivals_s.tobytes() == counted(100, 50).draw(7).arrivals_s.tobytes()


def test_jobs_as_they_are_leave_nothing_to_chance() -> None:
    source = recorded(1.0)
    assert bits(source.draw(1)) == bits(source.draw(2))
    assert bits(source.draw(1)) == (source.arrivals_s.tobytes(), source.service_s.tobytes())


@pytest.mark.parametrize("ratio", [0.01, 0.3, 1.0, 1.7, 3.0])
def test_the_number_of_jobs_is_the_ratio_of_them_on_average(ratio: float) -> None:
    source, rest = recorded(ratio), ratio % 1
    sizes = np.array([source.draw(seed).arrivals_s.size for seed in SEEDS])
    assert within(300 * ratio, 300 * rest * (1 - rest) + 1e-9, sizes)
    assert source.load().messages == pytest.approx(300 * ratio)


@pytest.mark.parametrize("ratio", [0.3, 1.7])
def test_the_work_of_jobs_is_the_ratio_of_it_on_average(ratio: float) -> None:
    source = recorded(ratio)
    work = np.array([source.draw(seed).work_s for seed in SEEDS])
    assert within(source.service_s.sum() * ratio, (source.service_s**2).sum() * 0.21, work)


def test_jobs_that_are_left_stay_where_they_were() -> None:
    source = recorded(0.4)
    instant_of = dict(zip(source.service_s.tolist(), source.arrivals_s.tolist(), strict=True))
    left = source.draw(5)
    assert 0 < left.arrivals_s.size < 300
    assert [instant_of[service] for service in left.service_s.tolist()] == left.arrivals_s.tolist()


def test_more_of_the_same_jobs_are_the_same_jobs_and_others() -> None:
    fewer, more = recorded(0.3).draw(5), recorded(0.6).draw(5)
    assert set(fewer.service_s.tolist()) < set(more.service_s.tolist())


def test_copies_of_a_job_come_in_its_minute_and_the_first_at_its_instant() -> None:
    source, drawn = recorded(2.5), recorded(2.5).draw(5)
    for at, service in zip(source.arrivals_s.tolist(), source.service_s.tolist(), strict=True):
        copies = drawn.arrivals_s[drawn.service_s == service]
        assert copies.size in {2, 3}
        assert at in copies
        assert np.unique(copies).size == copies.size
        assert (copies // 60 == at // 60).all()


def test_a_minute_expects_the_ratio_of_its_jobs() -> None:
    source = recorded(2.5)
    drawn = np.mean([np.bincount((source.draw(seed).arrivals_s // 60).astype(int), minlength=100) for seed in SEEDS], 0)
    assert drawn == pytest.approx(source.counts, abs=0.4)


@pytest.mark.parametrize("make", [lambda n: counted(n, 2, 3), lambda n: recorded(n / 2)])
def test_sources_are_values(make: Any) -> None:
    one, same, other = make(1), pickle.loads(pickle.dumps(make(1))), make(2)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_sources_of_other_histories_are_others() -> None:
    trace = CountTrace("t", 43_200.0, np.array([1.0, 2.0, 3.0, 4.0]))
    other = CountTrace("t", 43_200.0, np.array([1.0, 5.0, 3.0, 4.0]))
    assert by_count(trace, Choice(1), SERVICE) != by_count(other, Choice(1), SERVICE)


def test_sources_of_other_jobs_are_others() -> None:
    at = np.array([1.0, 2.0])
    traces = [JobTrace("j", at, np.array([5.0, 6.0])), JobTrace("j", at, np.array([6.0, 5.0]))]
    one, other = (by_job(trace, Choice()) for trace in traces)
    assert one != other


def test_workloads_know_their_mean_service() -> None:
    assert counted(1, 2).mean_service_s == 5.0
    assert recorded(3.0).mean_service_s == pytest.approx(150.5)
