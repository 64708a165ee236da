"""`pytest.approx` with the type `Any`: it may stand where a type is declared, in a field or in a tuple."""

from __future__ import annotations

from typing import Any

import pytest


def about(value: Any, rel: float | None = None, abs: float | None = None) -> Any:  # noqa: A002 - as pytest names it
    """Return what is equal to every number near `value`, as `pytest.approx` has it."""
    return pytest.approx(value, rel=rel, abs=abs)
