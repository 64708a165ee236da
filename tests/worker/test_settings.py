"""Settings: all errors are reported at once, and the limits are those of docs/workers.md."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.worker import Settings


def test_all_invalid_settings_are_reported_in_one_error() -> None:
    wrong = {
        "concurrency": 0, "visibility_s": 29, "poll_s": 21, "retry_s": 1000, "drain_s": 20, "give_way_s": -1,
        "without_protection": "hope",
    }  # fmt: skip
    with pytest.raises(ValueError) as caught:
        Settings(**dict[str, Any](wrong))
    for name in wrong:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "edge",
    [{"visibility_s": 30}, {"visibility_s": 43_200}, {"poll_s": 0}, {"poll_s": 20}, {"linger_s": 0}, {"drain_s": 10.1},
     {"retry_s": 0}, {"retry_s": 900}, {"give_way_s": 0}],
)  # fmt: skip
def test_the_limits_are_valid(edge: Any) -> None:
    assert Settings(**edge)


@pytest.mark.parametrize(
    "beyond",
    [{"visibility_s": 43_201}, {"poll_s": -1}, {"linger_s": 21}, {"drain_s": 10}, {"retry_s": 901}, {"retry_s": -1},
     {"retry_most_s": 43_201}, {"give_way_after_s": 0}],
)  # fmt: skip
def test_values_beyond_the_limits_are_an_error(beyond: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(beyond))):
        Settings(**beyond)


@pytest.mark.parametrize(("receives", "expected"), [(1, 10), (2, 20), (3, 40), (7, 640), (8, 900), (10_000, 900)])
def test_the_retry_delay_doubles_up_to_its_maximum(receives: int, expected: int) -> None:
    assert Settings().retry_after(receives) == expected
