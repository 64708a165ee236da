"""Estimators: what the work is like, learned from readings that are late, approximate and now and then missing.

They are the one thing of the core that changes in place: rings of a bounded size, told of every observation once.
Law: the same observations give the same knowledge, and nothing that is read raises.
"""

from autoscaler.core.estimate.estimator import Estimator

__all__ = ["Estimator"]
