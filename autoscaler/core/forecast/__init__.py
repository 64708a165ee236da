"""The look-ahead: forecasts of the coming minutes from the messages sent per minute so far.

Pure numerics: no clock, no randomness. The only package of the core that may use NumPy: a few hundred queues need
millions of small products a day.
"""

from autoscaler.core.forecast.forecaster import Forecaster, Outlook

__all__ = ["Forecaster", "Outlook"]
