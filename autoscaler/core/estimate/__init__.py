"""Estimators: they learn the properties of the work from readings that are late, approximate and sometimes missing.

Estimators and forecasts are the only objects of the core that change in place. Their size is bounded, and they receive
each observation once. Invariant: the same observations give the same knowledge, and no reading raises.
"""

from autoscaler.core.estimate.estimator import Estimator

__all__ = ["Estimator"]
