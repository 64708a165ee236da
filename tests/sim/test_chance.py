"""Mixtures of two distributions: their texts, their shares, and that a sample does not depend on its block size."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.sim.chance import DurationDistribution, Mixture, StartUp, durations, stream


@pytest.mark.parametrize("text", ["constant:5", "lognormal:5:1", "constant:1,10%=lognormal:120:0.3"])
def test_a_distribution_is_written_as_it_is_read(text: str) -> None:
    assert str(durations(text)) == text


@pytest.mark.parametrize("text", ["constant:30", "lognormal:45:80", "lognormal:30:45,25%=constant:180"])
def test_a_start_up_is_written_as_it_is_read(text: str) -> None:
    assert str(StartUp.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["constant:1,", "constant:1,10=constant:2", "constant:1,0%=constant:2", "constant:1,x"]
)
def test_an_invalid_mixture_is_refused_with_its_form(text: str) -> None:
    for parse in (durations, StartUp.parse):
        with pytest.raises(ValueError, match=r"not USUAL,PERCENT%=OTHER"):
            parse(text)


def test_the_mean_of_a_mixture_is_that_of_its_samples() -> None:
    mixed = Mixture(DurationDistribution("constant", 1.0), DurationDistribution("constant", 120.0), 0.1)
    drawn = mixed.sample(stream(1, "test"), 100_000)
    assert set(drawn.tolist()) == {1.0, 120.0}
    assert drawn.mean() == pytest.approx(mixed.mean_s, rel=0.02)


def test_a_share_of_the_start_ups_is_of_the_other_kind() -> None:
    drawn = StartUp(30.0, 45.0, 5.0, StartUp(1000.0, 1000.0), 0.3).sample(stream(1, "test"), 100_000)
    assert (drawn == 1000.0).mean() == pytest.approx(0.3, abs=0.01)
    assert np.median(drawn[drawn < 1000.0]) == pytest.approx(30.0, rel=0.02)


@pytest.mark.parametrize("start_up", [StartUp(), StartUp(30.0, 45.0, other=StartUp(150.0, 210.0), other_share=0.3)])
def test_start_ups_do_not_depend_on_the_block_size(start_up: StartUp) -> None:
    whole, rng = start_up.sample(stream(1, "test"), 500), stream(1, "test")
    blocks = np.concatenate([start_up.sample(rng, size) for size in (1, 2, 97, 400)])
    assert whole.tolist() == blocks.tolist()
