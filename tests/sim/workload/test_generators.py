"""Generated loads: their counts are the integral of the rate, and their names contain all parameters."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autoscaler.sim.workload import DEFAULT, GENERATORS, Choice, TraceError, generated
from autoscaler.sim.workload.generators import batch, diurnal, flash_crowd, on_off, ramp

DAY = 1440


def numbers(name: str) -> st.SearchStrategy[list[float]]:
    most = {"RATE", "FROM", "TO", "MESSAGES", "TIMES"}
    limits = [(each.least, 100.0 if each.name in most else 1e6) for each in GENERATORS[name].parameters]
    return st.tuples(*(st.floats(*limit) for limit in limits)).map(list)


@pytest.mark.parametrize("name", GENERATORS)
def test_each_generator_works_without_parameters_and_gives_one_day(name: Any) -> None:
    trace = generated(name, Choice())
    assert (trace.counts.size, trace.interval_s) == (DAY, 60.0)
    assert trace.counts.sum() > 1000


@pytest.mark.parametrize("name", GENERATORS)
def test_the_name_of_a_generated_trace_generates_the_same_trace(name: Any) -> None:
    trace = generated(name.replace("_", "-").upper(), Choice(1, 2))
    assert trace.name.startswith(name)
    assert generated(trace.name, Choice(1, 2)).counts.tobytes() == trace.counts.tobytes()
    assert trace.counts.size == 3 * DAY


@given(data=st.data(), name=st.sampled_from(sorted(GENERATORS)), days=st.integers(1, 3))
def test_counts_are_finite_and_not_negative_for_any_parameters(data: Any, name: Any, days: Any) -> None:
    counts = GENERATORS[name].counts(days, *data.draw(numbers(name)))
    assert counts.size == days * DAY
    assert (np.isfinite(counts) & (counts >= 0)).all()


def test_a_steady_load_is_constant() -> None:
    assert (generated("steady:2.5", Choice()).counts == 150).all()


def test_a_name_contains_every_digit_of_a_parameter() -> None:
    assert generated("steady:1.23456789", Choice()).name == "steady:1.23456789"


def test_omitted_parameters_are_the_defaults() -> None:
    assert generated("flash_crowd:1", Choice()).name == "flash_crowd:1:10"


@pytest.mark.parametrize("days", [1, 7])
def test_each_day_has_the_mean_rate(days: int) -> None:
    by_day = diurnal(days, 4.0).reshape(days, DAY).sum(axis=1)
    assert by_day == pytest.approx(4.0 * 86_400)


def test_the_default_load_resembles_a_real_day() -> None:
    assert DEFAULT == "diurnal"
    by_hour = generated(DEFAULT, Choice(0, 14)).counts.reshape(14, 24, 60).mean(axis=2) / 240
    assert by_hour[:, 2:5].max() < 0.5, "the load is low at night"
    assert 1.3 < by_hour[:, 9:18].mean() < 1.6, "the load is high by day"
    assert by_hour.max() < 2.2
    minutes = generated(DEFAULT, Choice(0, 14)).counts
    assert 0.8 < np.corrcoef(minutes[:-DAY], minutes[DAY:])[0, 1] < 0.99, "days are similar but not equal"


def test_more_days_do_not_change_the_earlier_days() -> None:
    assert diurnal(5, 4.0)[: 2 * DAY].tobytes() == diurnal(2, 4.0).tobytes()


def test_a_flash_crowd_comes_in_the_middle_of_the_last_day_and_decays_slowly() -> None:
    rate = flash_crowd(3, 2.0, 10.0) / 60
    middle = 2 * DAY + DAY // 2
    assert (rate[:middle] == 2.0).all()
    assert rate.argmax() in range(middle + 4, middle + 7)
    assert 18.0 < rate.max() <= 20.0
    assert rate[middle + 25] == pytest.approx(2 + 18 / 2, rel=0.05), "after twenty minutes half of the peak remains"
    assert (np.diff(rate[rate.argmax() :]) < 0).all()
    assert rate[-1] < 2.01


def time_on(until: int, on_s: float, off_s: float) -> float:
    """Return the seconds with load before `until`, exactly."""
    cycles, within_s = divmod(Fraction(until), Fraction(on_s) + Fraction(off_s))
    return float(cycles * Fraction(on_s) + min(within_s, Fraction(on_s)))


@settings(max_examples=40)
@given(on_s=st.integers(10, 5000).map(lambda n: n / 10), off_s=st.integers(10, 5000).map(lambda n: n / 10))
@example(on_s=116.4, off_s=96.9)  # a cycle ends at 42,660 s, where separate rounding would give a remainder
@example(on_s=188.26, off_s=145.99)  # in double precision a minute without load would be -7e-12
def test_the_counts_of_on_off_are_the_exact_on_time(on_s: Any, off_s: Any) -> None:
    counts = on_off(1, 1.0, on_s, off_s)
    assert np.cumsum(counts)[::60] == pytest.approx([time_on(60 * n, on_s, off_s) for n in range(1, DAY + 1, 60)])
    assert (counts >= 0).all()


@pytest.mark.parametrize(("on_s", "off_s"), [(116.4, 96.9), (60.0, 60.0), (90.0, 30.0)])
def test_each_minute_of_on_off_counts_its_own_on_time(on_s: float, off_s: float) -> None:
    until = np.array([time_on(60 * n, on_s, off_s) for n in range(DAY + 1)])
    assert on_off(1, 2.0, on_s, off_s) == pytest.approx(2.0 * np.diff(until), abs=1e-6)


@given(every_s=st.integers(1, 100_000))
def test_batches_arrive_in_the_minute_of_their_instant(every_s: Any) -> None:
    expected = np.bincount(np.arange(0, 86_400, every_s) // 60, minlength=DAY)
    assert batch(1, 7.0, every_s).tolist() == (7.0 * expected).tolist()


def test_a_ramp_is_linear_over_all_days() -> None:
    rate = ramp(2, 1.0, 5.0) / 60
    assert np.diff(rate) == pytest.approx(4 / (2 * DAY))
    assert rate.mean() == pytest.approx(3.0)
    assert ramp(2, 5.0, 1.0) == pytest.approx(60 * rate[::-1])


@pytest.mark.parametrize("spec", ["", "sawtooth", "steady:1:2", "diurnal:1:2:3"])
def test_an_unknown_generator_or_too_many_parameters_are_refused_with_the_valid_forms(spec: str) -> None:
    with pytest.raises(TraceError) as caught:
        generated(spec, Choice())
    assert all(each.form(name) in str(caught.value) for name, each in GENERATORS.items())


@pytest.mark.parametrize("spec", ["steady:fast", "steady:-1", "steady:nan", "steady:inf", "on_off:1:0", "steady:"])
def test_invalid_parameters_are_refused_with_their_limits(spec: str) -> None:
    with pytest.raises(TraceError, match="must be a number from"):
        generated(spec, Choice())
