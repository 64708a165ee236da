"""Estimators: they learn the properties of the work from readings that are late, approximate and sometimes missing.

With the forecasts they are the only objects of the core that change in place: rings of a bounded size that see every
observation once. Law: the same observations give the same knowledge, and no reading raises.
"""

from autoscaler.core.estimate.estimator import Estimator

__all__ = ["Estimator"]
