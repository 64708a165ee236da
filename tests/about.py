"""`pytest.approx` with the type `Any`, so that it can be used where a number is declared."""

from __future__ import annotations

from typing import Any

import pytest


def about(value: Any, rel: float | None = None, abs: float | None = None) -> Any:  # noqa: A002 - as pytest names it
    """Return an object that is equal to every number near `value`, as in `pytest.approx`."""
    return pytest.approx(value, rel=rel, abs=abs)
