"""The look-ahead: what the coming minutes will bring, from the messages sent per minute so far.

Pure numerics: no clock, no chance. The only room of the core that may use NumPy, since millions of small products a
day are needed for a few hundred queues.
"""

from autoscaler.core.forecast.forecaster import Forecaster
from autoscaler.core.forecast.outlook import Outlook

__all__ = ["Forecaster", "Outlook"]
