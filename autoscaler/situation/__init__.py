"""A situation as JSON: everything that one decision rests on, in ages instead of instants.

`encode` writes it into the log, `decode` reads it for `decide` and `replay`. Law: deciding on
`decode(encode(...))` gives the decision that was made. Ages are written as they are, unrounded, so that an event at
the edge of a window falls on the same side of it again.
"""

from autoscaler.situation.reading import decode
from autoscaler.situation.writing import decision_of, encode

__all__ = ["decision_of", "decode", "encode"]
