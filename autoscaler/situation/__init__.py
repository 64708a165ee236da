"""The situation as JSON: all inputs of one decision, with ages instead of instants.

`encode` writes it to the log, `decode` reads it for `decide` and `replay`. Invariant: a decision on
`decode(encode(...))` is equal to the original decision. Ages are not rounded, so that an event at the edge of a window
stays on the same side.
"""

from autoscaler.situation.reading import decode
from autoscaler.situation.writing import decision_of, encode, terms_of

__all__ = ["decision_of", "decode", "encode", "terms_of"]
